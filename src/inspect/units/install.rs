//! The `[Install]` section of a unit file, read as systemd's own parser reads it: systemd.syntax(7), systemd.unit(5).

use super::name::{Kind, Name};

/// What unit files and drop-ins say of how a unit is enabled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Install {
    /// `Alias=`: other names under which `systemctl enable` links the unit.
    pub(super) aliases: Vec<String>,
    /// `WantedBy=`, `RequiredBy=` and `UpheldBy=`.
    wanted_by: [Vec<String>; 3],
    /// Whether there is an `Also=`.
    pub(super) also: bool,
    /// `DefaultInstance=`.
    pub(super) default_instance: Option<String>,
}

/// A file that systemd does not take as a unit file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl Install {
    /// Whether `systemctl enable` makes a link.
    pub(super) fn has_rules(&self) -> bool {
        !self.aliases.is_empty() || self.wanted_by.iter().any(|units| !units.is_empty())
    }

    /// Adds what one file says of a unit.
    pub(super) fn read(&mut self, unit: &Name<'_>, text: &[u8]) -> Result<(), Malformed> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let (mut section, mut line) = (Section::None, Vec::new());
        for part in text.split(|byte| *byte == b'\n') {
            // A comment does not end a line that goes on.
            if matches!(part.trim_ascii_start().first(), Some(b'#' | b';')) {
                continue;
            }
            line.extend_from_slice(part);
            // Two backslashes at the end are one that is escaped.
            if part.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1 {
                *line.last_mut().expect("it ends with a backslash") = b' ';
                continue;
            }
            self.line(unit, &mut section, &line)?;
            line.clear();
        }
        self.line(unit, &mut section, &line)
    }

    fn line(&mut self, unit: &Name<'_>, section: &mut Section, line: &[u8]) -> Result<(), Malformed> {
        let Ok(line) = std::str::from_utf8(line) else { return Ok(()) };
        let line = line.trim_ascii();
        if let Some(rest) = line.strip_prefix('[') {
            *section = match rest.strip_suffix(']').ok_or(Malformed)? {
                "Install" => Section::Install,
                _ => Section::Other,
            };
            return Ok(());
        }
        match line.split_once('=') {
            Some((key, value)) if *section == Section::Install => self.set(unit, key.trim_ascii(), value.trim_ascii()),
            _ => Ok(()),
        }
    }

    fn set(&mut self, unit: &Name<'_>, key: &str, value: &str) -> Result<(), Malformed> {
        let list = match key {
            "Alias" if unit.may_alias() => &mut self.aliases,
            "WantedBy" => &mut self.wanted_by[0],
            "RequiredBy" => &mut self.wanted_by[1],
            "UpheldBy" => &mut self.wanted_by[2],
            "Also" => {
                for word in value.split_ascii_whitespace() {
                    let instance = self.default_instance.as_deref().filter(|_| unit.kind == Kind::Template);
                    let word = word.replace("%i", instance.unwrap_or(unit.instance()));
                    // What other specifiers stand for is not known here.
                    if !word.contains('%') && Name::parse(&word).is_none() {
                        return Err(Malformed);
                    }
                    self.also = true;
                }
                return Ok(());
            }
            "DefaultInstance" if unit.kind == Kind::Template => {
                self.default_instance = (!value.is_empty() && !value.contains('%')).then(|| value.to_owned());
                return Ok(());
            }
            _ => return Ok(()),
        };
        if value.is_empty() {
            list.clear();
        }
        list.extend(words(value));
        Ok(())
    }
}

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    Install,
    Other,
}

/// Words between white space, without their quotes; none after a quote that does not end.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in text.chars() {
        match quote {
            Some(end) if character == end => quote = None,
            Some(_) => word.get_or_insert_default().push(character),
            None if character == '"' || character == '\'' => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            None if character.is_ascii_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_none() {
        words.extend(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_as_systemd_reads_them() {
        let unit = Name::parse("a@.service").expect("a name");
        let text = b"\xef\xbb\xbfWantedBy=outside\n[Unit]\nAlias=no.service\n[Install]\nWantedBy=x.target \\\n# comment\n y.target\n\
            RequiredBy=z.target\nRequiredBy=\nAlias='b@.service' \"c@.service\"\nDefaultInstance=one\nno assignment\nAlias=\xff\n";
        let mut install = Install::default();
        install.read(&unit, text).expect("it is a unit");
        assert_eq!(install.wanted_by, [vec!["x.target".to_owned(), "y.target".to_owned()], vec![], vec![]]);
        assert_eq!(install.aliases, ["b@.service", "c@.service"]);
        assert_eq!((install.default_instance.as_deref(), install.also), (Some("one"), false));
        for text in ["[Install\n", "[Install]\nAlso=no-unit\n"] {
            assert_eq!(Install::default().read(&unit, text.as_bytes()), Err(Malformed), "{text}");
        }
    }
}
