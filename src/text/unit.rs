//! Reads the files of systemd: units, and settings of its services and network cards. systemd.syntax(7).

/// One setting of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The section it is in, without brackets.
    pub section: String,
    /// Its name.
    pub key: String,
    /// Its value, which may be empty: that often takes back what was set before.
    pub value: String,
}

/// All settings of a file, in order. A backslash at the end of a line goes on in the next one; comments between are none
/// of it.
pub fn settings(text: &str) -> Vec<Setting> {
    let (mut found, mut section, mut held) = (Vec::new(), String::new(), String::new());
    for line in text.lines() {
        let line = line.trim_end_matches('\r');
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        if let Some(start) = line.strip_suffix('\\') {
            held.push_str(start);
            held.push(' ');
            continue;
        }
        held.push_str(line);
        let whole = std::mem::take(&mut held);
        let whole = whole.trim();
        if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) = whole.split_once('=') {
            let (key, value) = (key.trim_end().to_owned(), value.trim_start().to_owned());
            found.push(Setting { section: section.clone(), key, value });
        }
    }
    found
}

/// What systemd takes for true: `parse_boolean` of systemd.
pub fn is_true(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_their_section_and_go_on_over_lines() {
        let text =
            "[Match]\nName=en* \\\n# not eth*\n ; nor wl*\n  ens*\n\n[Network]\n#DHCP=no\n DHCP = yes\r\nDNS=\nx\n";
        let found = settings(text);
        let told: Vec<_> = found.iter().map(|it| format!("{} {}={}", it.section, it.key, it.value)).collect();
        assert_eq!(told, ["Match Name=en*    ens*", "Network DHCP=yes", "Network DNS="]);
        for (value, expected) in [("Yes", true), ("on", true), ("1", true), ("ipv4", false), ("no", false), ("", false)]
        {
            assert_eq!(is_true(value), expected, "{value}");
        }
    }
}
