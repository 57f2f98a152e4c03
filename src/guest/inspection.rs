//! The result of inspecting a disk: its operating system, file systems and firmware.

use super::devices::Storage;
use super::mount::Mount;

/// The result of inspecting the operating system on a disk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Inspection {
    /// The `ID` of os-release: `debian`, `ubuntu`, `fedora`, `rhel`, ...; libguestfs' name for it if there is none.
    pub distro: String,
    /// The `ID` of os-release, and the names in `ID_LIKE`.
    pub ids: Vec<String>,
    /// Product name for people.
    pub product: String,
    /// Version as its makers write it: `12`, `24.04`, `9.4`.
    pub version: String,
    /// Code name from `os-release`, if there is one: `bookworm`.
    pub codename: Option<String>,
    /// Architecture: `x86_64`, `aarch64`.
    pub arch: String,
    /// The file systems, `/` first.
    pub mounts: Vec<Mount>,
    /// Type of the root file system: `ext4`, `xfs`, `btrfs`.
    pub root_filesystem: String,
    /// Firmware that can start it: BIOS with a BIOS boot partition or an MBR boot loader, UEFI with an EFI system partition.
    pub firmware: Vec<crate::recipe::Firmware>,
    /// Partition table and volumes of the disk.
    pub storage: Storage,
}
