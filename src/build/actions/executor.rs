//! The executor: carries out the actions of a step in order, then makes derived files and the boot menu again if necessary.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::ActionError;
use super::package_cache::PackageCache;
use crate::action::Action;
use crate::distro::Mechanisms;
use crate::event::Reporter;
use crate::guest::Guest;
use crate::interrupt::Interrupt;
use crate::plan::{Asset, Step};

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
    /// Receiver of the output of programs of the host.
    pub reporter: &'a dyn Reporter,
    /// The user's request to stop, which ends programs of the host.
    pub interrupt: &'a Interrupt,
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
        if let Some(derived) = &step.derived {
            self.timeout = timeout.saturating_sub(started.elapsed());
            self.make_derived(derived)?;
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
            Action::Ansible(ansible) => self.ansible(ansible, files),
            Action::Write(write) => self.write(write),
            Action::Copy(copy) => self.copy(copy, files),
            Action::Extract(extract) => self.extract(extract, files),
            Action::Edit(edit) => self.edit(edit),
            Action::Remove(paths) => self.remove(paths),
            Action::Empty(paths) => self.empty(paths),
            Action::Permissions(permissions) => self.permissions(permissions),
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
}
