//! What is known of an image: [`System`] and its parts.

use serde::{Deserialize, Serialize};

use crate::base::Package;
use crate::guest::{FileSystem, PartitionTable};
use crate::recipe::Firmware;

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
    /// Manager of the unit.
    #[serde(default)]
    pub scope: ServiceScope,
    /// Whether it is started.
    pub state: ServiceState,
    /// What it is started with: `multi-user.target`, or a runlevel of OpenRC. A mask outweighs it.
    pub wanted_by: Vec<String>,
}

/// The manager that starts a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceScope {
    /// The system's manager: the unit starts at boot.
    #[default]
    System,
    /// Every user's manager: the unit starts when a user logs in.
    User,
}

/// Whether a unit is started at boot, by the rules of `systemctl is-enabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// It is, by what the image's own configuration says. What the distribution starts in any case is not listed.
    Enabled,
    /// The first boot will enable it, because presets say so and the image has no `/etc/machine-id`.
    Preset,
    /// It cannot be started at all.
    Masked,
    /// Its file, or a link to it, is invalid.
    Bad,
    /// A link starts it, but it is not installed.
    NotFound,
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

/// What a mounted image boots if nobody chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Booted {
    /// The kernel; `None` if there is none in `/boot`.
    pub kernel: Option<Kernel>,
    /// Its arguments; none if no configuration of a boot loader was understood.
    pub args: Vec<String>,
}
