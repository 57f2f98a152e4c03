//! The scratch directory of a playbook: a copy of its files, its inventory, its variables, and the plugins.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::carry::{Manner, carry};
use super::super::error::ActionError;
use crate::action::Ansible;
use crate::build::service::WORK;
use crate::fsx::{IoContext as _, PathError};
use crate::plan::Asset;

const CONNECTION: &str = include_str!("connection.py");
const EVENTS: &str = include_str!("events.py");

/// The host of the inventory. Plays are for `all`.
const INVENTORY: &str = "all:\n  hosts:\n    image:\n      ansible_connection: goldsmith\n      ansible_user: root\n";

/// Name of the playbook's directory in the scratch directory.
const FILES: &str = "project";

/// A scratch directory. It is removed when it is dropped.
pub(super) struct Project {
    dir: TempDir,
}

impl Project {
    /// Writes all that Ansible needs. The files are proved to be what the plan was made of.
    pub(super) fn make(
        ansible: &Ansible,
        files: &BTreeMap<String, Asset>,
        secrets: &BTreeMap<String, Vec<u8>>,
        scratch: &Path,
    ) -> Result<Self, ActionError> {
        let project = Self { dir: tempfile::Builder::new().prefix("a").tempdir_in(scratch).at(scratch)? };
        let root = project.dir.path();
        for dir in ["home", "home/tmp", "plugins", "plugins/connection", "plugins/callback"] {
            let path = root.join(dir);
            std::fs::create_dir(&path).at(&path)?;
        }
        let packed = tempfile::tempfile_in(root).at(root)?;
        carry(&ansible.source, FILES, files, Manner { mode: None, owner: (0, 0), time: 0 }, &packed)?;
        std::io::Seek::rewind(&mut &packed).at(root)?;
        let mut archive = tar::Archive::new(&packed);
        archive.set_preserve_permissions(false);
        archive.unpack(root).at(root)?;
        project.write("plugins/connection/goldsmith.py", CONNECTION)?;
        project.write("plugins/callback/goldsmith_events.py", EVENTS)?;
        project.write("inventory.yml", INVENTORY)?;
        project.write("ansible.cfg", "")?;
        project.write("vars.json", &variables(ansible, secrets)?.to_string())?;
        Ok(project)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), PathError> {
        let path = self.dir.path().join(name);
        let file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).at(&path)
    }

    /// Returns the path of the socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Returns the command that runs the playbook.
    pub(super) fn playbook(&self, ansible: &Ansible) -> Command {
        let root = self.dir.path();
        let mut command = self.command("ansible-playbook");
        command.arg("-i").arg(root.join("inventory.yml"));
        command.arg("-e").arg(format!("@{}", root.join("vars.json").display()));
        for (option, names) in [("--tags", &ansible.tags), ("--skip-tags", &ansible.skip_tags)] {
            if !names.is_empty() {
                command.arg(option).arg(names.join(","));
            }
        }
        command.arg("--").arg(root.join(FILES).join(&ansible.playbook));
        command
    }

    /// Returns the command that installs what a file of requirements lists.
    pub(super) fn galaxy(&self, requirements: &str) -> Command {
        let mut command = self.command("ansible-galaxy");
        command.args(["install", "-r"]).arg(self.dir.path().join(FILES).join(requirements));
        command
    }

    /// Returns a command of Ansible. It knows no configuration, roles and collections of the user: only the files of the playbook
    /// count, so that the same layer key means the same tasks.
    fn command(&self, program: &str) -> Command {
        let root = self.dir.path();
        let files = root.join(FILES);
        let path = |parts: &[&Path]| std::env::join_paths(parts).unwrap_or_default();
        let mut command = Command::new(program);
        let (own, empty) = (files.join("ansible.cfg"), root.join("ansible.cfg"));
        command
            .current_dir(&files)
            .env("ANSIBLE_CONFIG", if own.is_file() { own } else { empty })
            .env("ANSIBLE_HOME", root.join("home"))
            .env("ANSIBLE_LOCAL_TEMP", root.join("home/tmp"))
            .env("ANSIBLE_REMOTE_TMP", format!("{WORK}/tmp"))
            .env("ANSIBLE_CONNECTION_PLUGINS", root.join("plugins/connection"))
            .env("ANSIBLE_CALLBACK_PLUGINS", root.join("plugins/callback"))
            .env("ANSIBLE_STDOUT_CALLBACK", "goldsmith_events")
            .env("ANSIBLE_ROLES_PATH", path(&[&root.join("home/roles"), &files.join("roles")]))
            .env("ANSIBLE_COLLECTIONS_PATH", path(&[&root.join("home/collections"), &files.join("collections")]))
            .env("ANSIBLE_PIPELINING", "true")
            .env("ANSIBLE_PYTHON_INTERPRETER", "auto_silent")
            .env("ANSIBLE_RETRY_FILES_ENABLED", "false")
            .env("ANSIBLE_NOCOLOR", "true")
            .env("ANSIBLE_FORKS", "1")
            .env("ANSIBLE_LOCALHOST_WARNING", "false")
            .env("ANSIBLE_DEVEL_WARNING", "false")
            .env("GOLDSMITH_SOCKET", self.socket())
            // Ansible refuses to start without a locale of UTF-8.
            .env("LC_ALL", "C.UTF-8");
        command
    }
}

/// Returns the variables of the playbook: those of the recipe, and its secrets by their names.
fn variables(ansible: &Ansible, secrets: &BTreeMap<String, Vec<u8>>) -> Result<Value, ActionError> {
    let mut all: serde_json::Map<String, Value> = ansible.vars.clone().into_iter().collect();
    for name in &ansible.secrets {
        let value = secrets.get(name).and_then(|value| std::str::from_utf8(value).ok());
        let Some(value) = value else {
            let message = format!("the secret `{name}` has no value, or one that is not text");
            return Err(ActionError::Unfit { action: format!("ansible {}", ansible.playbook), message });
        };
        all.insert(name.clone(), json!(value));
    }
    Ok(Value::Object(all))
}
