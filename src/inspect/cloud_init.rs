//! Reads the configuration of cloud-init in an image.
//!
//! It is YAML with a simple structure, and only two keys are needed. A whole parser is too risky for an image of unknown origin,
//! so this module reads lines.

use super::CloudInit;
use super::image::Image;

/// The first configuration file of cloud-init; the others add values or replace them.
const MAIN: &str = "/etc/cloud/cloud.cfg";
const OTHERS: &str = "/etc/cloud/cloud.cfg.d/*.cfg";

/// A file that disables cloud-init if it exists: cloud-init's documentation, "How to disable cloud-init".
const DISABLED: &str = "/etc/cloud/cloud-init.disabled";

/// Files that are read for cloud-init.
pub(super) const WANTED: &[&str] = &[MAIN, OTHERS];

/// Reads the configuration of cloud-init.
pub(super) fn cloud_init(image: &mut Image<'_>) -> Option<CloudInit> {
    let mut texts = vec![image.text(MAIN)?];
    texts.extend(image.texts(&[OTHERS]).into_iter().map(|(_, text)| text));
    let last = |find: &dyn Fn(&str) -> Option<Vec<String>>| texts.iter().rev().find_map(|text| find(text));
    Some(CloudInit {
        enabled: !image.tree.exists(DISABLED),
        datasources: last(&datasources).unwrap_or_default(),
        default_user: last(&|text| default_user(text).map(|name| vec![name]))
            .and_then(|names| names.into_iter().next()),
    })
}

/// Returns the value of `datasource_list`, which is a flow or a block sequence.
fn datasources(text: &str) -> Option<Vec<String>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("datasource_list:"));
    let first = without_comment(lines.next()?.strip_prefix("datasource_list:")?);
    let mut flow = first.trim().to_owned();
    if !flow.starts_with('[') {
        let items = lines.map(without_comment).filter(|line| !line.trim().is_empty());
        let items = items.map_while(|line| line.trim_start().strip_prefix("- ").map(unquoted));
        return Some(items.collect());
    }
    // A flow sequence may continue on the next lines.
    let mut ends = flow.contains(']');
    while !ends {
        // Only the new part is searched: searching the whole each time would take hours with millions of lines.
        let more = without_comment(lines.next()?);
        ends = more.contains(']');
        flow.push_str(more);
    }
    let inner = flow.trim_start_matches('[').split(']').next().unwrap_or_default();
    Some(inner.split(',').map(unquoted).filter(|name| !name.is_empty()).collect())
}

/// Returns the value of `system_info.default_user.name`.
fn default_user(text: &str) -> Option<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().map(without_comment).filter(|line| !line.trim().is_empty());
    lines.find(|line| line.starts_with("system_info:"))?;
    let within = lines.by_ref().take_while(|line| indent(line) > 0).collect::<Vec<_>>();
    let start = within.iter().position(|line| line.trim() == "default_user:")?;
    let outer = indent(within[start]);
    let mut inner = within[start + 1..].iter().take_while(|line| indent(line) > outer);
    inner.find_map(|line| line.trim().strip_prefix("name:")).map(unquoted).filter(|name| !name.is_empty())
}

/// Returns a line without its comment: `#` at the start of the text or after a space.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') { "" } else { line.split(" #").next().unwrap_or(line) }
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole list was searched again for its end after each line.
    #[test]
    fn a_list_over_very_many_lines_takes_no_time() {
        let text = format!("datasource_list: [\n{}]\n", "a,\n".repeat(300_000));
        let begun = std::time::Instant::now();
        assert_eq!(datasources(&text).map(|list| list.len()), Some(300_000));
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn lists_are_read_in_both_notations() {
        for (text, expected) in [
            (
                "datasource_list: [ NoCloud, 'ConfigDrive', OpenStack ] # ours\n",
                vec!["NoCloud", "ConfigDrive", "OpenStack"],
            ),
            ("a: b\ndatasource_list:\n  - Ec2\n# not yet\n  - None\nother:\n  - x\n", vec!["Ec2", "None"]),
            ("datasource_list: [ NoCloud,\n    OpenStack\n]\n", vec!["NoCloud", "OpenStack"]),
            ("datasource_list: []\n", vec![]),
        ] {
            assert_eq!(datasources(text), Some(expected.into_iter().map(str::to_owned).collect()), "{text}");
        }
        for text in ["", "# datasource_list: [x]\n", "datasource_list: [ a,\n"] {
            assert_eq!(datasources(text), None, "{text}");
        }
    }

    #[test]
    fn the_default_user_is_the_one_of_the_system() {
        let text = "users:\n - default\nsystem_info:\n  distro: debian\n  default_user:\n    # the person\n    name: debian\n    lock_passwd: True\n  paths:\n    name: no\n";
        assert_eq!(default_user(text).as_deref(), Some("debian"));
        assert_eq!(default_user("system_info:\n  default_user:\n  name: no\n"), None);
        assert_eq!(default_user("default_user:\n  name: no\n"), None);
    }
}
