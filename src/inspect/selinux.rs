//! Reads whether an image uses SELinux, and to which files its policy gives no label.

use regex::Regex;

/// File that turns SELinux on or off: selinux_config(5).
pub const CONFIG: &str = "/etc/selinux/config";

/// Files that say which label each file has: file_contexts(5).
pub(crate) const CONTEXTS: &str = "/etc/selinux/*/contexts/files/file_contexts{,.homedirs,.local}";

/// Most patterns of files without a label. Policies have some dozens.
const PATTERNS_LIMIT: usize = 2000;

/// Returns the name of the policy if the configuration turns SELinux on: `targeted`.
pub fn policy(config: &str) -> Option<String> {
    let lines = || config.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mode = lines().find_map(|line| line.strip_prefix("SELINUX="))?.to_ascii_lowercase();
    let name = lines().find_map(|line| line.strip_prefix("SELINUXTYPE=")).unwrap_or("targeted").trim();
    let on = mode.starts_with("enforcing") || mode.starts_with("permissive");
    (on && !name.is_empty() && !name.starts_with('.') && !name.contains('/')).then(|| name.to_owned())
}

/// Returns the file that says which label each file has under a policy.
pub fn contexts(policy: &str) -> String {
    format!("/etc/selinux/{policy}/contexts/files/file_contexts")
}

/// Returns patterns of whole paths to which a policy gives no label, from its file contexts. Patterns that are not understood are
/// left out.
pub(crate) fn without_label(contexts: &str) -> Vec<Regex> {
    let lines = contexts.lines().filter(|line| !line.trim_start().starts_with('#'));
    let patterns = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let pattern = words.next()?;
        (words.next_back()? == "<<none>>").then_some(pattern)
    });
    patterns.take(PATTERNS_LIMIT).filter_map(|pattern| Regex::new(&format!("^(?:{pattern})$")).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_read_as_libselinux_reads_it() {
        for (config, name) in [
            ("SELINUX=enforcing\nSELINUXTYPE=targeted\n", Some("targeted")),
            ("# SELINUX=disabled\n  SELINUX=Permissive \nSELINUXTYPE=default  \n", Some("default")),
            ("SELINUX=permissive\n", Some("targeted")),
            ("SELINUX=disabled\nSELINUXTYPE=targeted\n", None),
            ("SELINUXTYPE=targeted\n", None),
            ("SELINUX=enforcing\nSELINUXTYPE=../../tmp\n", None),
            ("", None),
        ] {
            assert_eq!(policy(config).as_deref(), name, "{config}");
        }
    }

    #[test]
    fn some_files_have_no_label_on_purpose() {
        let found = without_label(
            "# /x <<none>>\n/proc\t-d\t<<none>>\n/tmp/.*\t<<none>>\n/etc(/.*)?\tsystem_u:object_r:etc_t:s0\n/bad(\t<<none>>\n",
        );
        let none = |path: &str| found.iter().any(|pattern| pattern.is_match(path));
        assert!(none("/proc") && none("/tmp/a/b"));
        assert!(!none("/tmp") && !none("/etc/passwd") && !none("/x") && !none("/process"));
    }
}
