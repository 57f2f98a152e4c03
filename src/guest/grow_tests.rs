//! Which partition, volume and file system grow, for the shapes that bases have.

use super::*;
use crate::guest::Mount;
use crate::guest::devices::{LogicalVolume, PhysicalVolume};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 4096 * MIB;
/// Where the last partition of a disk of [`SIZE`] ends.
const END: u64 = SIZE - MIB;

/// A table of partitions: number, first MiB, size in MiB, type.
fn table(kind: &str, partitions: &[(u32, u64, u64, &str)]) -> Option<PartitionTable> {
    let partitions = partitions.iter().map(|&(number, start, size, kind)| Partition {
        number,
        start: start * MIB,
        size: size * MIB,
        kind: kind.to_owned(),
        purpose: None,
        uuid: None,
        name: None,
        active: false,
    });
    Some(PartitionTable { kind: kind.to_owned(), uuid: None, partitions: partitions.collect() })
}

fn on(device: &str) -> MountSource {
    match device.parse() {
        Ok(number) => MountSource::Partition(number),
        Err(_) if device == "disk" => MountSource::Disk,
        Err(_) => MountSource::Device(device.to_owned()),
    }
}

/// The plan for a root file system on a device, of a table, and of volumes: physical ones with their group, logical ones
/// with their group and kind.
fn planned(
    root: &str,
    kind: &str,
    table: Option<PartitionTable>,
    physical: &[(&str, &str)],
    logical: &[(&str, &str, &str)],
    size: u64,
) -> Growth {
    let physical = physical.iter().map(|(device, group)| PhysicalVolume { on: on(device), group: (*group).to_owned() });
    let logical = logical.iter().map(|(device, group, kind)| LogicalVolume {
        device: (*device).to_owned(),
        group: (*group).to_owned(),
        kind: (*kind).to_owned(),
    });
    let storage = Storage { table, physical_volumes: physical.collect(), logical_volumes: logical.collect() };
    let found = Inspection {
        distro: String::new(),
        ids: Vec::new(),
        product: String::new(),
        version: String::new(),
        codename: None,
        arch: String::new(),
        mounts: vec![Mount { source: on(root), subvolume: None, path: "/".to_owned() }],
        root_filesystem: kind.to_owned(),
        firmware: Vec::new(),
        storage,
    };
    plan(&found, size)
}

/// A plan in one line.
fn told(growth: &Growth) -> String {
    let place = |on: &MountSource| on.device("disk");
    let steps = growth.steps.iter().map(|step| match step {
        Step::MoveCopy => "copy".to_owned(),
        Step::Partition { number, end } if *end == END => format!("{number}"),
        Step::Partition { number, end } => format!("{number} to {}", end / MIB),
        Step::Volume { on, group, device } => format!("{} of {group} for {device}", place(on)),
        Step::FileSystem { on, kind } => format!("{kind} on {}", place(on)),
    });
    let hindrance = growth.hindrance.iter().map(|reason| format!("but {reason}"));
    steps.chain(hindrance).collect::<Vec<_>>().join(", ")
}

const VOLUME: &[(&str, &str, &str)] = &[("/dev/vg/home", "vg", "linear"), ("/dev/vg/root", "vg", "linear")];

#[test]
fn what_grows_follows_from_what_the_root_is_on() {
    // BIOS boot, EFI, boot, root.
    let gpt = || table("gpt", &[(1, 1, 1, "bios"), (2, 2, 40, "efi"), (3, 42, 300, "linux"), (4, 342, 600, "linux")]);
    let logical = || table("dos", &[(1, 1, 64, "83"), (2, 65, 900, "5"), (5, 66, 899, "83")]);
    for (case, growth, expected) in [
        ("last", planned("4", "xfs", gpt(), &[], &[], SIZE), "copy, 4, xfs on disk4"),
        (
            "numbers in another order",
            planned(
                "1",
                "ext4",
                table("gpt", &[(14, 1, 4, ""), (15, 5, 100, ""), (16, 105, 60, ""), (1, 165, 600, "")]),
                &[],
                &[],
                SIZE,
            ),
            "copy, 1, ext4 on disk1",
        ),
        ("logical", planned("5", "ext4", logical(), &[], &[], SIZE), "2, 5, ext4 on disk5"),
        (
            "the extended partition is large enough",
            planned(
                "5",
                "ext4",
                table("dos", &[(1, 1, 64, "83"), (2, 65, 4030, "f"), (5, 66, 899, "83")]),
                &[],
                &[],
                SIZE,
            ),
            "5, ext4 on disk5",
        ),
        (
            "a volume",
            planned("/dev/vg/root", "ext4", gpt(), &[("4", "vg")], VOLUME, SIZE),
            "copy, 4, disk4 of vg for /dev/vg/root, ext4 on /dev/vg/root",
        ),
        (
            "a volume on a logical partition",
            planned("/dev/vg/root", "btrfs", logical(), &[("5", "vg")], VOLUME, SIZE),
            "2, 5, disk5 of vg for /dev/vg/root, btrfs on /dev/vg/root",
        ),
        (
            "the second of two physical volumes is the last",
            planned("/dev/vg/root", "xfs", gpt(), &[("3", "vg"), ("1", "other"), ("4", "vg")], VOLUME, SIZE),
            "copy, 4, disk4 of vg for /dev/vg/root, xfs on /dev/vg/root",
        ),
        (
            "a volume on the whole disk",
            planned("/dev/vg/root", "ext4", None, &[("disk", "vg")], VOLUME, SIZE),
            "disk of vg for /dev/vg/root, ext4 on /dev/vg/root",
        ),
        ("the whole disk", planned("disk", "ext4", None, &[], &[], SIZE), "ext4 on disk"),
        (
            "the partition ends there already",
            planned("1", "ext4", table("dos", &[(1, 1, 4094, "83")]), &[], &[], SIZE),
            "ext4 on disk1",
        ),
    ] {
        assert_eq!(told(&growth), expected, "{case}");
    }
}

#[test]
fn what_cannot_grow_is_told_with_its_reason() {
    let middle = || table("gpt", &[(1, 1, 600, "linux"), (2, 601, 100, "swap")]);
    for (case, growth, expected) in [
        (
            "swap behind the root",
            planned("1", "ext4", middle(), &[], &[], SIZE),
            "copy, but partition 2 lies behind partition 1, which it is on",
        ),
        (
            "as an installer does it",
            planned(
                "1",
                "ext4",
                table("dos", &[(1, 1, 600, "83"), (2, 601, 100, "5"), (5, 602, 99, "82")]),
                &[],
                &[],
                SIZE,
            ),
            "but the extended partition 2 lies behind partition 1, which it is on",
        ),
        (
            "a logical partition in the middle",
            planned("5", "ext4", table("dos", &[(1, 1, 100, "5"), (5, 2, 90, "83"), (6, 93, 8, "82")]), &[], &[], SIZE),
            "but partition 6 lies behind partition 5, which it is on",
        ),
        (
            "a primary partition behind the extended one",
            planned(
                "5",
                "ext4",
                table("dos", &[(1, 1, 100, "5"), (5, 2, 90, "83"), (2, 101, 8, "82")]),
                &[],
                &[],
                SIZE,
            ),
            "but partition 2 lies behind partition 5, which it is on",
        ),
        (
            "a volume on a partition in the middle",
            planned("/dev/vg/root", "xfs", middle(), &[("1", "vg")], VOLUME, SIZE),
            "copy, but partition 2 lies behind partition 1, which it is on",
        ),
        (
            "a thin volume",
            planned("/dev/vg/root", "xfs", middle(), &[("2", "vg")], &[("/dev/vg/root", "vg", "thin")], SIZE),
            "copy, but it is on /dev/vg/root, a logical volume of the kind `thin`; only `linear` ones are grown",
        ),
        (
            "a volume of a RAID",
            planned("/dev/vg/root", "xfs", middle(), &[("/dev/md127", "vg")], VOLUME, SIZE),
            "copy, but its volume group is on /dev/md127, which is not a partition",
        ),
        (
            "a RAID",
            planned("/dev/md127", "ext4", middle(), &[], &[], SIZE),
            "copy, but it is on /dev/md127, which is neither a partition nor a logical volume",
        ),
        (
            "another file system",
            planned("2", "f2fs", middle(), &[], &[], SIZE),
            "copy, but Goldsmith does not grow file systems of the type `f2fs`",
        ),
        (
            "beyond what a boot record can tell",
            planned("1", "xfs", table("dos", &[(1, 1, 600, "83")]), &[], &[], 3 << 40),
            "1 to 2097152, xfs on disk1, but partitions of a master boot record end at 2 TiB; a GPT has no such limit",
        ),
    ] {
        assert_eq!(told(&growth), expected, "{case}");
    }
}
