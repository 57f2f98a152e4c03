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
    /// Installs, removes or updates packages in one transaction of the image's package manager.
    Packages(Packages),
    /// Runs a script in the guest as root. All other actions are declarative.
    Run(Run),
    /// Writes a file from text in the recipe.
    Write(Write),
    /// Copies a file or a directory that belongs to the recipe or element.
    Copy(Copy),
    /// Unpacks a tar archive that belongs to the recipe or element.
    Extract(Extract),
    /// Changes lines of a text file that exists.
    Edit(Edit),
    /// Removes files and directories. Paths may be globs. A path that does not exist is no error.
    Remove(Vec<String>),
    /// Empties files, or makes empty files. Use it for machine-id and for udev rules that a package would write again if
    /// they were missing.
    Empty(Vec<String>),
    /// Makes a directory and its parents.
    Mkdir(Mkdir),
    /// Makes a symbolic link, replacing what is there.
    Symlink(Symlink),
    /// Renames a file or directory within the image.
    Move(Move),
    /// Enables, disables or masks units. systemd is asked for their state afterwards; the build fails where it is another.
    Service(Service),
    /// Adds or removes arguments of the kernel command line. At the end of `finish` every entry of the boot menu that starts
    /// Linux is read; where one differs, the menu is made again, and the build fails if it differs still.
    KernelArgs(KernelArgs),
    /// Makes or changes a user account.
    User(User),
    /// Sets the host name that an instance has until its cloud sets one.
    Hostname(String),
    /// Sets the time zone, by its name in the IANA database: `Europe/Paris`.
    Timezone(String),
    /// Sets the default locale: `en_US.UTF-8`. It is made where that is how the distribution has it, and the build fails
    /// where the C library cannot use it afterwards. Other settings in the same file are gone then.
    Locale(String),
}

/// A change of the set of installed packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Packages {
    /// Packages to install.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub install: Vec<String>,
    /// Packages to remove, together with their configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Update all installed packages first.
    #[serde(skip_serializing_if = "is_false")]
    pub update: bool,
}

/// A script. Exactly one of `script` and `inline` is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// Script file of the recipe or element. Its first line names the interpreter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Text of the script. `/bin/sh -eu` runs it unless it begins with `#!`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<String>,
    /// Arguments of the script.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables of the script.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Give the script a network. Otherwise the guest's network link is down.
    #[serde(skip_serializing_if = "is_false")]
    pub network: bool,
    /// Names of secrets. The script reads each from the file `$GOLDSMITH_SECRETS/<name>`. The files lie in a tmpfs, and
    /// Goldsmith removes it before it saves the layer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// How long the script may take: `90s`, `10min`, `2h`. Default: `--timeout` of the build.
    #[serde(skip_serializing_if = "Option::is_none", with = "units::option_duration")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
}

/// A file from text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Absolute path in the image. Goldsmith makes missing parent directories with mode 0755.
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

/// A file or a directory, with everything in it, brought into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// File or directory, relative to the recipe or element.
    pub source: String,
    /// Absolute path in the image. If `source` is a directory, its content is merged into this directory.
    pub path: String,
    /// Permissions of every copied file. Default: 0755 for an executable file, else 0644.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// `user` or `user:group` of everything that is copied: files, directories and links. Default: `root:root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// An archive unpacked into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extract {
    /// Tar file, as it is or compressed with gzip, xz or zstd.
    pub source: String,
    /// Absolute path of the directory to unpack into. It is made if it is missing.
    pub path: String,
}

/// Changes of a text file, applied in the order: `delete`, `replace`, `ensure-line`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Edit {
    /// Absolute path or glob. With a glob, the action edits all matching files.
    pub path: String,
    /// Regular expressions. The action removes every line that matches one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<String>,
    /// Replacements within lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replace: Vec<Replace>,
    /// Line to append if the file does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ensure_line: Option<String>,
    /// Ignore a path that does not exist. Otherwise it is an error.
    #[serde(skip_serializing_if = "is_false")]
    pub if_present: bool,
}

/// One replacement by regular expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// Regular expression for each line.
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
    /// Path that the link points to, absolute or relative to the link.
    pub target: String,
}

/// A rename.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Absolute path of the existing file or directory.
    pub from: String,
    /// New absolute path.
    pub to: String,
}

/// Which units start. Names without a suffix mean `.service`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Service {
    /// Units that start at boot. A masked unit is an error, as it is for `systemctl enable`: `remove` its mask first. A unit
    /// without an `[Install]` section that no other unit wants is an error too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enable: Vec<String>,
    /// Units that do not start at boot. A unit that a link of its package starts is an error: mask it. A socket or a timer
    /// that starts it later is a unit of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disable: Vec<String>,
    /// Units that nothing can start, installed or not. Another name of a unit is an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<String>,
    /// Ignore a unit that is not installed. Otherwise it is an error in `enable` and `disable`.
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
    /// Arguments to remove: `quiet` removes this argument, `console=` removes it with every value. GRUB's settings are read as
    /// a shell reads them; where a command in them makes the value, that is an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// A user account. Its password is locked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct User {
    /// Login name.
    pub name: String,
    /// Supplementary groups. Goldsmith makes groups that do not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Login shell. Default: `/bin/bash`; for a system account `/usr/sbin/nologin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Numeric user id. Default: the next free id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Make a system account, without a home directory.
    #[serde(skip_serializing_if = "is_false")]
    pub system: bool,
    /// Let the user run every command by sudo without a password.
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

    /// What this action needs beside its values. Every action answers, so that none can be forgotten.
    fn needs(&self) -> Needs<'_> {
        match self {
            Self::Run(run) => Needs { source: run.script.as_deref(), timeout: run.timeout, network: run.network },
            Self::Copy(copy) => Needs { source: Some(&copy.source), ..Needs::default() },
            Self::Extract(extract) => Needs { source: Some(&extract.source), ..Needs::default() },
            Self::Packages(packages) => {
                Needs { network: !packages.install.is_empty() || packages.update, ..Needs::default() }
            }
            Self::Write(_)
            | Self::Edit(_)
            | Self::Remove(_)
            | Self::Empty(_)
            | Self::Mkdir(_)
            | Self::Symlink(_)
            | Self::Move(_)
            | Self::Service(_)
            | Self::KernelArgs(_)
            | Self::User(_)
            | Self::Hostname(_)
            | Self::Timezone(_)
            | Self::Locale(_) => Needs::default(),
        }
    }

    /// The file or directory of the recipe or element that this action brings into the image.
    pub fn source(&self) -> Option<&str> {
        self.needs().source
    }

    /// The same to be changed, the key it stands at, and whether it must be a file.
    pub fn source_mut(&mut self) -> Option<(&mut String, &'static str, bool)> {
        self.source()?;
        match self {
            Self::Run(run) => run.script.as_mut().map(|script| (script, "script", true)),
            Self::Copy(copy) => Some((&mut copy.source, "source", false)),
            Self::Extract(extract) => Some((&mut extract.source, "source", true)),
            other => unreachable!("`{}` brings a file, whose place in it is not known here", other.name()),
        }
    }

    /// How long the action says that it may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.needs().timeout
    }

    /// Whether this action needs packages' repositories or any other part of the network.
    pub fn uses_network(&self) -> bool {
        self.needs().network
    }
}

/// What an action needs beside its values.
#[derive(Default)]
struct Needs<'a> {
    source: Option<&'a str>,
    timeout: Option<Duration>,
    network: bool,
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
