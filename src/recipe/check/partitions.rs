//! Checks of the partitions that a recipe lists for its disk.

use std::sync::Arc;

use crate::recipe::composition::Composition;
use crate::recipe::partitions::{FileSystem, FileSystemType, Partition, Table};
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

/// Directories that cannot be a file system of their own: the system needs them before it mounts others, or they are no part of
/// an image.
const NO_MOUNTS: [&str; 12] =
    ["/bin", "/boot/efi", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/tmp"];

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
    for partition in &disk.partitions {
        let Partition::FileSystem(FileSystem { kind, mount, .. }) = partition else { continue };
        if *kind == FileSystemType::Ext4 {
            // Every image has its programs.
            continue;
        }
        match composition.os.packages.get(kind.name()).filter(|packages| !packages.is_empty()) {
            Some(packages) => {
                for package in packages {
                    composition
                        .packages
                        .entry(package.clone())
                        .or_default()
                        .push(format!("the partition of `{mount}`"));
                }
            }
            None => {
                let message = format!("no package for {} is known for {}", kind.name(), composition.os.title);
                let help = format!("choose `ext4` for `{mount}`");
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

impl Checking<'_> {
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
            self.size(partition, self.place(index));
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
        let partitions = &self.disk.partitions;
        let (mut mounts, mut labels): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for (index, partition) in partitions.iter().enumerate() {
            let Partition::FileSystem(files) = partition else { continue };
            let place = self.place(index);
            let mount = files.mount.as_str();
            let plain = mount == "/" || (mount.starts_with('/') && !mount.ends_with('/') && !mount.contains("//"));
            let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\' || c == '#';
            if !plain || mount.contains(odd) || mount.split('/').any(|part| part == "." || part == "..") {
                let message = format!("`{mount}` is no directory for a mount");
                self.fault(place, message, "write an absolute path, such as `/var`");
            } else if NO_MOUNTS.contains(&mount) || mount.starts_with("/boot/efi/") {
                let help = "choose another directory, such as `/home` or `/var`";
                self.fault(place, format!("`{mount}` cannot be a file system of its own"), help);
            } else if mounts.contains(&mount) {
                self.fault(place, format!("`{mount}` is there twice"), "give each partition a directory of its own");
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
            for option in &files.options {
                if option.is_empty()
                    || option.contains(|c: char| c.is_whitespace() || c.is_control() || ",#\\".contains(c))
                {
                    let help = "write each option as an entry of its own: `options: [noatime, nodev]`";
                    self.fault(place, format!("`{option}` is no mount option"), help);
                }
            }
            mounts.push(mount);
        }
        match partitions.last() {
            Some(Partition::FileSystem(files)) if files.mount == "/" => {}
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
            Partition::BiosBoot | Partition::Swap(_) => MIN_SWAP,
            Partition::Efi(_) => MIN_EFI,
            Partition::FileSystem(files) => files.kind.least(),
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
            let mounts = self.disk.partitions.iter().filter_map(|partition| match partition {
                Partition::FileSystem(files) => Some(&files.mount),
                _ => None,
            });
            let message = format!("a disk of {} has no room for these partitions", self.disk.size);
            let help = format!("with {} they need `disk.size` of {needed} or more", list(mounts));
            self.fault(self.whole, message, &help);
        }
    }

    fn place(&self, index: usize) -> Span {
        self.node.list().get(index).map_or(self.whole, |node| node.span)
    }

    fn fault(&mut self, span: Span, message: impl AsRef<str>, help: &str) {
        self.found.push(Diagnostic::new(self.source, span, message).help(help));
    }
}
