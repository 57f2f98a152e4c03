//! Carries out the actions of a step in a guest.
//!
//! What a declarative action asks for is done by calls of the guest where that is possible, so that it works
//! in an image that has no shell; programs of the image run only for what only they can do.

mod boot_menu;
mod carry;
mod files;
mod installed;
mod kernel_args;
mod locale;
mod packages;
mod paths;
mod service;
mod system;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::action::{Action, Run};
use crate::digest::Sha256;
use crate::distro::Mechanisms;
use crate::fsx::IoContext as _;
use crate::guest::{Command, Ended, Guest, GuestError, Space};
use crate::plan::{Asset, AssetKind, Origin, Step};
use crate::text::Redactor;

pub use installed::installed_packages;
pub use packages::PackageCache;

/// Private directory of a step in the guest. On a tmpfs, so nothing in it reaches a layer.
const WORK: &str = "/run/goldsmith";

/// Directory of secrets in the guest, mounted for one action only.
const SECRETS: &str = "/run/goldsmith-secrets";

/// How programs say that a file system is full.
const NO_SPACE: &str = "No space left on device";

/// How lines of shell that are part of Goldsmith end when a program before them ended well and its work is not done.
/// No program ends so by itself: sysexits.h ends at 78, a shell's own begin at 126.
const UNDONE: i32 = 99;

/// Longest text file that is read to edit it, in bytes.
const TEXT_LIMIT: u64 = 8 * 1024 * 1024;

/// An action that failed.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The guest could not do what the action asked for.
    #[error("{action}")]
    Guest {
        /// The action, for people.
        action: String,
        /// What the guest said.
        #[source]
        source: GuestError,
    },
    /// A program of the image ended with an error.
    #[error("{action} ended with exit status {status}{}", reason(hint.as_deref(), *full))]
    Status {
        /// The action, for people.
        action: String,
        /// Its exit status.
        status: i32,
        /// What such a status usually means.
        hint: Option<String>,
        /// How full the image was, if that may be why.
        full: Option<Space>,
        /// The last lines it printed.
        tail: Vec<String>,
    },
    /// The image is not as the action needs it.
    #[error("{action}: {message}")]
    Unfit {
        /// The action, for people.
        action: String,
        /// What is wrong.
        message: String,
    },
    /// A program of the image ended well, and what it was to do is not done.
    #[error("{action}: {message}")]
    Undone {
        /// The action, for people.
        action: String,
        /// What was found when its effect was looked at.
        message: String,
        /// The last lines it printed.
        tail: Vec<String>,
    },
    /// A package is in no repository.
    #[error("package {package} is in no repository of the image (wanted by {})", wanted_by.join(", "))]
    PackageNotFound {
        /// Name of the package.
        package: String,
        /// Elements that ask for it.
        wanted_by: Vec<String>,
    },
    /// A file of the host cannot be read or written.
    #[error(transparent)]
    Host(#[from] crate::fsx::PathError),
}

impl ActionError {
    /// The guest's own error, where that is the cause.
    pub fn guest(&self) -> Option<&GuestError> {
        match self {
            Self::Guest { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The error with secrets hidden in what a program printed.
    fn redacted(mut self, redactor: &Redactor) -> Self {
        if let Self::Status { tail, .. } | Self::Undone { tail, .. } = &mut self {
            tail.iter_mut().for_each(|line| *line = redactor.redact(line));
        }
        self
    }

    /// The last lines a failed program printed.
    pub fn tail(&self) -> &[String] {
        match self {
            Self::Status { tail, .. } | Self::Undone { tail, .. } => tail,
            _ => &[],
        }
    }
}

/// Carries out the actions of one step.
#[expect(missing_debug_implementations, reason = "it holds a guest, and secrets")]
pub struct Executor<'a> {
    /// Where the actions are carried out; the image is mounted.
    pub guest: &'a mut dyn Guest,
    /// How things are done in the image's distribution.
    pub mechanisms: &'a Mechanisms,
    /// Architecture of the image, as the kernel names it.
    pub arch: &'a str,
    /// Packages of the plan and who asks for them.
    pub packages: &'a BTreeMap<String, Vec<String>>,
    /// Values of the secrets the step's actions name.
    pub secrets: &'a BTreeMap<String, Vec<u8>>,
    /// Downloaded packages kept between builds.
    pub package_cache: Option<PackageCache>,
    /// A directory of the host for what is on its way into the image.
    pub scratch: &'a Path,
    /// The moment that the image is of, in seconds since 1970, where it has one: programs write it instead of the
    /// time, if they know the convention of `SOURCE_DATE_EPOCH`.
    pub epoch: Option<u64>,
    /// How long the step may take.
    pub timeout: Duration,
}

impl Executor<'_> {
    /// Carries out all actions of a step, in order, until one fails.
    pub fn run(&mut self, step: &Step) -> Result<(), ActionError> {
        let started = Instant::now();
        let timeout = self.timeout;
        for action in &step.actions {
            self.timeout = timeout.saturating_sub(started.elapsed());
            self.action(action, &step.files)?;
        }
        match &step.arguments {
            Some(arguments) => {
                self.timeout = timeout.saturating_sub(started.elapsed());
                self.boot_menu(arguments)
            }
            None => Ok(()),
        }
    }

    fn action(&mut self, action: &Action, files: &BTreeMap<String, Asset>) -> Result<(), ActionError> {
        match action {
            Action::Packages(packages) => self.packages(packages),
            Action::Run(run) => self.script(run, files),
            Action::Write(write) => self.write(write),
            Action::Copy(copy) => self.copy(copy, files),
            Action::Extract(extract) => self.extract(extract, files),
            Action::Edit(edit) => self.edit(edit),
            Action::Remove(paths) => self.remove(paths),
            Action::Empty(paths) => self.empty(paths),
            Action::Mkdir(mkdir) => self.mkdir(mkdir),
            Action::Symlink(link) => self.symlink(link),
            Action::Move(rename) => self.rename(rename),
            Action::Service(service) => self.service(service),
            Action::KernelArgs(args) => self.kernel_args(args),
            Action::User(user) => self.user(user),
            Action::Hostname(name) => self.hostname(name),
            Action::Timezone(zone) => self.timezone(zone),
            Action::Locale(locale) => self.locale(locale),
        }
    }

    /// Runs a script of the recipe.
    fn script(&mut self, run: &Run, files: &BTreeMap<String, Asset>) -> Result<(), ActionError> {
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
    fn program(
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
        self.guest.remove(WORK).for_action(label)?;
        let full = match ended.status {
            0 => None,
            _ => Some(self.guest.free_space("/").for_action(label)?)
                .filter(|space| space.is_exhausted() || ended.tail.iter().any(|line| line.contains(NO_SPACE))),
        };
        succeeded(label, ended, full).map_err(|error| error.redacted(&Redactor::new(self.secrets.values())))
    }

    /// Runs lines of shell that are part of Goldsmith.
    fn shell(&mut self, label: &str, lines: &str, args: &[String], network: bool) -> Result<(), ActionError> {
        let content = format!("#!/bin/sh\nset -eu\n{lines}\n");
        self.program(label, content.as_bytes(), args, BTreeMap::new(), network, None)
    }

    /// Runs lines of shell that look at what they have done, and end with [`UNDONE`] where it is not what it should be.
    fn shell_seen(
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
    fn text(&mut self, label: &str, path: &str) -> Result<String, ActionError> {
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

/// Why a program may have ended as it did, in parentheses.
fn reason(hint: Option<&str>, full: Option<Space>) -> String {
    let size = crate::units::ByteSize::bytes;
    match (full, hint) {
        (Some(full), _) => {
            format!(" (no space left in the image: {} of {} are free)", size(full.available), size(full.total))
        }
        (None, Some(hint)) => format!(" ({hint})"),
        (None, None) => String::new(),
    }
}

/// The first line of an inline script that says something, for people.
fn label_of(inline: &str) -> String {
    let line = inline.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    format!("run `{}`", line.unwrap_or("").chars().take(60).collect::<String>())
}

/// A copy of a file's content, proved to be what the plan was made of. Removed when it is dropped.
fn staged(name: &str, files: &BTreeMap<String, Asset>, scratch: &Path) -> Result<NamedTempFile, ActionError> {
    let Some((_, Asset { kind: AssetKind::File { sha256, origin }, .. })) = carry::content(name, files) else {
        let message = "is not among the files of the recipe or element".to_owned();
        return Err(ActionError::Unfit { action: name.to_owned(), message });
    };
    let mut copy = NamedTempFile::new_in(scratch).at(scratch)?;
    match origin {
        Origin::Embedded(bytes) => copy.write_all(bytes).at(copy.path())?,
        Origin::File(path) => {
            let mut file = std::fs::File::open(path).at(path)?;
            std::io::copy(&mut file, &mut copy).at(path)?;
        }
    }
    if Sha256::of_file(copy.path())? == *sha256 { Ok(copy) } else { Err(carry::changed(name)) }
}

/// Says which action a guest's error belongs to.
trait ForAction<T> {
    fn for_action(self, action: &str) -> Result<T, ActionError>;
}

impl<T> ForAction<T> for Result<T, GuestError> {
    fn for_action(self, action: &str) -> Result<T, ActionError> {
        self.map_err(|source| ActionError::Guest { action: action.to_owned(), source })
    }
}
