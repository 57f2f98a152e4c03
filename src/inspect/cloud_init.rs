//! Reads the configuration of cloud-init in an image.

use super::CloudInit;
use super::image::Image;
use crate::yaml::{Node, Source, parse};

/// The first configuration file of cloud-init; the others add values or replace them.
const MAIN: &str = "/etc/cloud/cloud.cfg";
const OTHERS: &str = "/etc/cloud/cloud.cfg.d/*.cfg";

/// A file that disables cloud-init if it exists: cloud-init's documentation, "How to disable cloud-init".
const DISABLED: &str = "/etc/cloud/cloud-init.disabled";

/// Files that are read for cloud-init.
pub(super) const WANTED: &[&str] = &[MAIN, OTHERS];

/// Reads the configuration of cloud-init. A file that is no YAML has no values: cloud-init warns and goes on without it.
pub(super) fn cloud_init(image: &mut Image<'_>) -> Option<CloudInit> {
    let mut texts = vec![(MAIN.to_owned(), image.text(MAIN)?)];
    texts.extend(image.texts(&[OTHERS]));
    let files: Vec<_> = texts.into_iter().filter_map(|(path, text)| parse(&Source::new(path, text)).0).collect();
    Some(CloudInit {
        enabled: !image.tree.exists(DISABLED),
        datasources: files.iter().rev().find_map(datasources).unwrap_or_default(),
        default_user: files.iter().rev().find_map(default_user),
    })
}

/// Returns the value of `datasource_list`.
fn datasources(file: &Node) -> Option<Vec<String>> {
    let names = file.get("datasource_list")?.list().iter().filter_map(Node::text);
    Some(names.map(str::to_owned).collect())
}

/// Returns the value of `system_info.default_user.name`.
fn default_user(file: &Node) -> Option<String> {
    let name = file.get("system_info")?.get("default_user")?.get("name")?.text()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Node> {
        parse(&Source::new("cloud.cfg", text)).0
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
            ("{\"datasource_list\": [a, # not b\n  'it''s']}\n", vec!["a", "it's"]),
            ("x: &all [a]\ndatasource_list: *all\n", vec!["a"]),
            ("text: |\n  datasource_list: [b]\ndatasource_list: [a]\n", vec!["a"]),
        ] {
            assert_eq!(
                read(text).as_ref().and_then(datasources),
                Some(expected.into_iter().map(str::to_owned).collect()),
                "{text}"
            );
        }
        for text in ["", "# datasource_list: [x]\n", "datasource_list: [ a,\n"] {
            assert_eq!(read(text).as_ref().and_then(datasources), None, "{text}");
        }
    }

    #[test]
    fn the_default_user_is_the_one_of_the_system() {
        let text = "users:\n - default\nsystem_info:\n  distro: debian\n  default_user:\n    # the person\n    name: debian\n    lock_passwd: True\n  paths:\n    name: no\n";
        let flow = "system_info: {distro: debian, default_user: {name: \"debian\", groups: [adm]}}\n";
        for (text, expected) in [
            (text, Some("debian")),
            (flow, Some("debian")),
            ("system_info:\n  default_user:\n  name: no\n", None),
            ("default_user:\n  name: no\n", None),
            ("system_info: {default_user: {name: ''}}\n", None),
        ] {
            assert_eq!(read(text).as_ref().and_then(default_user).as_deref(), expected, "{text}");
        }
    }
}
