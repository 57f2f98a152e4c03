//! A run of the script that makes a disk: its environment, its namespaces and the meaning of its failures.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::failure::BootstrapError;
use crate::disk::DiskLayout;
use crate::event::{Event, Reporter};
use crate::fsx::{self, IoContext as _};
use crate::guest::Emulator;
use crate::process::ProcessError;
use crate::recipe::Arch;
use crate::units::ByteSize;
use crate::workdir::USER_NAMESPACE;

/// A script that runs a program as root in a user namespace with all ids of this one. A rule for `binfmt_misc` that is made there
/// is not seen outside. `newuidmap` has no ids for root, so a second process maps the ids.
const IN_USER_NAMESPACE: &str = include_str!("user_namespace.sh");

/// Least free memory for work in memory, in bytes: a common tree of 550 MB is there twice, beside its packages, and the guest and
/// the page cache need memory too.
pub(super) const MIN_MEMORY: u64 = 3 << 30;

/// The place of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A tmpfs with this size in bytes.
    Memory(u64),
    /// A directory below the cache directory.
    Disk,
}

/// Makes the directory of a run ready for the script.
pub(super) fn prepare(work: &Path, layout: &DiskLayout) -> Result<(), BootstrapError> {
    let mnt = work.join("mnt");
    std::fs::create_dir(&mnt).at(&mnt)?;
    // The user's subordinate identities work below.
    for directory in [work, &mnt] {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).at(directory)?;
    }
    for (name, content) in
        [("fstab", layout.fstab()), ("file-systems", file_systems(layout)), ("disk.sfdisk", layout.sfdisk_script())]
    {
        let path = work.join(name);
        std::fs::write(&path, content).at(&path)?;
    }
    Ok(())
}

/// Lists the file systems and swap spaces for the script, directories before those that they lie in.
fn file_systems(layout: &DiskLayout) -> String {
    let mut lines = Vec::new();
    for area in layout.areas() {
        let (kind, mount) = match area.files {
            None => ("swap", ""),
            Some(files) if files.is_filled_by_guest() => ("archive", files.mount.as_str()),
            Some(files) => (files.kind.name(), files.mount.as_str()),
        };
        let (kibibytes, uuid, seed, label) = (area.size / 1024, area.content_uuid, area.hash_seed, area.label());
        lines.push((mount, format!("{kind} {} {kibibytes} {uuid} {seed} {label} {mount}\n", area.start)));
    }
    lines.sort_by(|(one, _), (other, _)| other.cmp(one));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What a run of the script is told.
pub(super) struct Job<'a> {
    /// The script: the functions that make the tree, and `bootstrap.sh`.
    pub(super) script: String,
    pub(super) layout: &'a DiskLayout,
    pub(super) arch: Arch,
    /// Runs programs of `arch`, if the kernel does not.
    pub(super) emulator: Option<&'a Emulator>,
    /// Nothing that is made is newer, in seconds since 1970.
    pub(super) epoch: u64,
    /// The qcow2 file to make.
    pub(super) target: &'a Path,
    pub(super) cache_dir: &'a Path,
    /// Variables for the functions that make the tree.
    pub(super) own: Vec<(&'static str, OsString)>,
}

impl Job<'_> {
    /// Returns the command that does the work, in namespaces of its own.
    pub(super) fn command(&self, work: &Path, place: Place) -> Command {
        let memory = match place {
            Place::Memory(bytes) => bytes,
            Place::Disk => 0,
        };
        let Self { layout, emulator, .. } = self;
        let efi = layout.efi();
        let is_root = rustix::process::geteuid().is_root();
        let mut words = Vec::new();
        if is_root && emulator.is_some() {
            words.extend(["sh", "-eu", "-c", IN_USER_NAMESPACE, "sh"]);
        }
        words.push("unshare");
        if !is_root {
            words.extend(USER_NAMESPACE);
        }
        words.extend(["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]);
        words.extend(["sh", "-eu", "-c", self.script.as_str()]);
        let rule = |emulator: &Emulator| emulator.rule(&emulator.program.to_string_lossy());
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env("WORK", work)
            .env("MEMORY", memory.to_string())
            .env("EMULATION", emulator.map_or(String::new(), rule))
            .env("EPOCH", self.epoch.to_string())
            .env("DISK_SIZE", layout.size.to_string())
            .env("ROOT_ARGUMENTS", layout.root_arguments())
            .env("EFI_SECTOR", efi.map_or(String::new(), |efi| (efi.start / 512).to_string()))
            .env("EFI_KIB", efi.map_or(0, |efi| efi.size / 1024).to_string())
            .env("EFI_ID", format!("{:08x}", layout.efi_volume_id))
            .env("TARGET", self.target)
            .envs(self.own.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Finds the cause of a failure in what the script left and printed; the error itself if the cause is not known.
    pub(super) fn explain(
        &self,
        error: ProcessError,
        work: &Path,
        place: Place,
    ) -> Result<BootstrapError, ProcessError> {
        if let Ok(reason) = std::fs::read_to_string(work.join("no-emulation")) {
            let reason = crate::text::printable(reason.trim().as_bytes());
            return Ok(BootstrapError::Unregistered { arch: self.arch, reason });
        }
        if let Ok(said) = std::fs::read_to_string(work.join("too-small"))
            && let Some((kibibytes, mount)) = said.trim().split_once(' ')
            && let Ok(kibibytes) = kibibytes.parse::<u64>()
        {
            let area = self.layout.file_systems().find(|(_, files)| files.mount == mount);
            return Ok(BootstrapError::DiskTooSmall {
                mount: mount.to_owned(),
                needed: ByteSize::bytes(kibibytes * 1024),
                size: ByteSize::bytes(area.map_or(0, |(area, _)| area.size)),
            });
        }
        match &error {
            ProcessError::Failed { tail, .. } if BootstrapError::is_full(tail) => {
                let (path, available) = match place {
                    Place::Memory(bytes) => (PathBuf::from("memory"), bytes),
                    Place::Disk => (self.cache_dir.to_owned(), fsx::available_bytes(self.cache_dir).unwrap_or(0)),
                };
                let needed = ByteSize::bytes(available.saturating_add(1 << 30));
                Ok(BootstrapError::NoSpace { path, needed, available: ByteSize::bytes(available) })
            }
            _ => Err(error),
        }
    }
}

/// A reporter of one activity after the other.
pub(super) struct Activities<'a> {
    reporter: &'a dyn Reporter,
    current: String,
    started: Instant,
}

impl<'a> Activities<'a> {
    pub(super) fn start(reporter: &'a dyn Reporter, activity: &str) -> Self {
        reporter.report(&Event::ActivityStarted { activity: activity.to_owned() });
        Self { reporter, current: activity.to_owned(), started: Instant::now() }
    }

    pub(super) fn next(&mut self, activity: &str) {
        let elapsed: Duration = self.started.elapsed();
        self.reporter.report(&Event::ActivityFinished { activity: self.current.clone(), elapsed });
        *self = Self::start(self.reporter, activity);
    }

    pub(super) fn finish(self) {
        let elapsed = self.started.elapsed();
        self.reporter.report(&Event::ActivityFinished { activity: self.current, elapsed });
    }
}
