//! Tests of the layout of new disks.

use super::*;
use crate::recipe::partitions::{Lvm, Subvolume, Swap, Volume as WantedVolume};

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
        ..FileSystem::root()
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

#[test]
fn an_xfs_is_made_by_the_guest_of_its_archive() {
    let mut plan = parts(Table::Gpt);
    assert_eq!(layout(Layout::Bios).formed(Path::new("/l")), []);
    if let Some(Wanted::FileSystem(files)) = plan.partitions.last_mut() {
        files.kind = FileSystemType::Xfs;
    }
    let disk = DiskLayout::new(&plan, Arch::X86_64, &Sha256::of(b"seed")).expect("layout");
    let root = disk.root().expect("there is one");
    let (on, uuid) = (MountSource::Partition(5), root.content_uuid.to_string());
    let step = form::Step::Xfs { on, label: "root".to_owned(), files: "/l/root.tar".into(), uuid: uuid.clone() };
    assert_eq!(disk.formed(Path::new("/l")), [step]);
    assert!(disk.fstab().starts_with(&format!("UUID={uuid} / xfs x-systemd.growfs 0 0\n")), "{}", disk.fstab());
}

#[test]
fn subvolumes_are_mounted_and_filled_from_the_outside_in() {
    let subvolume = |name: &str, mount: &str, options: &[&str]| Subvolume {
        name: name.to_owned(),
        mount: mount.to_owned(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    };
    let subvolumes =
        vec![subvolume("logs", "/var/log", &["nodev"]), subvolume("@", "/", &[]), subvolume("@var", "/var", &[])];
    let mut plan = parts(Table::Gpt);
    plan.partitions = vec![
        Wanted::BiosBoot,
        Wanted::FileSystem(FileSystem {
            kind: FileSystemType::Btrfs,
            options: vec!["noatime".to_owned()],
            subvolumes,
            ..FileSystem::root()
        }),
    ];
    let disk = DiskLayout::new(&plan, Arch::X86_64, &Sha256::of(b"seed")).expect("layout");
    let mounts: Vec<_> = disk.mounts().into_iter().map(|mount| (mount.path, mount.subvolume)).collect();
    let expected = [("/", "@"), ("/var", "@var"), ("/var/log", "logs")];
    assert_eq!(mounts, expected.map(|(path, name)| (path.to_owned(), Some(name.to_owned()))));
    let fstab = disk.fstab();
    let words: Vec<Vec<&str>> = fstab.lines().map(|line| line.split(' ').skip(1).collect()).collect();
    assert_eq!(words[0], ["/", "btrfs", "x-systemd.growfs,subvol=@,noatime", "0", "0"]);
    assert_eq!(words[2], ["/var/log", "btrfs", "subvol=logs,noatime,nodev", "0", "0"]);
    let uuid = disk.root().expect("there is one").content_uuid.to_string();
    assert_eq!(disk.root_arguments(), format!("root=UUID={uuid} ro rootflags=subvol=@"));
    let [form::Step::Btrfs { subvolumes, files, .. }] = &disk.formed(Path::new("/l"))[..] else { panic!("a btrfs") };
    let places: Vec<_> = subvolumes.iter().map(|(name, place)| (name.as_str(), place.as_str())).collect();
    assert_eq!(places, [("@", ""), ("@var", "/var"), ("logs", "/var/log")]);
    assert_eq!(files, Path::new("/l/root.tar"));
}

#[test]
fn volumes_follow_each_other_on_the_last_partition() {
    let files = |mount: &str, size: Option<u64>| FileSystem {
        mount: mount.to_owned(),
        size: size.map(ByteSize::mebibytes),
        ..FileSystem::root()
    };
    let swap = |size| Swap { size: ByteSize::mebibytes(size) };
    let volumes = |root| {
        vec![
            WantedVolume::Swap(swap(256)),
            WantedVolume::FileSystem(files("/var", Some(512))),
            WantedVolume::FileSystem(files("/", root)),
        ]
    };
    for (root, size) in [(None, 2236), (Some(1024), 1024)] {
        let lvm = Lvm { group: "system".to_owned(), volumes: volumes(root) };
        let plan = DiskPlan {
            size: ByteSize::mebibytes(3072),
            layout: Layout::Bios,
            partitions: vec![Wanted::BiosBoot, Wanted::Swap(swap(64)), Wanted::Lvm(lvm)],
            ..DiskPlan::default()
        };
        let disk = DiskLayout::new(&plan, Arch::X86_64, &Sha256::of(b"seed")).expect("layout");
        let mib: Vec<_> = disk.areas().map(|area| (area.start / ByteSize::MIB, area.size / ByteSize::MIB)).collect();
        // The partition begins at 66 MiB, and its first extent one MiB later.
        assert_eq!(mib, [(2, 64), (67, 256), (323, 512), (835, size)]);
        let [form::Step::Group { on, description, held, .. }] = &disk.formed(Path::new("/l"))[..] else {
            panic!("a group")
        };
        assert_eq!((on, held.len(), held[2].0.as_str()), (&MountSource::Partition(3), 3, "/dev/system/root"));
        // Extents are counted from the first one of the partition.
        assert!(description.contains(&format!("stripes = [\"pv0\", {}]", 768 / 4)), "{description}");
        assert_eq!(description.matches('{').count(), description.matches('}').count());
        assert!(disk.sfdisk_script().contains("type=E6D6D379-F507-44C2-A23C-238F2A3DF928"));
        assert_eq!(disk.root().map(|root| root.source()), Some(MountSource::Device("/dev/system/root".to_owned())));
    }
}
