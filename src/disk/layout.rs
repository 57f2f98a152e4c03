//! Partitions and file systems of a new disk.
//!
//! The disk has 1 MiB alignment and the partitions of its plan, root as the last, so that it can grow. All identifiers derive from a
//! seed: the same recipe gives the same disk.

use std::path::Path;

use super::uuid::{Uuid, derive};
use super::volumes::{Group, Volume};
use crate::digest::Sha256;
use crate::guest::{Mount, MountSource, form};
use crate::plan::DiskPlan;
use crate::recipe::partitions::{FileSystem, FileSystemType, MountPoint, Partition as Wanted, SWAP_LABEL, Table};
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
    /// Physical volume of LVM.
    Lvm,
}

/// A stretch of the disk with swap space or a file system: a partition or a logical volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area<'a> {
    /// The file system; `None` for swap space.
    pub files: Option<&'a FileSystem>,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
    /// UUID of the file system or swap space.
    pub content_uuid: Uuid,
    /// Hash seed of the directories of the file system.
    pub hash_seed: Uuid,
    /// UUID of the LUKS container that the file system is in.
    pub container: Option<Uuid>,
    place: Place<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    Partition(u32),
    Volume(&'a Group, &'a Volume),
}

impl Area<'_> {
    /// Returns the device.
    pub fn source(&self) -> MountSource {
        match self.place {
            Place::Partition(number) => MountSource::Partition(number),
            Place::Volume(group, volume) => MountSource::Device(group.device(volume)),
        }
    }

    /// Returns the label of the content.
    pub fn label(&self) -> &str {
        self.files.map_or(SWAP_LABEL, FileSystem::label)
    }
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
    content_uuid: Uuid,
    /// Hash seed of the directories of its file system.
    hash_seed: Uuid,
    /// UUID of its LUKS container.
    container: Uuid,
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
    /// The volume group on the last partition, if that is a physical volume.
    pub group: Option<Group>,
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
        let mut group = None;
        for (number, partition) in (1..).zip(wanted) {
            let size = partition.size().map_or(end - start, ByteSize::get);
            let content = match partition {
                Wanted::BiosBoot => Content::BiosBoot,
                Wanted::Efi(_) => Content::Efi,
                Wanted::Swap(_) => Content::Swap,
                Wanted::FileSystem(files) => Content::FileSystem(files),
                Wanted::Lvm(lvm) => {
                    group = Some(Group::new(&lvm, start, size, seed));
                    Content::Lvm
                }
            };
            let of = match &content {
                // The root file system has had these names before there were others.
                Content::FileSystem(files) if files.mount == "/" => "root".to_owned(),
                _ => format!("partition {number}"),
            };
            let derived = |what: &str| Uuid::derive(seed, &format!("{of} {what}"));
            let (content_uuid, hash_seed) = (derived("file system"), derived("hash seed"));
            let (uuid, container) = (Uuid::derive(seed, &format!("partition {number}")), derived("container"));
            partitions.push(Partition { number, content, start, size, uuid, content_uuid, hash_seed, container });
            start += size;
        }
        let volume = derive(seed, "efi volume");
        Ok(Self {
            size: disk.size.get() / SECTOR * SECTOR,
            uuid: Uuid::derive(seed, "disk"),
            partitions,
            group,
            efi_volume_id: u32::from_be_bytes([volume[0], volume[1], volume[2], volume[3]]),
            table: disk.table,
            arch,
        })
    }

    /// Returns the root file system.
    pub fn root(&self) -> Option<Area<'_>> {
        self.file_systems().find(|(_, files)| files.mount == "/").map(|(area, _)| area)
    }

    /// Returns the arguments by which the kernel finds the root file system.
    pub fn root_arguments(&self) -> String {
        let Some((root, files)) = self.file_systems().find(|(_, files)| files.mount == "/") else {
            return String::new();
        };
        let subvolume = files.mounts().into_iter().find(|point| point.mount == "/").and_then(|point| point.subvolume);
        let subvolume = subvolume.map_or(String::new(), |name| format!(" rootflags=subvol={name}"));
        format!("root=UUID={} ro{subvolume}", root.content_uuid)
    }

    /// Returns the EFI system partition, if this disk has one.
    pub fn efi(&self) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.content == Content::Efi)
    }

    /// Returns the partitions and volumes with swap space or file systems, except for the EFI system partition.
    pub fn areas(&self) -> impl Iterator<Item = Area<'_>> {
        let partitions = self.partitions.iter().filter_map(|partition| {
            let Partition { content, start, size, content_uuid, hash_seed, number, container, .. } = partition;
            let files = match content {
                Content::FileSystem(files) => Some(files),
                Content::Swap => None,
                Content::BiosBoot | Content::Efi | Content::Lvm => return None,
            };
            let (start, size, content_uuid, hash_seed) = (*start, *size, *content_uuid, *hash_seed);
            let container = files.and_then(|files| files.encrypted.as_ref()).map(|_| *container);
            Some(Area { files, start, size, content_uuid, hash_seed, container, place: Place::Partition(*number) })
        });
        let volumes = self.group.iter().flat_map(|group| {
            group.volumes.iter().map(move |volume| Area {
                files: volume.files.as_ref(),
                start: volume.start,
                size: volume.size,
                content_uuid: volume.content_uuid,
                hash_seed: volume.hash_seed,
                container: None,
                place: Place::Volume(group, volume),
            })
        });
        partitions.chain(volumes)
    }

    /// Returns the partitions and volumes with file systems, except for the EFI system partition.
    pub fn file_systems(&self) -> impl Iterator<Item = (Area<'_>, &FileSystem)> {
        self.areas().filter_map(|area| Some((area, area.files?)))
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
                Content::Lvm => ("E6D6D379-F507-44C2-A23C-238F2A3DF928", "lvm"),
                Content::FileSystem(files) if files.encrypted.is_some() => {
                    ("CA7D7CCB-63ED-4C53-861C-1742536059CC", files.label())
                }
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
            let (kind, root) = match content {
                Content::Swap => ("82", false),
                Content::Lvm => ("8e", true),
                Content::FileSystem(files) => ("83", files.mount == "/"),
                Content::BiosBoot | Content::Efi => ("83", false),
            };
            // Some firmware boots no disk without an active partition.
            let active = if root { ", bootable" } else { "" };
            script += &format!("{number} : start={}, size={}, type={kind}{active}\n", start / SECTOR, size / SECTOR);
        }
        script
    }

    /// Returns the file systems with their mount points, each after those that it lies in. Those that are encrypted stay locked.
    pub fn mounts(&self) -> Vec<Mount> {
        let efi = self.efi().map(|efi| Mount::partition(efi.number, "/boot/efi"));
        let of = |(area, files): (Area<'_>, &FileSystem)| -> Vec<Mount> {
            let mount = |point: MountPoint<'_>| Mount {
                source: area.source(),
                subvolume: point.subvolume.map(str::to_owned),
                path: point.mount.to_owned(),
            };
            files.mounts().into_iter().map(mount).collect()
        };
        let open = self.file_systems().filter(|(area, _)| area.container.is_none());
        let mut mounts: Vec<_> = open.flat_map(of).chain(efi).collect();
        mounts.sort_by(|one, other| one.path.cmp(&other.path));
        mounts
    }

    /// Returns what shows that the secrets of a recipe open its encrypted file systems.
    pub fn opens(&self) -> Vec<form::Step> {
        let encrypted = self.file_systems().filter_map(|(area, files)| Some((area, files, files.encrypted.as_ref()?)));
        let opens = encrypted.map(|(area, files, encrypted)| form::Step::Opens {
            on: area.source(),
            label: files.label().to_owned(),
            secret: encrypted.secret.clone(),
        });
        opens.collect()
    }

    /// Returns what a guest makes on the disk. Archives of what the file systems are to hold are in `archives`.
    pub fn formed(&self, archives: &Path) -> Vec<form::Step> {
        let group = self.group.iter().zip(self.partitions.last()).map(|(group, partition)| form::Step::Group {
            on: MountSource::Partition(partition.number),
            name: group.name.clone(),
            physical: group.physical.clone(),
            description: group.description(),
            // The guest makes the others after this.
            held: (self.areas())
                .filter(|area| area.files.is_none_or(|files| !files.is_filled_by_guest()))
                .filter_map(|area| match area.source() {
                    MountSource::Device(device) => Some((device, area.content_uuid.to_string())),
                    MountSource::Partition(_) | MountSource::Disk => None,
                })
                .collect(),
        });
        let filled = self.file_systems().filter(|(_, files)| files.is_filled_by_guest());
        let filled = filled.map(|(area, files)| {
            let label = files.label().to_owned();
            let secret = files.encrypted.as_ref().map(|encrypted| encrypted.secret.clone());
            let on = if secret.is_some() { form::opened(&label) } else { area.source() };
            let (uuid, archive) = (area.content_uuid.to_string(), archives.join(format!("{label}.tar")));
            let step = match files.kind {
                FileSystemType::Btrfs => {
                    let subvolumes = subvolumes(files);
                    form::Step::Btrfs { on, uuid, label, subvolumes, files: archive }
                }
                FileSystemType::Ext4 => {
                    form::Step::Ext4 { on, uuid, hash_seed: area.hash_seed.to_string(), label, files: archive }
                }
                FileSystemType::Xfs => form::Step::Xfs { on, uuid, label, files: archive },
            };
            let Some((secret, container)) = secret.zip(area.container) else { return step };
            let (on, uuid, label) = (area.source(), container.to_string(), files.label().to_owned());
            form::Step::Encrypted { on, uuid, label, secret, inside: Box::new(step) }
        });
        group.chain(filled).collect()
    }
}

/// Returns the subvolumes of a file system, the outermost first, each with the place of its files in the archive.
fn subvolumes(files: &FileSystem) -> Vec<(String, String)> {
    let top = files.mount.trim_end_matches('/');
    let place = |mount: &str| mount.strip_prefix(top).unwrap_or_default().trim_end_matches('/').to_owned();
    let mut found: Vec<_> =
        (files.subvolumes.iter()).map(|subvolume| (subvolume.name.clone(), place(&subvolume.mount))).collect();
    found.sort_by(|(_, one), (_, other)| one.cmp(other));
    found
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
