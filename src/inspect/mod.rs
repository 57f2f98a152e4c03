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
pub mod initramfs;
mod packages;
mod services;
pub(crate) mod tree;

use serde::{Deserialize, Serialize};

use crate::base::Package;
use crate::guest::{Devices, Guest, GuestError, Inspection};
pub use crate::guest::{FileSystem, Partition, PartitionTable};
use crate::recipe::Firmware;
pub(crate) use accounts::accounts_with_passwords;
pub use tree::{FileQuery, Tree, Unread};

/// Longest configuration file that is read, in bytes.
pub const TEXT_LIMIT: u64 = 4 << 20;

/// What is read to find out what is in an image.
pub fn wanted() -> Vec<FileQuery<'static>> {
    let texts = [boot::WANTED, accounts::WANTED, cloud_init::WANTED].concat();
    let texts = texts.into_iter().map(|pattern| FileQuery { pattern, limit: TEXT_LIMIT });
    texts.chain(packages::WANTED).collect()
}

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
    let Opened { inspection, devices, notes } = open(guest)?;
    let Some(Inspection { distro, product, version, codename, arch, firmware, .. }) = inspection else {
        let Devices { partition_table, file_systems, .. } = devices;
        return Ok(System { partition_table, file_systems, notes, ..System::default() });
    };
    let tree = Tree::load(guest, &[], &wanted())?;
    let mut system = of_tree(&tree, &devices, &firmware);
    if system.packages.is_empty() {
        let mut image = Image { tree: &tree, notes: std::mem::take(&mut system.notes) };
        system.packages = packages::by_guest(&mut image, guest)?;
        system.notes = image.notes;
    }
    system.os = Some(Os { distro, product, version, codename, arch });
    system.notes.splice(0..0, notes);
    Ok(system)
}

/// A disk whose file systems are mounted as far as they could be.
#[derive(Debug)]
pub struct Opened {
    /// Its operating system; `None` if none was found, and then nothing is mounted.
    pub inspection: Option<Inspection>,
    /// What it is divided into.
    pub devices: Devices,
    /// What could not be found out, and why.
    pub notes: Vec<String>,
}

/// Mounts what is on the disk that is attached to a guest.
///
/// # Errors
///
/// Only if the guest fails. What is wrong with the image is in [`Opened::notes`].
pub fn open(guest: &mut dyn Guest) -> Result<Opened, GuestError> {
    let mut notes = Vec::new();
    let found = guest.inspect();
    let inspection = noted(&mut notes, found)?;
    if let Some(inspection) = &inspection {
        let all = guest.mount(&inspection.mounts);
        if noted(&mut notes, all)?.is_none() {
            let root: Vec<_> = inspection.mounts.iter().filter(|mount| mount.path == "/").cloned().collect();
            guest.mount(&root)?;
        }
    }
    Ok(Opened { inspection, devices: guest.devices()?, notes })
}

/// What a call has found; what the image is to blame for becomes a note.
fn noted<T>(notes: &mut Vec<String>, result: Result<T, GuestError>) -> Result<Option<T>, GuestError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ GuestError::Call { .. }) => {
            notes.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What files and partitions of an image tell, of which [`wanted`] contents were read. [`System::os`] is left to
/// whoever knows it; so are packages of databases that are no text.
pub fn of_tree(tree: &Tree, devices: &Devices, firmware: &[Firmware]) -> System {
    let mut image = Image { tree, notes: Vec::new() };
    System {
        partition_table: devices.partition_table.clone(),
        file_systems: devices.file_systems.clone(),
        os: None,
        boot: boot::boot(&mut image, firmware, &devices.first_sectors),
        packages: packages::packages(&mut image),
        services: services::services(tree),
        users: accounts::users(&mut image),
        cloud_init: cloud_init::cloud_init(&mut image),
        notes: image.notes,
    }
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
    let texts = boot::WANTED.iter().map(|pattern| FileQuery { pattern, limit: TEXT_LIMIT });
    let tree = Tree::load(guest, &["boot", "efi"], &texts.collect::<Vec<_>>())?;
    Ok(boot::booted(&mut Image { tree: &tree, notes: Vec::new() }))
}

/// The files of an image of which nothing is expected.
struct Image<'a> {
    tree: &'a Tree,
    notes: Vec<String>,
}

impl Image<'_> {
    /// A text file; `None` if there is none.
    fn text(&mut self, path: &str) -> Option<String> {
        match self.tree.bytes(path) {
            Ok(content) => content.map(|content| String::from_utf8_lossy(content).into_owned()),
            Err(reason) => {
                self.notes.push(format!("read {path}: {reason}"));
                None
            }
        }
    }

    /// Text files that match patterns, with their paths, sorted pattern by pattern.
    fn texts(&mut self, patterns: &[&str]) -> Vec<(String, String)> {
        let paths = patterns.iter().flat_map(|pattern| self.tree.glob(pattern)).collect::<Vec<_>>();
        paths.into_iter().filter_map(|path| self.text(&path).map(|text| (path, text))).collect()
    }
}

/// The last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(all(test, feature = "testing"))]
mod tests;
