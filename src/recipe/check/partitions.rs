//! Checks of the partitions that a recipe lists for its disk.

use std::sync::Arc;

use super::mounts;
use crate::distro::mechanism::{Bootloader, Init};
use crate::recipe::composition::Composition;
use crate::recipe::partitions::{EXTENT, FileSystem, FileSystemType, Lvm, Partition, Table, Volume};
use crate::recipe::{Disk, Layout};
use crate::units::ByteSize;
use crate::vocabulary::Arch;
use crate::yaml::{Diagnostic, Node, Source, Span, list};

/// Smallest EFI system partition.
const MIN_EFI: ByteSize = ByteSize::mebibytes(34);

/// Smallest swap space.
const MIN_SWAP: ByteSize = ByteSize::mebibytes(128);

/// Most partitions of an MBR that are not in an extended partition.
const MBR_PARTITIONS: usize = 4;

/// Largest disk with an MBR: 32-bit numbers of sectors.
const MBR_SIZE: ByteSize = ByteSize::mebibytes(2 << 20);

/// Longest name of a volume group or volume. Both together are the name of a device.
const LONGEST_NAME: usize = 32;

/// What /dev has of its own, where volume groups have their directories too.
const DEVICES: [&str; 18] = [
    "block", "bsg", "bus", "char", "cpu", "disk", "dri", "fd", "full", "input", "mapper", "net", "null", "pts",
    "random", "shm", "snd", "zero",
];

/// Checks the partitions that a recipe lists, and returns the layout of their disk. `arch` is the architecture of the image.
pub(crate) fn partitions(
    disk: &Disk,
    head: &Node,
    arch: Arch,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<Layout> {
    let node = head.get("disk")?.get("partitions")?;
    let whole = head.get("disk").and_then(|disk| disk.key("partitions")).map_or(node.span, |key| key.span);
    Checking { disk, head, node, whole, arch, source, found }.run()
}

/// Adds the packages that the file systems of a disk need to those of its image.
pub(crate) fn file_system_packages(
    disk: &Disk,
    composition: &mut Composition,
    head: &Node,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) {
    let place = head.get("disk").and_then(|disk| disk.key("partitions")).map_or(Span::default(), |key| key.span);
    let mut wanted: Vec<(&str, String, String)> = Vec::new();
    for FileSystem { kind, mount, .. } in disk.partitions.iter().flat_map(Partition::file_systems) {
        // Every image has the programs of ext4.
        if *kind != FileSystemType::Ext4 {
            let reason = format!("the partition of `{mount}`");
            wanted.push((kind.name(), reason, format!("choose `ext4` for `{mount}`")));
        }
    }
    if let Some(lvm) = disk.partitions.iter().find_map(Partition::lvm) {
        wanted.push(("lvm", format!("the volume group `{}`", lvm.group), "use partitions".to_owned()));
        let alone = |partition: &Partition| partition.file_systems().iter().any(|files| files.mount == "/boot");
        let boot = disk.partitions.iter().find(|partition| alone(partition));
        if composition.os.mechanisms.bootloader == Bootloader::GrubBls && boot.is_none_or(|boot| boot.lvm().is_some()) {
            let message = format!(
                "the boot loader of {} keeps its state in /boot, and cannot write to volumes",
                composition.os.title
            );
            let help = "add `file-system: { mount: /boot, size: 1GiB }` before `lvm`";
            found.push(Diagnostic::new(source, place, message).help(help));
        }
    }
    let encrypted = disk.partitions.iter().flat_map(Partition::file_systems).find(|files| files.encrypted.is_some());
    if let Some(FileSystem { mount, .. }) = encrypted {
        let reason = format!("the encrypted partition of `{mount}`");
        wanted.push(("luks", reason, format!("leave `encrypted` of `{mount}` out")));
        if composition.os.mechanisms.init != Init::Systemd {
            let message =
                format!("only systemd opens encrypted partitions, and {} has another init", composition.os.title);
            found.push(Diagnostic::new(source, place, message).help("leave `encrypted` out"));
        }
    }
    for (purpose, reason, help) in wanted {
        match composition.os.packages.get(purpose).filter(|packages| !packages.is_empty()) {
            Some(packages) => {
                for package in packages {
                    composition.packages.entry(package.clone()).or_default().push(reason.clone());
                }
            }
            None => {
                let name = if ["lvm", "luks"].contains(&purpose) { &purpose.to_uppercase() } else { purpose };
                let message = format!("no package for {name} is known for {}", composition.os.title);
                found.push(Diagnostic::new(source, place, message).help(help));
            }
        }
    }
}

struct Checking<'a> {
    disk: &'a Disk,
    head: &'a Node,
    /// The list of partitions, and its key.
    node: &'a Node,
    whole: Span,
    arch: Arch,
    source: &'a Arc<Source>,
    found: &'a mut Vec<Diagnostic>,
}

impl<'a> Checking<'a> {
    fn run(mut self) -> Option<Layout> {
        let Disk { partitions, table, size, .. } = self.disk;
        let known = self.found.len();
        let table_place = self.head.get("disk").and_then(|disk| disk.get("table")).map_or(self.whole, |node| node.span);
        if let Some(key) = self.head.get("disk").and_then(|disk| disk.key("layout")) {
            self.fault(
                key.span,
                "`layout` and `partitions` exclude each other",
                "leave `layout` out: the partitions decide",
            );
        }
        let number = |kind: fn(&Partition) -> bool| partitions.iter().filter(|partition| kind(partition)).count();
        let (bios, efi) = (number(|one| *one == Partition::BiosBoot), number(|one| matches!(one, Partition::Efi(_))));
        for (kind, number) in [("bios-boot", bios), ("efi", efi)] {
            if number > 1 {
                self.fault(self.whole, format!("there are {number} partitions `{kind}`"), "one is enough");
            }
        }
        let boots_by_mbr = *table == Table::Mbr;
        if boots_by_mbr && bios + efi > 0 {
            let help = "leave them out: an MBR has its boot code before the first partition, and boots under BIOS only";
            self.fault(self.whole, "`bios-boot` and `efi` are partitions of a GPT", help);
        }
        if boots_by_mbr && partitions.len() > MBR_PARTITIONS {
            self.fault(table_place, format!("an MBR has at most {MBR_PARTITIONS} partitions"), "write `table: gpt`");
        }
        if boots_by_mbr && *size > MBR_SIZE {
            self.fault(table_place, format!("an MBR is for disks of at most {MBR_SIZE}"), "write `table: gpt`");
        }
        if !boots_by_mbr && bios + efi == 0 {
            let help = "add `bios-boot` for BIOS, `efi: {}` for UEFI, or both";
            self.fault(self.whole, "no firmware boots a disk with these partitions", help);
        }
        if (boots_by_mbr || bios > 0) && !self.arch.has_bios() {
            let message = format!("machines of {} have no BIOS", self.arch.name());
            self.fault(self.whole, message, "take a GPT with the partition `efi`");
        }
        self.mounts();
        for (index, partition) in partitions.iter().enumerate() {
            match partition {
                Partition::Lvm(lvm) => self.volumes(lvm, index),
                _ => self.size(partition, self.place(index)),
            }
        }
        self.room();
        if self.found.len() > known {
            return None;
        }
        Some(match (boots_by_mbr || bios > 0, efi > 0) {
            (true, true) => Layout::BiosUefi,
            (true, false) => Layout::Bios,
            _ => Layout::Uefi,
        })
    }

    fn mounts(&mut self) {
        let disk = self.disk;
        let partitions = &disk.partitions;
        let (mut mounts, mut labels): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        let all = self.file_systems();
        let tops: Vec<&str> = all.iter().map(|listed| listed.files.mount.as_str()).collect();
        let secrets = self.head.get("secrets").and_then(Node::map).map_or(&[][..], |map| &map.entries);
        let secrets: Vec<&str> = secrets.iter().map(|(key, _)| key.text.as_str()).collect();
        for listed in all {
            let Listed { files, place, .. } = listed;
            for (index, point) in files.mounts().into_iter().enumerate() {
                let place = listed.subvolume(index);
                if let Some(fault) = mounts::directory(point.mount) {
                    self.fault(place, fault.message, &fault.help);
                } else if mounts.contains(&point.mount) {
                    let help = "give each file system and subvolume a directory of its own";
                    self.fault(place, format!("`{}` is there twice", point.mount), help);
                }
                mounts.push(point.mount);
            }
            let own = files.subvolumes.iter().enumerate();
            let own = own.flat_map(|(index, one)| one.options.iter().map(move |option| (Some(index), option)));
            for (index, option) in files.options.iter().map(|option| (None, option)).chain(own) {
                if let Some(fault) = mounts::option(option) {
                    let place = index.map_or(place, |index| listed.subvolume(index));
                    self.fault(place, fault.message, &fault.help);
                }
            }
            for fault in mounts::subvolumes(files, &tops) {
                let place = fault.subvolume.map_or(listed.key("subvolumes"), |index| listed.subvolume(index));
                self.fault(place, fault.message, &fault.help);
            }
            for fault in mounts::encryption(files, listed.volume, &tops, &secrets) {
                self.fault(listed.key("encrypted"), fault.message, &fault.help);
            }
            let most = files.kind.longest_label();
            let label = files.label();
            let odd = |c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c));
            if label.is_empty() || label.len() > most || label.contains(odd) {
                let message = format!("`{label}` is no label for {}", files.kind.name());
                self.fault(place, message, &format!("a label has up to {most} letters, digits, `.`, `_` or `-`"));
            }
            if labels.contains(&label) {
                self.fault(
                    place,
                    format!("two file systems have the label `{label}`"),
                    "give one of them another `label`",
                );
            }
            labels.push(label);
        }
        match partitions.last() {
            Some(last) if last.file_systems().iter().any(|files| files.mount == "/") => {}
            _ if mounts.contains(&"/") => {
                let help = "put it at the end of the list";
                self.fault(self.whole, "the partition of `/` is not the last, so it could not grow", help);
            }
            _ => {
                let help = "end the list with `file-system: { mount: / }`";
                self.fault(self.whole, "no partition has the root file system", help);
            }
        }
    }

    fn size(&mut self, partition: &Partition, place: Span) {
        let least = match partition {
            Partition::BiosBoot | Partition::Swap(_) | Partition::Lvm(_) => MIN_SWAP,
            Partition::Efi(_) => MIN_EFI,
            Partition::FileSystem(files) => files.least(),
        };
        match (partition, partition.size()) {
            (Partition::BiosBoot, _) => {}
            (Partition::FileSystem(FileSystem { mount, .. }), Some(_)) if mount == "/" => {
                let help = "leave `size` out: `disk.size` decides";
                self.fault(place, "the partition of `/` takes the rest of the disk", help);
            }
            (Partition::FileSystem(FileSystem { mount, .. }), None) if mount != "/" => {
                self.fault(place, format!("the partition of `{mount}` has no size"), "write it like `size: 2GiB`");
            }
            (_, Some(size)) if size < least => {
                self.fault(place, format!("a partition of {size} is too small"), &format!("it needs at least {least}"));
            }
            (_, Some(size)) if size.get() % ByteSize::MIB != 0 => {
                self.fault(place, "partitions are whole numbers of MiB", "write the size like 512MiB");
            }
            _ => {}
        }
    }

    /// Reports partitions that leave no room for the root file system.
    fn room(&mut self) {
        let sizes = self.disk.partitions.iter().map(|partition| partition.least().get());
        let needed = ByteSize::bytes(sizes.fold(2 * ByteSize::MIB, u64::saturating_add));
        if needed > self.disk.size {
            let mounts = self.disk.partitions.iter().flat_map(Partition::file_systems).map(|files| &files.mount);
            let message = format!("a disk of {} has no room for these partitions", self.disk.size);
            let help = format!("with {} they need `disk.size` of {needed} or more", list(mounts));
            self.fault(self.whole, message, &help);
        }
    }

    /// Reports what cannot be a volume group, its volumes, and what is no size for them.
    fn volumes(&mut self, lvm: &Lvm, index: usize) {
        let place = self.place(index);
        if index + 1 < self.disk.partitions.len() {
            let help = "put it at the end of the list, with the volume of `/`";
            self.fault(place, "the partition of a volume group takes the rest of the disk, and is not the last", help);
        }
        let begins = |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= LONGEST_NAME;
        let plain = |name: &str, more: &str| {
            begins(name) && name.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if !plain(&lvm.group, "_-") || DEVICES.contains(&lvm.group.as_str()) {
            let message =
                format!("`{}` cannot name a volume group, whose volumes are in /dev/{}", lvm.group, lvm.group);
            self.fault(place, message, "write a name of letters, digits, `_` and `-`, such as `system`");
        }
        for (number, volume) in lvm.volumes.iter().enumerate() {
            let (name, place) = (volume.name(), self.place_of_volume(index, number));
            if !plain(name, ".-") || ["snapshot", "pvmove"].iter().any(|reserved| name.starts_with(reserved)) {
                let help = "give it a `label` of letters, digits, `.` and `-`, which begins with a letter";
                self.fault(place, format!("`{name}` cannot name a logical volume"), help);
            }
            if lvm.volumes[..number].iter().any(|other| other.name() == name) {
                self.fault(place, format!("two volumes have the name `{name}`"), "give one of them another `label`");
            }
            let (root, least) = match volume {
                Volume::Swap(_) => (false, MIN_SWAP),
                Volume::FileSystem(files) => (files.mount == "/", files.least()),
            };
            match volume.size() {
                None if root => {}
                None => self.fault(place, format!("the volume `{name}` has no size"), "write it like `size: 2GiB`"),
                Some(size) if size < least => {
                    self.fault(
                        place,
                        format!("a volume of {size} is too small"),
                        &format!("it needs at least {least}"),
                    );
                }
                Some(size) if size.get() % EXTENT.get() != 0 => {
                    let message = format!("volumes are whole numbers of {EXTENT}");
                    self.fault(place, message, "write the size like 512MiB");
                }
                Some(_) => {}
            }
        }
    }

    /// Returns all file systems with their places.
    fn file_systems(&self) -> Vec<Listed<'a>> {
        let (disk, mut all) = (self.disk, Vec::new());
        for (index, partition) in disk.partitions.iter().enumerate() {
            match partition {
                Partition::FileSystem(files) => {
                    let node = self.node.list().get(index);
                    all.push(Listed { files, place: self.place(index), node, volume: false });
                }
                Partition::Lvm(lvm) => {
                    let volumes = lvm.volumes.iter().enumerate();
                    let files = volumes.filter_map(|(number, volume)| Some((number, volume.file_system()?)));
                    all.extend(files.map(|(number, files)| Listed {
                        files,
                        place: self.place_of_volume(index, number),
                        node: self.volume(index, number),
                        volume: true,
                    }));
                }
                Partition::BiosBoot | Partition::Efi(_) | Partition::Swap(_) => {}
            }
        }
        all
    }

    fn volume(&self, index: usize, number: usize) -> Option<&'a Node> {
        let lvm = self.node.list().get(index).and_then(|node| node.get("lvm"));
        lvm.and_then(|lvm| lvm.get("volumes")).and_then(|volumes| volumes.list().get(number))
    }

    fn place_of_volume(&self, index: usize, number: usize) -> Span {
        self.volume(index, number).map_or(self.place(index), |node| node.span)
    }

    fn place(&self, index: usize) -> Span {
        self.node.list().get(index).map_or(self.whole, |node| node.span)
    }

    fn fault(&mut self, span: Span, message: impl AsRef<str>, help: &str) {
        self.found.push(Diagnostic::new(self.source, span, message).help(help));
    }
}

/// A file system of a recipe.
struct Listed<'a> {
    files: &'a FileSystem,
    place: Span,
    /// The partition or volume that it is on.
    node: Option<&'a Node>,
    /// Whether that is a volume.
    volume: bool,
}

impl Listed<'_> {
    fn subvolume(&self, index: usize) -> Span {
        let list = self.node.and_then(|node| node.get("file-system")).and_then(|files| files.get("subvolumes"));
        list.and_then(|list| list.list().get(index)).map_or(self.place, |node| node.span)
    }

    fn key(&self, name: &str) -> Span {
        let key = self.node.and_then(|node| node.get("file-system")).and_then(|files| files.key(name));
        key.map_or(self.place, |key| key.span)
    }
}
