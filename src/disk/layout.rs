//! Partitions and file systems of a new disk.
//!
//! The disk has a GPT with 1 MiB alignment: a BIOS boot partition and an EFI system partition if the layout needs them, then
//! root. Root is the last, so that it can grow. All identifiers derive from a seed: the same recipe gives the same disk.

use std::fmt;

use sha2::Digest as _;

use crate::digest::Sha256;
use crate::guest::Mount;
use crate::plan::DiskPlan;
use crate::recipe::{Arch, Layout};
use crate::units::ByteSize;

const BIOS_BOOT_SIZE: u64 = ByteSize::MIB;
/// Size for several boot loaders and a firmware update, in bytes. FAT32 needs at least 33 MiB.
const EFI_SIZE: u64 = 100 * ByteSize::MIB;
/// Smallest size for a system, in bytes.
const MIN_ROOT_SIZE: u64 = 256 * ByteSize::MIB;
const SECTOR: u64 = 512;

/// The reason why a disk cannot have the requested layout.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LayoutError {
    /// The partitions do not fit.
    #[error("a disk of {size} is too small for its partitions: set disk.size to {needed} or more")]
    TooSmall {
        /// The requested size.
        size: ByteSize,
        /// Smallest sufficient size.
        needed: ByteSize,
    },
    /// Only PCs have a BIOS.
    #[error("disk.layout asks for BIOS, which {} machines do not have: use `uefi`", .0.name())]
    NoBios(Arch),
}

/// A universally unique identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// Returns an identifier of version 8 (RFC 9562) that depends only on a seed and a purpose.
    pub fn derive(seed: &Sha256, purpose: &str) -> Self {
        let mut bytes = derive(seed, purpose);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::encode(self.0);
        write!(f, "{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
    }
}

/// The purpose of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// GRUB's core image on a machine with BIOS.
    BiosBoot,
    /// EFI system partition: FAT32.
    Efi,
    /// The root file system: ext4.
    Root,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Number, from 1.
    pub number: u32,
    /// The purpose.
    pub purpose: Purpose,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
    /// GUID of the partition.
    pub uuid: Uuid,
}

/// The layout of a new disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskLayout {
    /// Length in bytes.
    pub size: u64,
    /// GUID of the disk.
    pub uuid: Uuid,
    /// Partitions in their order on the disk.
    pub partitions: Vec<Partition>,
    /// UUID of the root file system.
    pub root_uuid: Uuid,
    /// Hash seed of the directories of the root file system.
    pub root_hash_seed: Uuid,
    /// Volume number of the EFI system partition's file system.
    pub efi_volume_id: u32,
    arch: Arch,
}

impl DiskLayout {
    /// Computes the layout of a disk. All identifiers derive from the seed.
    pub fn new(disk: &DiskPlan, arch: Arch, seed: &Sha256) -> Result<Self, LayoutError> {
        let (bios, efi) = match disk.layout {
            Layout::BiosUefi => (true, true),
            Layout::Bios => (true, false),
            Layout::Uefi => (false, true),
        };
        if bios && arch != Arch::X86_64 {
            return Err(LayoutError::NoBios(arch));
        }
        // A last MiB that is incomplete stays unused; the last whole one holds the second partition table.
        let end = (disk.size.get() / ByteSize::MIB).saturating_sub(1) * ByteSize::MIB;
        let mut start = ByteSize::MIB;
        let mut partitions = Vec::new();
        let mut add = |purpose, size: u64| {
            let number = partitions.len() as u32 + 1;
            let uuid = Uuid::derive(seed, &format!("partition {number}"));
            partitions.push(Partition { number, purpose, start, size, uuid });
            start += size;
            start
        };
        let mut root_start = ByteSize::MIB;
        if bios {
            root_start = add(Purpose::BiosBoot, BIOS_BOOT_SIZE);
        }
        if efi {
            root_start = add(Purpose::Efi, EFI_SIZE);
        }
        if end < root_start + MIN_ROOT_SIZE {
            let needed = ByteSize::bytes(root_start + MIN_ROOT_SIZE + ByteSize::MIB);
            return Err(LayoutError::TooSmall { size: disk.size, needed });
        }
        add(Purpose::Root, end - root_start);
        let volume = derive(seed, "efi volume");
        Ok(Self {
            size: disk.size.get() / SECTOR * SECTOR,
            uuid: Uuid::derive(seed, "disk"),
            partitions,
            root_uuid: Uuid::derive(seed, "root file system"),
            root_hash_seed: Uuid::derive(seed, "root hash seed"),
            efi_volume_id: u32::from_be_bytes([volume[0], volume[1], volume[2], volume[3]]),
            arch,
        })
    }

    /// Returns the partition for a purpose, if this disk has one.
    pub fn partition(&self, purpose: Purpose) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.purpose == purpose)
    }

    /// Returns the input of `sfdisk` for the partition table.
    pub fn sfdisk_script(&self) -> String {
        let mut script = format!("label: gpt\nlabel-id: {}\nunit: sectors\nsector-size: {SECTOR}\n\n", self.uuid);
        for partition in &self.partitions {
            let (kind, name) = match partition.purpose {
                Purpose::BiosBoot => ("21686148-6449-6E6F-744E-656564454649", "bios"),
                Purpose::Efi => ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "efi"),
                // The Discoverable Partitions Specification has one type for each architecture.
                Purpose::Root => match self.arch {
                    Arch::X86_64 => ("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "root"),
                    Arch::Aarch64 => ("B921B045-1DF0-41C3-AF44-4C6F280D3FAE", "root"),
                },
            };
            script += &format!(
                "{} : start={}, size={}, type={kind}, uuid={}, name=\"{name}\"\n",
                partition.number,
                partition.start / SECTOR,
                partition.size / SECTOR,
                partition.uuid,
            );
        }
        script
    }

    /// Returns the file systems with their mount points, `/` first.
    pub fn mounts(&self) -> Vec<Mount> {
        [(Purpose::Root, "/"), (Purpose::Efi, "/boot/efi")]
            .into_iter()
            .filter_map(|(purpose, path)| {
                let partition = self.partition(purpose)?;
                Some(Mount::partition(partition.number, path))
            })
            .collect()
    }

    /// Returns the content of the image's `/etc/fstab`.
    pub fn fstab(&self) -> String {
        let mut fstab = format!("UUID={} / ext4 errors=remount-ro,x-systemd.growfs 0 1\n", self.root_uuid);
        if self.partition(Purpose::Efi).is_some() {
            let id = self.efi_volume_id;
            fstab += &format!("UUID={:04X}-{:04X} /boot/efi vfat umask=0077 0 1\n", id >> 16, id & 0xffff);
        }
        fstab
    }
}

fn derive(seed: &Sha256, purpose: &str) -> [u8; 16] {
    let mut hasher = sha2::Sha256::new();
    hasher.update(seed.bytes());
    hasher.update(purpose.as_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::MountSource;

    fn plan(size: ByteSize, layout: Layout) -> DiskPlan {
        DiskPlan { size, layout, firmware: Vec::new() }
    }

    fn layout(layout: Layout) -> DiskLayout {
        DiskLayout::new(&plan(ByteSize::mebibytes(3072), layout), Arch::X86_64, &Sha256::of(b"seed")).expect("layout")
    }

    #[test]
    fn root_is_last_and_everything_is_aligned() {
        for (kind, purposes) in [
            (Layout::BiosUefi, &[Purpose::BiosBoot, Purpose::Efi, Purpose::Root][..]),
            (Layout::Bios, &[Purpose::BiosBoot, Purpose::Root]),
            (Layout::Uefi, &[Purpose::Efi, Purpose::Root]),
        ] {
            let disk = layout(kind);
            assert_eq!(disk.partitions.iter().map(|p| p.purpose).collect::<Vec<_>>(), purposes);
            let mut free = ByteSize::MIB;
            for (index, partition) in disk.partitions.iter().enumerate() {
                assert_eq!(partition.number as usize, index + 1);
                assert_eq!(partition.start, free);
                assert_eq!(partition.size % ByteSize::MIB, 0);
                free += partition.size;
            }
            assert_eq!(free, disk.size - ByteSize::MIB, "room for the second table");
        }
    }

    #[test]
    fn mounts_and_fstab_agree() {
        let disk = layout(Layout::BiosUefi);
        let mounts: Vec<_> = disk.mounts().into_iter().map(|mount| (mount.path, mount.source)).collect();
        let root = ("/".to_owned(), MountSource::Partition(3));
        assert_eq!(mounts, [root, ("/boot/efi".to_owned(), MountSource::Partition(2))]);
        let fstab = disk.fstab();
        assert!(fstab.starts_with(&format!("UUID={} / ext4 errors=remount-ro,x-systemd.growfs 0 1\n", disk.root_uuid)));
        assert!(fstab.lines().nth(1).is_some_and(|line| line.ends_with(" /boot/efi vfat umask=0077 0 1")), "{fstab}");
        assert_eq!(layout(Layout::Bios).fstab().lines().count(), 1);
    }

    #[test]
    fn identifiers_depend_on_the_seed_alone() {
        assert_eq!(layout(Layout::Uefi), layout(Layout::Uefi));
        let small = plan(ByteSize::mebibytes(1024), Layout::Uefi);
        let other = DiskLayout::new(&small, Arch::X86_64, &Sha256::of(b"other")).expect("layout");
        assert_ne!(other.uuid, layout(Layout::Uefi).uuid);
        let text = other.root_uuid.to_string();
        assert_eq!((text.len(), text.as_bytes()[14]), (36, b'8'), "{text} is of version 8");
        assert!(b"89ab".contains(&text.as_bytes()[19]), "{text} is of the RFC's variant");
    }

    #[test]
    fn the_script_is_what_sfdisk_reads() {
        let script = layout(Layout::BiosUefi).sfdisk_script();
        let lines: Vec<_> = script.lines().collect();
        assert!(lines[5].starts_with("1 : start=2048, size=2048, type=21686148-"), "{script}");
        assert!(lines[6].starts_with("2 : start=4096, size=204800, type=C12A7328-"), "{script}");
        assert!(lines[7].starts_with("3 : start=208896, size=6080512, type=4F68BCE3-"), "{script}");
    }

    #[test]
    fn impossible_disks_are_refused() {
        let seed = Sha256::of(b"");
        let needed = ByteSize::mebibytes(359);
        let tiny = DiskLayout::new(&plan(ByteSize::mebibytes(100), Layout::BiosUefi), Arch::X86_64, &seed);
        assert_eq!(tiny, Err(LayoutError::TooSmall { size: ByteSize::mebibytes(100), needed }));
        assert!(DiskLayout::new(&plan(needed, Layout::BiosUefi), Arch::X86_64, &seed).is_ok());
        let arm = DiskLayout::new(&plan(ByteSize::mebibytes(4096), Layout::Bios), Arch::Aarch64, &seed);
        assert_eq!(arm, Err(LayoutError::NoBios(Arch::Aarch64)));
    }
}
