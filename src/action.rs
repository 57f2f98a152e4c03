//! The closed set of things a step can do.
//!
//! Elements and recipes are data: everything they ask for is one of these variants, and all but
//! [`Run`] are declarative. A new action is a variant here, its executor in [`crate::build`] and
//! its tests; the reference is made from this file. Values are rendered: no template is left in any of them.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units;

/// One entry of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Installs, removes or updates packages, as one transaction of the guest's package manager.
    Packages(Packages),
    /// Runs a script in the guest as root. The only action that is not declarative.
    Run(Run),
    /// Writes a file from text in the recipe.
    Write(Write),
    /// Copies a file or a directory that belongs to the recipe or element.
    Copy(Copy),
    /// Unpacks a tar archive that belongs to the recipe or element.
    Extract(Extract),
    /// Changes lines of a text file that exists.
    Edit(Edit),
    /// Removes files and directories (globs allowed); what is not there is not an error.
    Remove(Vec<String>),
    /// Replaces each path by an empty file, made if it is not there. udev rules that a package
    /// would bring back, and machine-id, must be emptied rather than removed.
    Empty(Vec<String>),
    /// Makes a directory and its parents.
    Mkdir(Mkdir),
    /// Makes a symbolic link, replacing what is there.
    Symlink(Symlink),
    /// Renames a file or directory within the image.
    Move(Move),
    /// Sets which units the init system starts.
    Service(Service),
    /// Adds or removes arguments of the kernel command line.
    KernelArgs(KernelArgs),
    /// Makes or changes a user account.
    User(User),
    /// Sets the host name that the image has before its cloud gives it one.
    Hostname(String),
    /// Sets the time zone, as named in the IANA database: `Europe/Paris`.
    Timezone(String),
    /// Sets the default locale: `en_US.UTF-8`.
    Locale(String),
}

/// A change of the set of installed packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Packages {
    /// Packages to install.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub install: Vec<String>,
    /// Packages to remove with their configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Whether to bring everything installed up to date first.
    #[serde(skip_serializing_if = "is_false")]
    pub update: bool,
}

/// A script. Exactly one of `script` and `inline` is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// A file of the recipe or element, run by the interpreter its first line names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// The script's text, run by `/bin/sh -eu` unless it begins with `#!`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<String>,
    /// Arguments of the script.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables of the script.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Whether the script may use the network. Without it the guest's link is down.
    #[serde(skip_serializing_if = "is_false")]
    pub network: bool,
    /// Names of secrets, readable as `$GOLDSMITH_SECRETS/<name>` while the script runs. They lie
    /// on a tmpfs that is gone before the layer is frozen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// How long the script may take: `90s`, `10min`, `2h`. Default: the build's deadline.
    #[serde(skip_serializing_if = "Option::is_none", with = "units::option_duration")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
}

/// A file from text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Absolute path in the image. Missing parents are made with mode 0755.
    pub path: String,
    /// The whole content of the file.
    pub content: String,
    /// Permissions. Default: 0644.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// `user` or `user:group`, names or numbers. Default: `root:root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A file or directory brought into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// File or directory, relative to the recipe or element that asks for it.
    pub source: String,
    /// Absolute path in the image. A directory's content is merged into it.
    pub path: String,
    /// Permissions of every file copied. Default: 0755 if executable, else 0644.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// `user` or `user:group`. Default: `root:root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// An archive unpacked into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extract {
    /// A tar file, plain or compressed by gzip, xz or zstd.
    pub source: String,
    /// Absolute path of the directory to unpack into.
    pub path: String,
}

/// Changes of a text file, applied in the order: `delete`, `replace`, `ensure-line`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Edit {
    /// Absolute path; a glob edits every file it matches.
    pub path: String,
    /// Lines that match one of these regular expressions are taken out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<String>,
    /// Text replaced within lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replace: Vec<Replace>,
    /// A line appended unless the file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ensure_line: Option<String>,
    /// Whether a path that is not there is passed over instead of being an error.
    #[serde(skip_serializing_if = "is_false")]
    pub if_present: bool,
}

/// One replacement by regular expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// Regular expression, matched against each line.
    pub pattern: String,
    /// Replacement; `$1` is the first group.
    pub with: String,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mkdir {
    /// Absolute path.
    pub path: String,
    /// Permissions. Default: 0755.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// `user` or `user:group`. Default: `root:root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Symlink {
    /// Absolute path of the link.
    pub path: String,
    /// What it points at, absolute or relative to the link.
    pub target: String,
}

/// A rename.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Absolute path that exists.
    pub from: String,
    /// Absolute path it gets.
    pub to: String,
}

/// Which units start. Names without a suffix mean `.service`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Service {
    /// Units to start at boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enable: Vec<String>,
    /// Units not to start at boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disable: Vec<String>,
    /// Units that nothing may start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<String>,
    /// Whether a unit that is not installed is passed over instead of being an error.
    #[serde(skip_serializing_if = "is_false")]
    pub if_present: bool,
}

/// A change of the kernel command line. An argument that is there already is not added again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KernelArgs {
    /// Arguments to add, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Arguments to remove: `quiet` exactly, or `console=` for every value of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// A user account. Its password is locked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct User {
    /// Login name.
    pub name: String,
    /// Supplementary groups, made if they do not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Login shell. Default: `/bin/bash`, for a system account `/usr/sbin/nologin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Numeric id. Default: the next free one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Whether it is a system account, without a home directory.
    #[serde(skip_serializing_if = "is_false")]
    pub system: bool,
    /// Whether it may run every command by sudo without a password.
    #[serde(skip_serializing_if = "is_false")]
    pub sudo: bool,
    /// Public keys for `~/.ssh/authorized_keys`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
}

/// Permission bits, written as an octal string: `"0644"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^0?[0-7]{3,4}$"))]
pub struct Mode(u32);

impl Mode {
    /// The permission bits, at most `0o7777`.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if (3..=5).contains(&text.len()) && bits <= 0o7777 => Ok(Self(bits)),
            _ => Err(format!("`{text}` is not a file mode: write it like \"0644\"")),
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        format!("{:04o}", mode.0)
    }
}

impl Action {
    /// The name by which recipes call this action.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Packages(_) => "packages",
            Self::Run(_) => "run",
            Self::Write(_) => "write",
            Self::Copy(_) => "copy",
            Self::Extract(_) => "extract",
            Self::Edit(_) => "edit",
            Self::Remove(_) => "remove",
            Self::Empty(_) => "empty",
            Self::Mkdir(_) => "mkdir",
            Self::Symlink(_) => "symlink",
            Self::Move(_) => "move",
            Self::Service(_) => "service",
            Self::KernelArgs(_) => "kernel-args",
            Self::User(_) => "user",
            Self::Hostname(_) => "hostname",
            Self::Timezone(_) => "timezone",
            Self::Locale(_) => "locale",
        }
    }

    /// The file or directory of the recipe or element that this action brings into the image.
    pub fn source(&self) -> Option<&str> {
        match self {
            Self::Run(run) => run.script.as_deref(),
            Self::Copy(copy) => Some(&copy.source),
            Self::Extract(extract) => Some(&extract.source),
            _ => None,
        }
    }

    /// Whether this action needs packages' repositories or any other part of the network.
    pub fn uses_network(&self) -> bool {
        match self {
            Self::Run(run) => run.network,
            Self::Packages(packages) => !packages.install.is_empty() || packages.update,
            _ => false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::terms::decode;
    use crate::yaml::{Source, parse};

    #[test]
    fn actions_are_maps_with_one_key() {
        for (text, error) in [
            ("- wirte: { path: /a, content: b }\n", "1:3 unknown action `wirte`"),
            ("- write: { path: /a }\n", "1:3 `content` is missing in `write`"),
            ("- write: { path: /a, content: b, mode: 644 }\n", "1:40 expected a string, found integer `644`"),
            ("- write: { path: /a, content: b, mode: '999' }\n", "1:40 `999` is not a file mode"),
            ("- write: /a\n", "1:10 expected a map, found string `/a`"),
            ("- write\n", "1:3 `write` needs a value"),
            ("- remove: /a\n", "1:11 expected a list, found string `/a`"),
            ("- remove: [/a]\n  empty: [/b]\n", "1:3 expected one key, found 2"),
            ("- {}\n", "1:3 expected one key, found 0"),
            ("- [a]\n", "1:3 expected a name or a map with one key, found a list"),
            ("- run: { inline: x, timeout: soon }\n", "1:30 `soon` is not a duration"),
        ] {
            let source = Source::new("x.yaml", text);
            let mut root = parse(&source).0.expect("it is YAML");
            let errors = decode::<Vec<Action>>(&mut root, &source).1.into_iter().map(|error| {
                let position = error.position().expect("it has a place");
                format!("{}:{} {}", position.line, position.column, error.message())
            });
            let errors: Vec<_> = errors.collect();
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert!(errors[0].starts_with(error), "{text}: {errors:?}");
        }
    }
}
