//! The settings of configuration files, for the reference.

use super::keys::{KEYS, Kind};

/// A setting of configuration files.
#[derive(Debug)]
pub struct Setting {
    /// Name in a file.
    pub name: &'static str,
    /// The environment variable with the same meaning.
    pub variable: Option<&'static str>,
    /// The kind of value, in words.
    pub value: String,
    /// The value if nobody sets it.
    pub default: &'static str,
    /// Whether the file of a project may set it.
    pub project: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// Returns all settings.
pub fn settings_of_files() -> Vec<Setting> {
    let value = |kind: Kind| match kind {
        Kind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Mirrors => "map of URLs".to_owned(),
        Kind::Paths => "list of paths".to_owned(),
        kind => kind.words().trim_start_matches("a ").to_owned(),
    };
    let setting = |key: &super::keys::Key| Setting {
        name: key.name,
        variable: key.variable,
        value: value(key.kind),
        default: key.default,
        project: key.project,
        meaning: key.meaning,
    };
    KEYS.iter().map(setting).collect()
}
