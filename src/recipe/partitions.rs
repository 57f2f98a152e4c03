//! Partitions of a bootstrapped disk, as recipes write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use crate::units::ByteSize;

/// Size of an EFI system partition, for several boot loaders and a firmware update. FAT32 needs at least 33 MiB.
pub const EFI_SIZE: ByteSize = ByteSize::mebibytes(100);

/// Bytes before the data of a LUKS container: its header, of version 2.
const LUKS_HEADER: ByteSize = ByteSize::mebibytes(16);

/// Smallest btrfs with subvolumes: besides their files it holds tables that grow with them.
const MIN_SUBVOLUMES: ByteSize = ByteSize::mebibytes(256);

/// Smallest partition for a root file system.
const MIN_ROOT: ByteSize = ByteSize::mebibytes(256);

/// Partition that GRUB's core image needs, in bytes.
pub const BIOS_BOOT_SIZE: ByteSize = ByteSize::mebibytes(1);

/// The kind of a partition table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// GUID partition table.
    #[default]
    Gpt,
    /// Master boot record with at most four partitions. It boots under BIOS only.
    Mbr,
}

impl Table {
    /// Returns whether it is a GPT, the default.
    pub(crate) fn is_gpt(&self) -> bool {
        *self == Self::Gpt
    }
}

/// What volumes of LVM consist of.
pub const EXTENT: ByteSize = ByteSize::mebibytes(4);

/// Label of swap space.
pub const SWAP_LABEL: &str = "swap";

/// A partition of a bootstrapped disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Partition {
    /// BIOS boot partition of 1 MiB, which GRUB needs on a GPT to boot under BIOS.
    BiosBoot,
    /// EFI system partition with FAT32, mounted at `/boot/efi`. The disk boots under UEFI.
    Efi(Efi),
    /// Swap space, used from the first boot on.
    Swap(Swap),
    /// File system with a part of the image. The last partition is the one of `/`, so that it can grow.
    FileSystem(FileSystem),
    /// Physical volume of LVM, with a volume group that has the root file system. It is the last partition.
    Lvm(Lvm),
}

/// A partition with a volume group. It takes the rest of the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lvm {
    /// Name of the volume group.
    pub group: String,
    /// Logical volumes in their order.
    pub volumes: Vec<Volume>,
}

/// A logical volume. Its name is the label of what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Volume {
    /// Swap space, used from the first boot on.
    Swap(Swap),
    /// File system with a part of the image. The one of `/` takes what the others leave, unless it has a size.
    FileSystem(FileSystem),
}

/// An EFI system partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Efi {
    /// Size of the partition.
    #[serde(default = "efi_size")]
    pub size: ByteSize,
}

/// A partition with swap space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// Size of the partition.
    pub size: ByteSize,
}

/// A partition with a file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSystem {
    /// Directory at which it is mounted: `/`, `/var`.
    pub mount: String,
    /// Type of the file system.
    #[serde(default, rename = "type")]
    pub kind: FileSystemType,
    /// Size of the partition. The partition of `/` has none: it takes the rest of the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<ByteSize>,
    /// Label of the file system. Default: `root`, or the last part of `mount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Mount options for `/etc/fstab`, such as `noatime`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Subvolumes of a btrfs, one of them for `mount`. Nothing else lies in the btrfs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subvolumes: Vec<Subvolume>,
    /// Encrypts the partition. The image boots while it is locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<Encrypted>,
}

/// Encryption of a partition by LUKS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encrypted {
    /// Name of the secret whose value is the key.
    pub secret: String,
}

/// A subvolume of a btrfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subvolume {
    /// Name: `@`, `@home`.
    pub name: String,
    /// Directory at which it is mounted: that of the file system, or one in it.
    pub mount: String,
    /// Mount options besides those of the file system, such as `nodev`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// A directory at which a file system, or a subvolume of one, is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint<'a> {
    /// The directory.
    pub mount: &'a str,
    /// Name of the subvolume.
    pub subvolume: Option<&'a str>,
    /// Mount options of the recipe.
    pub options: Vec<&'a str>,
}

/// The type of a file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileSystemType {
    /// ext4.
    #[default]
    Ext4,
    /// btrfs.
    Btrfs,
    /// XFS.
    Xfs,
}

impl FileSystemType {
    /// Returns the name by which `mount` knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Btrfs => "btrfs",
            Self::Xfs => "xfs",
        }
    }

    /// Returns the most characters of a label.
    pub fn longest_label(self) -> usize {
        match self {
            Self::Ext4 => 16,
            Self::Btrfs => 255,
            Self::Xfs => 12,
        }
    }

    /// Returns the size below which it is not made: mkfs.xfs refuses less than 300 MB, and btrfs needs about 110.
    pub fn least(self) -> ByteSize {
        match self {
            Self::Ext4 | Self::Btrfs => ByteSize::mebibytes(128),
            Self::Xfs => ByteSize::mebibytes(320),
        }
    }
}

fn efi_size() -> ByteSize {
    EFI_SIZE
}

impl FileSystem {
    /// Returns the root file system of a recipe that lists no partitions.
    pub fn root() -> Self {
        Self {
            mount: "/".to_owned(),
            kind: FileSystemType::Ext4,
            size: None,
            label: None,
            options: Vec::new(),
            subvolumes: Vec::new(),
            encrypted: None,
        }
    }

    /// Returns the size below which it is not made: that of its type, and the root file system holds a system.
    pub fn least(&self) -> ByteSize {
        let least = if self.subvolumes.is_empty() { self.kind.least() } else { MIN_SUBVOLUMES };
        let header = if self.encrypted.is_some() { LUKS_HEADER.get() } else { 0 };
        let least = ByteSize::bytes(least.get() + header);
        if self.mount == "/" { least.max(MIN_ROOT) } else { least }
    }

    /// Returns where it is mounted: its subvolumes in their order, or all of it.
    pub fn mounts(&self) -> Vec<MountPoint<'_>> {
        let options = || self.options.iter().map(String::as_str);
        if self.subvolumes.is_empty() {
            return vec![MountPoint { mount: &self.mount, subvolume: None, options: options().collect() }];
        }
        let points = self.subvolumes.iter().map(|subvolume| MountPoint {
            mount: &subvolume.mount,
            subvolume: Some(&subvolume.name),
            options: options().chain(subvolume.options.iter().map(String::as_str)).collect(),
        });
        points.collect()
    }

    /// Returns whether only a kernel can make it, so that the guest does so, of an archive.
    pub fn is_filled_by_guest(&self) -> bool {
        self.kind == FileSystemType::Xfs || !self.subvolumes.is_empty() || self.encrypted.is_some()
    }

    /// Returns the label.
    pub fn label(&self) -> &str {
        match (&self.label, self.mount.as_str()) {
            (Some(label), _) => label,
            (None, "/") => "root",
            (None, mount) => mount.rsplit('/').next().unwrap_or(mount),
        }
    }
}

/// Returns whether a directory is another one, or lies in it.
pub fn within(directory: &str, other: &str) -> bool {
    let rest = directory.strip_prefix(other.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Volume {
    /// Returns the name.
    pub fn name(&self) -> &str {
        match self {
            Self::Swap(_) => SWAP_LABEL,
            Self::FileSystem(files) => files.label(),
        }
    }

    /// Returns the size; `None` if it takes the rest of the group.
    pub fn size(&self) -> Option<ByteSize> {
        match self {
            Self::Swap(swap) => Some(swap.size),
            Self::FileSystem(files) => files.size,
        }
    }

    /// Returns its file system, if it has one.
    pub fn file_system(&self) -> Option<&FileSystem> {
        match self {
            Self::Swap(_) => None,
            Self::FileSystem(files) => Some(files),
        }
    }
}

impl Lvm {
    /// Returns the size that the partition has at least: LVM's own data, and the volumes.
    fn least(&self) -> ByteSize {
        let sizes = self.volumes.iter().map(|volume| match volume {
            Volume::Swap(swap) => swap.size,
            Volume::FileSystem(files) => files.size.unwrap_or_else(|| files.least()),
        });
        let extents = sizes.map(|size| size.get().div_ceil(EXTENT.get()).saturating_mul(EXTENT.get()));
        ByteSize::bytes(extents.fold(ByteSize::MIB, u64::saturating_add))
    }
}

impl Partition {
    /// Returns the size; `None` if it takes the rest of the disk.
    pub fn size(&self) -> Option<ByteSize> {
        match self {
            Self::BiosBoot => Some(BIOS_BOOT_SIZE),
            Self::Efi(efi) => Some(efi.size),
            Self::Swap(swap) => Some(swap.size),
            Self::FileSystem(files) => files.size,
            Self::Lvm(_) => None,
        }
    }

    /// Returns the file systems on it.
    pub fn file_systems(&self) -> Vec<&FileSystem> {
        match self {
            Self::FileSystem(files) => vec![files],
            Self::Lvm(lvm) => lvm.volumes.iter().filter_map(Volume::file_system).collect(),
            Self::BiosBoot | Self::Efi(_) | Self::Swap(_) => Vec::new(),
        }
    }

    /// Returns the volume group on it, if it is a physical volume.
    pub fn lvm(&self) -> Option<&Lvm> {
        match self {
            Self::Lvm(lvm) => Some(lvm),
            _ => None,
        }
    }

    /// Returns whether it is swap space, or a volume on it is.
    pub fn has_swap(&self) -> bool {
        match self {
            Self::Swap(_) => true,
            Self::Lvm(lvm) => lvm.volumes.iter().any(|volume| matches!(volume, Volume::Swap(_))),
            Self::BiosBoot | Self::Efi(_) | Self::FileSystem(_) => false,
        }
    }

    /// Returns the size that it has at least.
    pub fn least(&self) -> ByteSize {
        match self {
            Self::BiosBoot => BIOS_BOOT_SIZE,
            Self::Efi(efi) => efi.size,
            Self::Swap(swap) => swap.size,
            Self::FileSystem(files) => files.size.unwrap_or_else(|| files.least()),
            Self::Lvm(lvm) => lvm.least(),
        }
    }

    /// Returns the partitions of a layout.
    pub fn of_layout(layout: Layout) -> Vec<Self> {
        let (bios, efi) = match layout {
            Layout::BiosUefi => (true, true),
            Layout::Bios => (true, false),
            Layout::Uefi => (false, true),
        };
        let bios = bios.then_some(Self::BiosBoot);
        let efi = efi.then_some(Self::Efi(Efi { size: EFI_SIZE }));
        bios.into_iter().chain(efi).chain([Self::FileSystem(FileSystem::root())]).collect()
    }
}
