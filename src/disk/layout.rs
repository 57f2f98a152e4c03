//! Partitions and file systems of a new disk.
//!
//! The disk has 1 MiB alignment and the partitions of its plan, root as the last, so that it can grow. All identifiers derive from a
//! seed: the same recipe gives the same disk.

use std::fmt;
use std::path::Path;

use sha2::Digest as _;

use crate::digest::Sha256;
use crate::guest::{Mount, MountSource, form};
use crate::plan::DiskPlan;
use crate::recipe::partitions::{FileSystem, FileSystemType, Partition as Wanted, Table};
use crate::recipe::{Arch, Layout};
use crate::units::ByteSize;

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

/// The content of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// GRUB's core image on a machine with BIOS.
    BiosBoot,
    /// EFI system partition: FAT32.
    Efi,
    /// Swap space.
    Swap,
    /// A file system.
    FileSystem(FileSystem),
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Number, from 1.
    pub number: u32,
    /// The content.
    pub content: Content,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
    /// GUID of the partition.
    pub uuid: Uuid,
    /// UUID of its file system or swap space.
    pub content_uuid: Uuid,
    /// Hash seed of the directories of its file system.
    pub hash_seed: Uuid,
}

/// The layout of a new disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskLayout {
    /// Length in bytes.
    pub size: u64,
    /// GUID of the disk.
    pub uuid: Uuid,
    /// Partitions in their order on the disk, root last.
    pub partitions: Vec<Partition>,
    /// Volume number of the EFI system partition's file system.
    pub efi_volume_id: u32,
    table: Table,
    arch: Arch,
}

impl DiskLayout {
    /// Computes the layout of a disk. All identifiers derive from the seed.
    pub fn new(disk: &DiskPlan, arch: Arch, seed: &Sha256) -> Result<Self, LayoutError> {
        if disk.layout != Layout::Uefi && arch != Arch::X86_64 {
            return Err(LayoutError::NoBios(arch));
        }
        let wanted = if disk.partitions.is_empty() { Wanted::of_layout(disk.layout) } else { disk.partitions.clone() };
        // A last MiB that is incomplete stays unused; the last whole one holds the second partition table.
        let end = (disk.size.get() / ByteSize::MIB).saturating_sub(1) * ByteSize::MIB;
        let mut start = ByteSize::MIB;
        let least = |partition: &Wanted| partition.least().get();
        let needed = wanted.iter().map(least).fold(2 * ByteSize::MIB, u64::saturating_add);
        if end.saturating_add(ByteSize::MIB) < needed {
            return Err(LayoutError::TooSmall { size: disk.size, needed: ByteSize::bytes(needed) });
        }
        let mut partitions = Vec::new();
        for (number, partition) in (1..).zip(wanted) {
            let size = partition.size().map_or(end - start, ByteSize::get);
            let content = match partition {
                Wanted::BiosBoot => Content::BiosBoot,
                Wanted::Efi(_) => Content::Efi,
                Wanted::Swap(_) => Content::Swap,
                Wanted::FileSystem(files) => Content::FileSystem(files),
            };
            let of = match &content {
                // The root file system has had these names before there were others.
                Content::FileSystem(files) if files.mount == "/" => "root".to_owned(),
                _ => format!("partition {number}"),
            };
            let derived = |what: &str| Uuid::derive(seed, &format!("{of} {what}"));
            let (content_uuid, hash_seed) = (derived("file system"), derived("hash seed"));
            let uuid = Uuid::derive(seed, &format!("partition {number}"));
            partitions.push(Partition { number, content, start, size, uuid, content_uuid, hash_seed });
            start += size;
        }
        let volume = derive(seed, "efi volume");
        Ok(Self {
            size: disk.size.get() / SECTOR * SECTOR,
            uuid: Uuid::derive(seed, "disk"),
            partitions,
            efi_volume_id: u32::from_be_bytes([volume[0], volume[1], volume[2], volume[3]]),
            table: disk.table,
            arch,
        })
    }

    /// Returns the partition of the root file system.
    pub fn root(&self) -> Option<&Partition> {
        self.file_systems().find(|(_, files)| files.mount == "/").map(|(partition, _)| partition)
    }

    /// Returns the EFI system partition, if this disk has one.
    pub fn efi(&self) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.content == Content::Efi)
    }

    /// Returns the partitions with file systems, except for the EFI system partition.
    pub fn file_systems(&self) -> impl Iterator<Item = (&Partition, &FileSystem)> {
        self.partitions.iter().filter_map(|partition| match &partition.content {
            Content::FileSystem(files) => Some((partition, files)),
            _ => None,
        })
    }

    /// Returns the input of `sfdisk` for the partition table.
    pub fn sfdisk_script(&self) -> String {
        match self.table {
            Table::Gpt => self.gpt(),
            Table::Mbr => self.mbr(),
        }
    }

    fn gpt(&self) -> String {
        let mut script = format!("label: gpt\nlabel-id: {}\nunit: sectors\nsector-size: {SECTOR}\n\n", self.uuid);
        for partition in &self.partitions {
            // Types are those of the UEFI specification and of the Discoverable Partitions Specification.
            let (kind, name) = match &partition.content {
                Content::BiosBoot => ("21686148-6449-6E6F-744E-656564454649", "bios"),
                Content::Efi => ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "efi"),
                Content::Swap => ("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "swap"),
                Content::FileSystem(files) => match (files.mount.as_str(), self.arch) {
                    ("/", Arch::X86_64) => ("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "root"),
                    ("/", Arch::Aarch64) => ("B921B045-1DF0-41C3-AF44-4C6F280D3FAE", "root"),
                    ("/boot", _) => ("BC13C2FF-59E6-4262-A352-B275FD6F7172", "boot"),
                    // fstab names the others. Their own types would mount them without it, and some are bound to a machine.
                    _ => ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", files.label()),
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

    fn mbr(&self) -> String {
        let id = &self.uuid.to_string()[..8];
        let mut script = format!("label: dos\nlabel-id: 0x{id}\nunit: sectors\nsector-size: {SECTOR}\n\n");
        for Partition { number, content, start, size, .. } in &self.partitions {
            let kind = if *content == Content::Swap { "82" } else { "83" };
            let root = matches!(content, Content::FileSystem(files) if files.mount == "/");
            // Some firmware boots no disk without an active partition.
            let active = if root { ", bootable" } else { "" };
            script += &format!("{number} : start={}, size={}, type={kind}{active}\n", start / SECTOR, size / SECTOR);
        }
        script
    }

    /// Returns the file systems with their mount points, each after those that it lies in.
    pub fn mounts(&self) -> Vec<Mount> {
        let efi = self.efi().map(|efi| (efi.number, "/boot/efi"));
        let files = self.file_systems().map(|(partition, files)| (partition.number, files.mount.as_str()));
        let mut mounts: Vec<_> = files.chain(efi).collect();
        mounts.sort_by_key(|(_, path)| *path);
        mounts.into_iter().map(|(number, path)| Mount::partition(number, path)).collect()
    }

    /// Returns what a guest makes on the disk. Archives of what the file systems are to hold are in `archives`.
    pub fn formed(&self, archives: &Path) -> Vec<form::Step> {
        let xfs = self.file_systems().filter(|(_, files)| files.kind == FileSystemType::Xfs);
        let step = |(partition, files): (&Partition, &FileSystem)| form::Step::Xfs {
            on: MountSource::Partition(partition.number),
            uuid: partition.content_uuid.to_string(),
            label: files.label().to_owned(),
            files: archives.join(format!("{}.tar", files.label())),
        };
        xfs.map(step).collect()
    }

    /// Returns the content of the image's `/etc/fstab`.
    pub fn fstab(&self) -> String {
        let mut lines: Vec<(&str, String)> = Vec::new();
        for (partition, files) in self.file_systems() {
            let kind = files.kind;
            let (own, pass): (&[&str], _) = match (files.mount.as_str(), kind) {
                ("/", FileSystemType::Ext4) => (&["errors=remount-ro", "x-systemd.growfs"], 1),
                ("/", FileSystemType::Btrfs | FileSystemType::Xfs) => (&["x-systemd.growfs"], 0),
                (_, FileSystemType::Ext4) => (&[], 2),
                (_, FileSystemType::Btrfs | FileSystemType::Xfs) => (&[], 0),
            };
            let options: Vec<&str> = own.iter().copied().chain(files.options.iter().map(String::as_str)).collect();
            let options = if options.is_empty() { "defaults".to_owned() } else { options.join(",") };
            let (uuid, mount) = (partition.content_uuid, files.mount.as_str());
            lines.push((mount, format!("UUID={uuid} {mount} {} {options} 0 {pass}\n", kind.name())));
        }
        if self.efi().is_some() {
            let id = self.efi_volume_id;
            let line = format!("UUID={:04X}-{:04X} /boot/efi vfat umask=0077 0 1\n", id >> 16, id & 0xffff);
            lines.push(("/boot/efi", line));
        }
        lines.sort_by_key(|(mount, _)| *mount);
        let swap = self.partitions.iter().filter(|partition| partition.content == Content::Swap);
        let swap = swap.map(|partition| format!("UUID={} none swap defaults 0 0\n", partition.content_uuid));
        lines.into_iter().map(|(_, line)| line).chain(swap).collect()
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
#[path = "layout_tests.rs"]
mod tests;
