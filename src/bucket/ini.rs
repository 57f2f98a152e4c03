//! A reader of INI files in the form of Python's `RawConfigParser`, like the AWS command line (botocore) has.

use std::collections::BTreeMap;

use indexmap::IndexMap;

/// The settings of one section, by their names in lower case.
pub(super) type Section = BTreeMap<String, String>;

/// Reads the sections of a file, in order. An error names the line but quotes nothing of it, because it may be a secret.
pub(super) fn parse(text: &str) -> Result<IndexMap<String, Section>, String> {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        reader.line(line).map_err(|message| format!("line {}: {message}", index + 1))?;
    }
    let defaults = reader.sections.shift_remove("DEFAULT").unwrap_or_default();
    let own = reader.sections.into_iter().map(|(name, section)| {
        let all = defaults.iter().map(|(name, lines)| (name.clone(), lines.clone())).chain(section);
        (name, all.map(|(name, lines)| (name, lines.join("\n").trim_end().to_owned())).collect())
    });
    Ok(own.collect())
}

#[derive(Default)]
struct Reader {
    sections: IndexMap<String, BTreeMap<String, Vec<String>>>,
    section: Option<String>,
    setting: Option<String>,
    indent: usize,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let words = line.trim();
        // A comment has a line of its own. After a value, `#` and `;` are part of it.
        if words.starts_with(['#', ';']) {
            return Ok(());
        }
        if words.is_empty() {
            if let Some(value) = self.value() {
                value.push(String::new());
            }
            return Ok(());
        }
        let indent = line.chars().take_while(|letter| letter.is_whitespace()).count();
        if indent > self.indent
            && let Some(value) = self.value()
        {
            value.push(words.to_owned());
            return Ok(());
        }
        self.indent = indent;
        if let Some((name, _)) =
            words.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).filter(|found| !found.0.is_empty())
        {
            self.setting = None;
            self.section = Some(name.to_owned());
            if self.sections.contains_key(name) && name != "DEFAULT" {
                return Err("the section is there twice");
            }
            self.sections.entry(name.to_owned()).or_default();
            return Ok(());
        }
        let section = self.section.as_ref().and_then(|name| self.sections.get_mut(name));
        let section = section.ok_or("there is no `[section]` before it")?;
        let (name, value) = words.split_once(['=', ':']).ok_or("it is neither `[section]` nor `name = value`")?;
        let name = name.trim().to_lowercase();
        if name.is_empty() {
            return Err("the setting has no name");
        }
        if section.insert(name.clone(), vec![value.trim().to_owned()]).is_some() {
            return Err("the setting is there twice in its section");
        }
        self.setting = Some(name);
        Ok(())
    }

    fn value(&mut self) -> Option<&mut Vec<String>> {
        self.sections.get_mut(self.section.as_ref()?)?.get_mut(self.setting.as_ref()?)
    }
}
