//! What is in an image: its partitions, its operating system, what boots, who can log in.
//!
//! Everything is read from files of the image through a guest; no program of the image is run where a file says the
//! same. What an image holds is not trusted: files are read up to a limit, what cannot be understood becomes a
//! [note](System::notes), and text may hold anything, so that whoever shows it makes it
//! [printable](crate::text::printable).

mod accounts;
mod boot;
mod cloud_init;
mod grub;
mod packages;
mod services;

use serde::{Deserialize, Serialize};

use crate::base::Package;
pub use crate::guest::{FileSystem, Partition, PartitionTable};
use crate::guest::{Guest, GuestError, Inspection};
use crate::recipe::Firmware;

/// Longest configuration file that is read, in bytes.
const TEXT_LIMIT: u64 = 4 << 20;

/// All that is known of an image. The names of the fields are those of `goldsmith inspect --json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// The partition table; `null` if the disk has none.
    pub partition_table: Option<PartitionTable>,
    /// File systems, swap areas and what else partitions and logical volumes hold.
    pub file_systems: Vec<FileSystem>,
    /// The operating system; `null` if none was found, and then what follows is empty.
    pub os: Option<Os>,
    /// What boots, and how.
    pub boot: Boot,
    /// Installed packages, sorted by name.
    pub packages: Vec<Package>,
    /// Units that are started at boot, and those that never are, sorted by name.
    pub services: Vec<Service>,
    /// Accounts with a shell, in the order of their numbers.
    pub users: Vec<User>,
    /// First boot by cloud-init; `null` if it is not installed.
    pub cloud_init: Option<CloudInit>,
    /// What could not be found out, and why.
    pub notes: Vec<String>,
}

/// The operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Os {
    /// Distribution: `debian`, `ubuntu`, `fedora`, `rhel`, ...
    pub distro: String,
    /// Name for people: `Debian GNU/Linux 12 (bookworm)`.
    pub product: String,
    /// Version as its makers write it.
    pub version: String,
    /// Code name of the release.
    pub codename: Option<String>,
    /// Architecture: `x86_64`, `aarch64`.
    pub arch: String,
}

/// What boots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Firmware that finds something to start.
    pub firmware: Vec<Firmware>,
    /// What the firmware starts.
    pub loaders: Vec<Loader>,
    /// Kernels, the newest first.
    pub kernels: Vec<Kernel>,
    /// What is booted if nobody chooses.
    pub default: Option<Entry>,
}

/// A boot loader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loader {
    /// Firmware that starts it.
    pub firmware: Firmware,
    /// Which it is: `grub`, `shim`, `systemd-boot`, `syslinux`, or `unknown`.
    pub name: String,
    /// Its file; `null` for code in the first sectors.
    pub path: Option<String>,
}

/// A kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Release, as `uname -r` prints it.
    pub release: String,
    /// Its file.
    pub path: String,
    /// Its initial RAM disk.
    pub initrd: Option<String>,
}

/// An entry of a boot loader's menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Title in the menu.
    pub title: String,
    /// Kernel, as a path of the file system the boot loader reads it from.
    pub kernel: String,
    /// Initial RAM disk, likewise.
    pub initrd: Option<String>,
    /// Arguments of the kernel, in order.
    pub args: Vec<String>,
    /// File that says so.
    pub source: String,
}

/// A unit that is started at boot or that cannot be started.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Service {
    /// Name: `ssh.service`.
    pub unit: String,
    /// Whether it is started.
    pub state: ServiceState,
    /// What it is started with: `multi-user.target`, or a runlevel of OpenRC.
    pub wanted_by: Vec<String>,
}

/// Whether a unit is started at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// It is, by what the image's own configuration says. What the distribution starts in any case is not listed.
    Enabled,
    /// It cannot be started at all.
    Masked,
}

/// An account with a shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Home directory.
    pub home: String,
    /// Shell.
    pub shell: String,
    /// Groups it belongs to, its own first.
    pub groups: Vec<String>,
    /// How one can log in: none of them means that nobody can.
    pub logins: Vec<Login>,
    /// Number of keys in `authorized_keys`.
    pub ssh_keys: usize,
    /// Whether sudo gives it the rights of root.
    pub sudo: Sudo,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// With a password.
    Password,
    /// With no password at all.
    EmptyPassword,
    /// With a key by ssh.
    SshKey,
}

/// Rights by sudo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sudo {
    /// None.
    No,
    /// With the user's password.
    Password,
    /// Without a password.
    NoPassword,
}

/// First boot by cloud-init.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudInit {
    /// Whether it runs at boot.
    pub enabled: bool,
    /// Where it looks for what the cloud tells it, in order; empty if the image leaves it to cloud-init.
    pub datasources: Vec<String>,
    /// The account it makes for the person who starts the instance.
    pub default_user: Option<String>,
}

/// Finds out what is on the disk that is attached to a guest, and leaves its file systems mounted.
///
/// # Errors
///
/// Only if the guest fails. What is wrong with the image is in [`System::notes`].
pub fn system(guest: &mut dyn Guest) -> Result<System, GuestError> {
    let mut image = Image { guest, notes: Vec::new() };
    let inspection = image.inspection()?;
    if let Some(inspection) = &inspection {
        image.mount(inspection)?;
    }
    let devices = image.guest.devices()?;
    let mut system =
        System { partition_table: devices.partition_table, file_systems: devices.file_systems, ..System::default() };
    if let Some(found) = inspection {
        system.boot = boot::boot(&mut image, &found, &devices.first_sector)?;
        system.services = services::services(&mut image)?;
        system.users = accounts::users(&mut image)?;
        system.cloud_init = cloud_init::cloud_init(&mut image)?;
        system.packages = packages::packages(&mut image)?;
        let Inspection { distro, product, version, codename, arch, .. } = found;
        system.os = Some(Os { distro, product, version, codename, arch });
    }
    system.notes = image.notes;
    Ok(system)
}

/// What a mounted image boots if nobody chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Booted {
    /// The kernel; `None` if there is none in `/boot`.
    pub kernel: Option<Kernel>,
    /// Its arguments; none if no configuration of a boot loader was understood.
    pub args: Vec<String>,
}

/// Finds out which kernel a mounted image boots, and with which arguments.
///
/// # Errors
///
/// Only if the guest fails.
pub fn booted(guest: &mut dyn Guest) -> Result<Booted, GuestError> {
    boot::booted(&mut Image { guest, notes: Vec::new() })
}

/// A mounted image of which nothing is expected.
struct Image<'a> {
    guest: &'a mut dyn Guest,
    notes: Vec<String>,
}

impl Image<'_> {
    fn inspection(&mut self) -> Result<Option<Inspection>, GuestError> {
        let found = self.guest.inspect();
        self.noted(found)
    }

    /// Mounts all that the image does, or else its root alone.
    fn mount(&mut self, found: &Inspection) -> Result<(), GuestError> {
        let all = self.guest.mount(&found.mounts);
        if self.noted(all)?.is_none() {
            let root: Vec<_> = found.mounts.iter().filter(|mount| mount.path == "/").cloned().collect();
            self.guest.mount(&root)?;
        }
        Ok(())
    }

    /// What a call has found; what the image is to blame for becomes a note.
    fn noted<T>(&mut self, result: Result<T, GuestError>) -> Result<Option<T>, GuestError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ GuestError::Call { .. }) => {
                self.notes.push(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether there is something at a path, be it a link that leads nowhere.
    fn exists(&mut self, path: &str) -> Result<bool, GuestError> {
        let kind = self.guest.kind(path);
        Ok(self.noted(kind)?.flatten().is_some())
    }

    /// A text file; `None` if there is none.
    fn text(&mut self, path: &str) -> Result<Option<String>, GuestError> {
        self.text_of(path, TEXT_LIMIT)
    }

    /// The same for a file that may be longer.
    fn text_of(&mut self, path: &str, limit: u64) -> Result<Option<String>, GuestError> {
        if !self.exists(path)? {
            return Ok(None);
        }
        let content = self.guest.read(path, limit);
        Ok(self.noted(content)?.map(|content| String::from_utf8_lossy(&content).into_owned()))
    }

    /// Paths that match a pattern, sorted.
    fn glob(&mut self, pattern: &str) -> Result<Vec<String>, GuestError> {
        let paths = self.guest.glob(pattern);
        Ok(self.noted(paths)?.unwrap_or_default())
    }
}

/// The last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(all(test, feature = "testing"))]
mod tests;
