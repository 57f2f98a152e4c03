//! The facts about an image: [`System`] and its parts.

use serde::{Deserialize, Serialize};

use crate::base::Package;
use crate::guest::{FileSystem, PartitionTable};
use crate::recipe::Firmware;

/// All facts about an image. The names of the fields are those of `goldsmith inspect --json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// The partition table; `null` if the disk has none.
    pub partition_table: Option<PartitionTable>,
    /// File systems, swap areas and other content of partitions and logical volumes.
    pub file_systems: Vec<FileSystem>,
    /// The operating system; `null` if none was found, and then all further fields are empty.
    pub os: Option<Os>,
    /// Boot loaders, kernels and the default entry.
    pub boot: Boot,
    /// Installed packages, sorted by name.
    pub packages: Vec<Package>,
    /// Units that start at boot, and those that never do, sorted by name.
    pub services: Vec<Service>,
    /// Accounts with a shell, in the order of their numbers.
    pub users: Vec<User>,
    /// First boot by cloud-init; `null` if it is not installed.
    pub cloud_init: Option<CloudInit>,
    /// The facts that could not be found, and the reasons.
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

/// The boot loaders, kernels and default entry of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Firmware that finds something to start.
    pub firmware: Vec<Firmware>,
    /// Programs that the firmware starts.
    pub loaders: Vec<Loader>,
    /// Kernels, the newest first.
    pub kernels: Vec<Kernel>,
    /// The entry that boots by default.
    pub default: Option<Entry>,
}

/// A boot loader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loader {
    /// Firmware that starts it.
    pub firmware: Firmware,
    /// Name: `grub`, `shim`, `systemd-boot`, `syslinux`, or `unknown`.
    pub name: String,
    /// File of the boot loader; `null` for code in the first sectors.
    pub path: Option<String>,
}

/// A kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Release, as `uname -r` prints it.
    pub release: String,
    /// File of the kernel.
    pub path: String,
    /// File of its initial RAM disk.
    pub initrd: Option<String>,
}

/// An entry of a boot loader's menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Title in the menu.
    pub title: String,
    /// Kernel, as a path in the file system from which the boot loader reads it.
    pub kernel: String,
    /// Initial RAM disk, likewise.
    pub initrd: Option<String>,
    /// Arguments of the kernel, in order.
    pub args: Vec<String>,
    /// File with the entry.
    pub source: String,
}

/// A unit that starts at boot or that cannot start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Service {
    /// Name: `ssh.service`.
    pub unit: String,
    /// Manager of the unit.
    #[serde(default)]
    pub scope: ServiceScope,
    /// State at boot.
    pub state: ServiceState,
    /// The target that starts it: `multi-user.target`, or a runlevel of OpenRC. A mask outweighs it.
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
    /// The image's own configuration starts it. Units that the distribution always starts are not listed.
    Enabled,
    /// The first boot will enable it, because presets say so and the image has no `/etc/machine-id`.
    Preset,
    /// It cannot start at all.
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
    /// Groups of the account, its own first.
    pub groups: Vec<String>,
    /// Ways to log in; if empty, a login is impossible.
    pub logins: Vec<Login>,
    /// Number of keys in `authorized_keys`.
    pub ssh_keys: usize,
    /// Right to become root by sudo.
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
    /// The places where it looks for the cloud's metadata, in order; empty if the image does not say.
    pub datasources: Vec<String>,
    /// The account that it creates for the owner of the instance.
    pub default_user: Option<String>,
}

/// The kernel that a mounted image boots by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Booted {
    /// The kernel; `None` if there is none in `/boot`.
    pub kernel: Option<Kernel>,
    /// The arguments; empty if no configuration of a boot loader was understood.
    pub args: Vec<String>,
}
