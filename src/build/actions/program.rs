//! Runs programs of the image and of the recipe.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::{ActionError, ForAction as _};
use super::executor::Executor;
use super::staged::staged;
use crate::action::Run;
use crate::fsx::IoContext as _;
use crate::guest::{Command, Ended, Space};
use crate::plan::Asset;
use crate::text::Redactor;

/// Private directory of a step in the guest. On a tmpfs, so nothing in it reaches a layer.
const WORK: &str = "/run/goldsmith";

/// Directory of secrets in the guest, mounted for one action only.
const SECRETS: &str = "/run/goldsmith-secrets";

/// How programs say that a file system is full.
const NO_SPACE: &str = "No space left on device";

/// How lines of shell that are part of Goldsmith end when a program before them ended well and its work is not done.
/// No program ends so by itself: sysexits.h ends at 78, a shell's own begin at 126.
pub(super) const UNDONE: i32 = 99;

/// Longest text file that is read to edit it, in bytes.
pub(super) const TEXT_LIMIT: u64 = 8 * 1024 * 1024;

impl Executor<'_> {
    /// Runs a script of the recipe.
    pub(super) fn script(&mut self, run: &Run, files: &BTreeMap<String, Asset>) -> Result<(), ActionError> {
        let (label, content) = match (&run.script, &run.inline) {
            (Some(script), _) => {
                let copy = staged(script, files, self.scratch)?;
                (format!("run {script}"), std::fs::read(copy.path()).at(copy.path())?)
            }
            (None, Some(inline)) if inline.starts_with("#!") => (label_of(inline), inline.clone().into_bytes()),
            (None, inline) => {
                let inline = inline.as_deref().unwrap_or_default();
                (label_of(inline), format!("#!/bin/sh\nset -eu\n{inline}").into_bytes())
            }
        };
        let mut env = run.env.clone();
        if run.secrets.is_empty() {
            return self.program(&label, &content, &run.args, env, run.network, run.timeout);
        }
        let value = |name: &String| match self.secrets.get(name) {
            Some(value) => Ok((name.clone(), value.clone())),
            None => {
                Err(ActionError::Unfit { action: label.clone(), message: format!("the secret `{name}` has no value") })
            }
        };
        let values = run.secrets.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        env.insert("GOLDSMITH_SECRETS".to_owned(), SECRETS.to_owned());
        let provided = self.guest.secrets(&values, SECRETS).for_action(&label);
        let result = provided.and_then(|()| self.program(&label, &content, &run.args, env, run.network, run.timeout));
        // The failure of the script is the news; a guest that cannot take the secrets away is dead.
        result.and(self.guest.secrets(&[], SECRETS).for_action(&label))
    }

    /// Puts a program into the work directory, runs it and takes it away.
    pub(super) fn program(
        &mut self,
        label: &str,
        content: &[u8],
        args: &[String],
        mut env: BTreeMap<String, String>,
        network: bool,
        timeout: Option<Duration>,
    ) -> Result<(), ActionError> {
        let path = format!("{WORK}/script");
        self.guest.mkdir(WORK).for_action(label)?;
        self.guest.write(&path, content).for_action(label)?;
        self.guest.chmod(0o700, &path).for_action(label)?;
        let disk = self.guest.disk_device().for_action(label)?;
        env.insert("GOLDSMITH_DISK".to_owned(), disk);
        env.insert("GOLDSMITH_ARCH".to_owned(), self.arch.to_owned());
        if let Some(epoch) = self.epoch {
            env.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| epoch.to_string());
        }
        let timeout = Some(timeout.map_or(self.timeout, |timeout| timeout.min(self.timeout)));
        let command = Command { program: &path, args, env, network, timeout };
        let ended = self.guest.run(&command).for_action(label)?;
        self.guest.remove(&path).for_action(label)?;
        self.guest.remove(WORK).for_action(label)?;
        let full = match ended.status {
            0 => None,
            _ => Some(self.guest.free_space("/").for_action(label)?)
                .filter(|space| space.is_exhausted() || ended.tail.iter().any(|line| line.contains(NO_SPACE))),
        };
        succeeded(label, ended, full).map_err(|error| error.redacted(&Redactor::new(self.secrets.values())))
    }

    /// Runs lines of shell that are part of Goldsmith.
    pub(super) fn shell(
        &mut self,
        label: &str,
        lines: &str,
        args: &[String],
        network: bool,
    ) -> Result<(), ActionError> {
        let content = format!("#!/bin/sh\nset -eu\n{lines}\n");
        self.program(label, content.as_bytes(), args, BTreeMap::new(), network, None)
    }

    /// Runs lines of shell that look at what they have done, and end with [`UNDONE`] where it is not what it should be.
    pub(super) fn shell_seen(
        &mut self,
        label: &str,
        lines: &str,
        args: &[String],
        undone: &dyn Fn() -> String,
    ) -> Result<(), ActionError> {
        self.shell(label, lines, args, false).map_err(|error| match error {
            ActionError::Status { action, status: UNDONE, tail, .. } => {
                ActionError::Undone { action, message: undone(), tail }
            }
            error => error,
        })
    }

    /// Content of a text file of the image, decoded lossily; empty if it is not there.
    pub(super) fn text(&mut self, label: &str, path: &str) -> Result<String, ActionError> {
        let (path, Some(_)) = self.target(label, path)? else { return Ok(String::new()) };
        let bytes = self.guest.read(&path, TEXT_LIMIT).for_action(label)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn succeeded(label: &str, ended: Ended, full: Option<Space>) -> Result<(), ActionError> {
    let hint = match ended.status {
        0 => return Ok(()),
        126 => Some("its interpreter cannot be run".to_owned()),
        127 => Some("a program, or the interpreter that the first line names, is not in the image".to_owned()),
        137 => Some("killed: the guest may be out of memory, see --memory".to_owned()),
        status if status > 128 => Some(format!("ended by signal {}", status - 128)),
        _ => None,
    };
    Err(ActionError::Status { action: label.to_owned(), status: ended.status, hint, full, tail: ended.tail })
}

/// The first line of an inline script that says something, for people.
fn label_of(inline: &str) -> String {
    let line = inline.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    format!("run `{}`", line.unwrap_or("").chars().take(60).collect::<String>())
}
