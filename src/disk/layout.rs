//! Partitions and file systems of a new disk.
//!
//! The disk has 1 MiB alignment and the partitions of its plan, root as the last, so that it can grow. All identifiers derive from a
//! seed: the same recipe gives the same disk.

use std::fmt;

use sha2::Digest as _;

use crate::digest::Sha256;
use crate::guest::Mount;
use crate::plan::DiskPlan;
use crate::recipe::partitions::{FileSystem, FileSystemType, MIN_ROOT, Partition as Wanted, Table};
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
        let least = |partition: &Wanted| partition.size().unwrap_or(MIN_ROOT).get();
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

    /// Returns the content of the image's `/etc/fstab`.
    pub fn fstab(&self) -> String {
        let mut lines: Vec<(&str, String)> = Vec::new();
        for (partition, files) in self.file_systems() {
            let kind = files.kind;
            let (own, pass): (&[&str], _) = match (files.mount.as_str(), kind) {
                ("/", FileSystemType::Ext4) => (&["errors=remount-ro", "x-systemd.growfs"], 1),
                ("/", FileSystemType::Btrfs) => (&["x-systemd.growfs"], 0),
                (_, FileSystemType::Ext4) => (&[], 2),
                (_, FileSystemType::Btrfs) => (&[], 0),
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
mod tests {
    use super::*;
    use crate::guest::MountSource;
    use crate::recipe::partitions::Swap;

    fn plan(size: ByteSize, layout: Layout) -> DiskPlan {
        DiskPlan { size, layout, ..DiskPlan::default() }
    }

    fn layout(layout: Layout) -> DiskLayout {
        DiskLayout::new(&plan(ByteSize::mebibytes(3072), layout), Arch::X86_64, &Sha256::of(b"seed")).expect("layout")
    }

    #[test]
    fn root_is_last_and_everything_is_aligned() {
        let root = || Content::FileSystem(FileSystem::root());
        for (kind, contents) in [
            (Layout::BiosUefi, vec![Content::BiosBoot, Content::Efi, root()]),
            (Layout::Bios, vec![Content::BiosBoot, root()]),
            (Layout::Uefi, vec![Content::Efi, root()]),
        ] {
            let disk = layout(kind);
            assert_eq!(disk.partitions.iter().map(|p| p.content.clone()).collect::<Vec<_>>(), contents);
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
        let root = disk.root().expect("there is one").content_uuid;
        assert!(fstab.starts_with(&format!("UUID={root} / ext4 errors=remount-ro,x-systemd.growfs 0 1\n")));
        assert!(fstab.lines().nth(1).is_some_and(|line| line.ends_with(" /boot/efi vfat umask=0077 0 1")), "{fstab}");
        assert_eq!(layout(Layout::Bios).fstab().lines().count(), 1);
    }

    #[test]
    fn identifiers_depend_on_the_seed_alone() {
        assert_eq!(layout(Layout::Uefi), layout(Layout::Uefi));
        let small = plan(ByteSize::mebibytes(1024), Layout::Uefi);
        let other = DiskLayout::new(&small, Arch::X86_64, &Sha256::of(b"other")).expect("layout");
        assert_ne!(other.uuid, layout(Layout::Uefi).uuid);
        let text = other.root().expect("there is one").content_uuid.to_string();
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

    /// A disk with a file system for `/var` and `/var/log` each, swap space and btrfs.
    fn parts(table: Table) -> DiskPlan {
        let files = |mount: &str, kind, size: u64| FileSystem {
            mount: mount.to_owned(),
            kind,
            size: (size > 0).then_some(ByteSize::mebibytes(size)),
            options: if mount == "/var" { vec!["noatime".to_owned()] } else { Vec::new() },
            label: None,
        };
        let mut partitions = vec![
            Wanted::Swap(Swap { size: ByteSize::mebibytes(512) }),
            Wanted::FileSystem(files("/var/log", FileSystemType::Ext4, 256)),
            Wanted::FileSystem(files("/var", FileSystemType::Btrfs, 1024)),
            Wanted::FileSystem(files("/", FileSystemType::Ext4, 0)),
        ];
        if table == Table::Gpt {
            partitions.insert(0, Wanted::BiosBoot);
        }
        DiskPlan { layout: Layout::Bios, table, partitions, ..DiskPlan::default() }
    }

    #[test]
    fn partitions_of_a_recipe_come_in_its_order_and_are_mounted_from_the_outside_in() {
        let disk = DiskLayout::new(&parts(Table::Gpt), Arch::X86_64, &Sha256::of(b"seed")).expect("layout");
        let mounts: Vec<_> = disk.mounts().into_iter().map(|mount| (mount.path, mount.source)).collect();
        let expected = [("/", 5), ("/var", 4), ("/var/log", 3)];
        assert_eq!(mounts, expected.map(|(path, number)| (path.to_owned(), MountSource::Partition(number))));
        let fstab = disk.fstab();
        let words: Vec<Vec<&str>> = fstab.lines().map(|line| line.split(' ').skip(1).collect()).collect();
        assert_eq!(words[1], ["/var", "btrfs", "noatime", "0", "0"]);
        assert_eq!(words[2], ["/var/log", "ext4", "defaults", "0", "2"]);
        assert_eq!(words[3], ["none", "swap", "defaults", "0", "0"]);
        assert_eq!(disk.sfdisk_script().matches("type=").count(), 5);
        let uuids: std::collections::HashSet<_> =
            disk.partitions.iter().flat_map(|part| [part.uuid.to_string(), part.content_uuid.to_string()]).collect();
        assert_eq!(uuids.len(), 10, "all differ");
    }

    #[test]
    fn an_mbr_has_one_active_partition() {
        let disk = DiskLayout::new(&parts(Table::Mbr), Arch::X86_64, &Sha256::of(b"seed")).expect("layout");
        let script = disk.sfdisk_script();
        assert!(script.starts_with("label: dos\nlabel-id: 0x"), "{script}");
        assert_eq!((script.matches("bootable").count(), script.matches("type=82").count()), (1, 1), "{script}");
        assert!(script.lines().last().is_some_and(|line| line.ends_with("type=83, bootable")), "{script}");
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
