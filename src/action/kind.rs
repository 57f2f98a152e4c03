//! The list of actions: their names, and the files, time and network that each needs.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::{Copy, Edit, Extract, Mkdir, Move, Permissions, Symlink, Write};
use super::system::{Ansible, KernelArgs, Packages, Run, Service, User};
use super::texts::Texts;
use crate::syntax::{file_path, host_name, locale, time_zone};

/// One action: an entry of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Installs, removes or updates packages in one transaction of the image's package manager. The build fails and names the
    /// package if dpkg leaves it unconfigured, or if one of its scripts fails under rpm. It also fails if a repository of the
    /// image cannot be read.
    Packages(Packages),
    /// Runs a script in the guest as root. All other actions are declarative. As for every action, Goldsmith makes again at the
    /// end what is [derived](#what-is-made-again) from changed files.
    Run(Run),
    /// Runs a playbook of Ansible. `ansible-playbook` runs on the host, and its tasks in the guest as root. So the build needs
    /// `--allow-ansible`: a playbook can run programs on the host too.
    Ansible(Ansible),
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
    /// Changes permissions and owners of files and directories that exist.
    Permissions(Permissions),
    /// Makes a directory and its parents.
    Mkdir(Mkdir),
    /// Makes a symbolic link, replacing what is there.
    Symlink(Symlink),
    /// Renames a file or directory within the image.
    Move(Move),
    /// Enables, disables or masks units. Goldsmith then asks systemd for their states, and the build fails if one is not the
    /// wanted one.
    Service(Service),
    /// Adds or removes arguments of the kernel command line. At the end of `finish`, Goldsmith reads every entry of the boot menu
    /// that starts Linux. If one differs, it makes the menu again, and the build fails if one still differs.
    KernelArgs(KernelArgs),
    /// Makes or changes a user account.
    User(User),
    /// Sets the host name that an instance has until its cloud sets one.
    Hostname(String),
    /// Sets the time zone, by its name in the IANA database: `Europe/Paris`.
    Timezone(String),
    /// Sets the default locale: `en_US.UTF-8`. Goldsmith generates the locale if the distribution has a program for that. The
    /// build fails if the C library cannot use the locale afterwards. Other settings in the same file are lost.
    Locale(String),
}

impl Action {
    /// Rules for the texts of each action, by its name. A test compares them with the schema.
    pub(crate) const TEXTS: &[(&'static str, Texts)] = &[
        ("packages", Packages::TEXTS),
        ("run", Run::TEXTS),
        ("ansible", Ansible::TEXTS),
        ("write", Write::TEXTS),
        ("copy", Copy::TEXTS),
        ("extract", Extract::TEXTS),
        ("edit", Edit::TEXTS),
        ("remove", &[("*", file_path)]),
        ("empty", &[("*", file_path)]),
        ("permissions", Permissions::TEXTS),
        ("mkdir", Mkdir::TEXTS),
        ("symlink", Symlink::TEXTS),
        ("move", Move::TEXTS),
        ("service", Service::TEXTS),
        ("kernel-args", KernelArgs::TEXTS),
        ("user", User::TEXTS),
        ("hostname", &[("", host_name)]),
        ("timezone", &[("", time_zone)]),
        ("locale", &[("", locale)]),
    ];

    /// Returns the name of this action in recipes.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Packages(_) => "packages",
            Self::Run(_) => "run",
            Self::Ansible(_) => "ansible",
            Self::Write(_) => "write",
            Self::Copy(_) => "copy",
            Self::Extract(_) => "extract",
            Self::Edit(_) => "edit",
            Self::Remove(_) => "remove",
            Self::Empty(_) => "empty",
            Self::Permissions(_) => "permissions",
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

    /// Returns what this action needs besides its values. The match lists every action, so that none is forgotten.
    fn needs(&self) -> Needs<'_> {
        match self {
            Self::Run(run) => Needs { source: run.script.as_deref(), timeout: run.timeout, network: run.network },
            Self::Ansible(ansible) => {
                Needs { source: Some(&ansible.source), timeout: ansible.timeout, network: ansible.network }
            }
            Self::Copy(copy) => Needs { source: Some(&copy.source), ..Needs::default() },
            Self::Extract(extract) => Needs { source: Some(&extract.source), ..Needs::default() },
            Self::Packages(packages) => {
                Needs { network: !packages.install.is_empty() || packages.update, ..Needs::default() }
            }
            Self::Write(_)
            | Self::Edit(_)
            | Self::Remove(_)
            | Self::Empty(_)
            | Self::Permissions(_)
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

    /// Returns the file or directory of the recipe or element that this action brings into the image.
    pub fn source(&self) -> Option<&str> {
        self.needs().source
    }

    /// Returns the path of [`Self::source`] so that it can be changed, with its key in the recipe, and whether it must be a file.
    pub fn source_mut(&mut self) -> Option<(&mut String, &'static str, bool)> {
        self.source()?;
        match self {
            Self::Run(run) => run.script.as_mut().map(|script| (script, "script", true)),
            Self::Ansible(ansible) => Some((&mut ansible.source, "source", false)),
            Self::Copy(copy) => Some((&mut copy.source, "source", false)),
            Self::Extract(extract) => Some((&mut extract.source, "source", true)),
            other => unreachable!("`{}` brings a file, whose place in it is not known here", other.name()),
        }
    }

    /// Returns the action's timeout, if it has one.
    pub fn timeout(&self) -> Option<Duration> {
        self.needs().timeout
    }

    /// Returns whether this action needs package repositories or any other part of the network.
    pub fn uses_network(&self) -> bool {
        self.needs().network
    }
}

/// The needs of an action besides its values.
#[derive(Default)]
struct Needs<'a> {
    source: Option<&'a str>,
    timeout: Option<Duration>,
    network: bool,
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
