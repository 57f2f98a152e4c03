//! Actions on things that the image's own programs manage: packages, units, accounts, the kernel command line.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::texts::{Texts, is_false};
use crate::syntax::{
    anything, argument, file_path, kernel_argument, one_line, package, password_hash, relative_path, unit, user, word,
};
use crate::units;

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

impl Packages {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[("install.*", package), ("remove.*", package)];
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

impl Run {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[
        ("args.*", argument),
        ("script", anything),
        ("inline", anything),
        ("secrets.*", anything),
        ("timeout", anything),
    ];
}

/// A playbook of Ansible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ansible {
    /// Directory with the playbook and all that it uses, such as `roles/`, `group_vars/` and `ansible.cfg`. A change of any file in it
    /// runs the step again.
    pub source: String,
    /// Path of the playbook in that directory.
    #[serde(default = "default_playbook")]
    pub playbook: String,
    /// Variables, which have precedence over all others. In texts, Goldsmith replaces its own templates first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, serde_json::Value>,
    /// Names of secrets, which are variables of the same names. Tasks that use them need `no_log`, if they would write the value into
    /// the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Only tasks with one of these tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// No tasks with one of these tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_tags: Vec<String>,
    /// Path of a file in that directory that lists roles and collections for `ansible-galaxy`, which downloads them first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<String>,
    /// Give the tasks a network. Modules that install packages need it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub network: bool,
    /// How long the playbook may take: `90s`, `10min`, `2h`. Default: `--timeout` of the build.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "units::option_duration")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
}

fn default_playbook() -> String {
    "site.yml".to_owned()
}

impl Ansible {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[
        ("source", anything),
        ("playbook", relative_path),
        ("requirements", relative_path),
        ("secrets.*", anything),
        ("tags.*", word),
        ("skip-tags.*", word),
        ("timeout", anything),
    ];
}

/// Which units start. Names without a suffix mean `.service`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Service {
    /// Units that start at boot, with the units that their `Also=` names. A masked unit is an error, as it is for
    /// `systemctl enable`: `remove` its mask first. A unit without an `[Install]` section that no other unit wants is an
    /// error too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enable: Vec<String>,
    /// Units that do not start at boot, with the units that their `Also=` names. A unit that a link of its package starts is
    /// an error: mask it. A masked unit keeps its links. A socket or a timer that starts it later is another unit: name it
    /// too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disable: Vec<String>,
    /// Units that nothing can start, installed or not. An alias of a unit is an error, and so is a unit whose file is in
    /// `/etc/systemd/system`, where the mask would have to be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<String>,
    /// Ignore a unit that is not installed. Otherwise it is an error in `enable` and `disable`.
    #[serde(skip_serializing_if = "is_false")]
    pub if_present: bool,
}

impl Service {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[("enable.*", unit), ("disable.*", unit), ("mask.*", unit)];
}

/// A change of the kernel command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KernelArgs {
    /// Arguments to add after others are removed, in this order. One that is there already stays where it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Arguments to remove: `quiet` removes this argument, `console=` removes it with every value. Goldsmith reads GRUB's
    /// settings as a shell does. A value that a command in them makes is an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

impl KernelArgs {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[("add.*", kernel_argument), ("remove.*", kernel_argument)];
}

/// A user account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct User {
    /// Login name.
    pub name: String,
    /// Supplementary groups. Goldsmith makes groups that do not exist, as system groups.
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
    /// Let the user run every command by sudo without a password: in `/etc/sudoers.d/90-NAME`.
    #[serde(skip_serializing_if = "is_false")]
    pub sudo: bool,
    /// Hash of the password, as crypt(3) makes it: `openssl passwd -6`. Everybody who has the image has the hash. Default: the
    /// password is locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// Public keys for `~/.ssh/authorized_keys`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
}

impl User {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[
        ("name", user),
        ("groups.*", user),
        ("shell", file_path),
        ("password-hash", password_hash),
        ("ssh-keys.*", one_line),
    ];
}
