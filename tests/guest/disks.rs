//! Disks of recipes' partitions that only a kernel can make, of a tree, in a real guest: XFS, LVM, btrfs with subvolumes, and LUKS.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;

use goldsmith::base::{TreeRequest, unpack};
use goldsmith::digest::Sha256;
use goldsmith::disk::DiskLayout;
use goldsmith::event::Silent;
use goldsmith::guest::{Guest, form};
use goldsmith::interrupt::Interrupt;
use goldsmith::plan::DiskPlan;
use goldsmith::recipe::Arch;
use goldsmith::recipe::partitions::Partition;
use goldsmith::tree::Source;
use goldsmith::units::ByteSize;

use super::calls::small_guest::*;

/// A disk of 1200 MiB with these partitions, in the form of a recipe.
pub(crate) fn plan(partitions: &str) -> DiskPlan {
    let partitions: Vec<Partition> = serde_json::from_str(partitions).unwrap();
    DiskPlan { size: ByteSize::mebibytes(1200), partitions, ..DiskPlan::default() }
}

/// The key of what is encrypted.
const KEY: &str = "correct-horse-battery";

fn secrets() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([("disk-key".to_owned(), KEY.into())])
}

/// Files of many kinds below a directory that is to be a file system of its own.
fn odd_files(directory: &Path) {
    std::fs::create_dir_all(directory.join("empty")).unwrap();
    std::fs::write(directory.join("ü 'x'\n"), "odd").unwrap();
    std::fs::write(directory.join("one"), "linked").unwrap();
    std::fs::hard_link(directory.join("one"), directory.join("two")).unwrap();
    std::os::unix::fs::symlink("/etc//os-release", directory.join("link")).unwrap();
    let holes = std::fs::File::create(directory.join("holes")).unwrap();
    holes.set_len(4 << 20).unwrap();
    holes.write_all_at(b"data", 2 << 20).unwrap();
    for (path, mode) in [("empty", 0o2770), ("one", 0o4755), (".", 0o1770)] {
        std::fs::set_permissions(directory.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Makes the disk natively, of the small tree with odd files in `/var`.
pub(crate) fn unpacked(small: &SmallGuest, disk: &DiskPlan) -> DiskLayout {
    let tree = small.path("tree");
    small_tree(&tree);
    odd_files(&tree.join("var"));
    let archive = small.path("a.tar");
    run(tool("tar")
        .args(["-c", "--format=posix", "--numeric-owner", "-f"])
        .arg(&archive)
        .arg("-C")
        .arg(&tree)
        .arg("."));
    let source = Source::Archive { origin: "a.tar".to_owned(), file: archive };
    let seed = Sha256::of(b"seed");
    let (target, cache) = (small.path("disk.qcow2"), small.path("cache"));
    std::fs::create_dir(&cache).unwrap();
    let request = TreeRequest {
        source: &source,
        digest: seed,
        arch: Arch::X86_64,
        kernel_arguments: false,
        disk,
        seed,
        target: &target,
        cache_dir: &cache,
    };
    unpack(&request, &Silent, &Interrupt::new()).unwrap_or_else(|error| panic!("{error}"));
    DiskLayout::new(disk, Arch::X86_64, &seed).unwrap()
}

/// Makes the rest of a disk in the guest, and mounts it as a build does.
pub(crate) fn formed(small: &SmallGuest, guest: &mut dyn Guest, layout: &DiskLayout) {
    guest.attach(&small.path("disk.qcow2")).unwrap();
    guest.form(&layout.formed(small.dir.path()), &secrets()).unwrap_or_else(|error| panic!("{error}"));
    guest.unmount().unwrap();
    guest.attach(&small.overlay("disk.qcow2", "1.qcow2")).unwrap();
    guest.mount(&layout.mounts()).unwrap_or_else(|error| panic!("{error}"));
}

/// The type and label of what is mounted where, by UUID.
fn held(guest: &mut dyn Guest) -> BTreeMap<String, String> {
    let found = guest.devices().unwrap().file_systems.into_iter();
    let line = |held: goldsmith::guest::FileSystem| {
        let what = format!("{} {:?} {:?}", held.kind, held.label.unwrap_or_default(), held.mounted_at);
        (held.uuid.unwrap_or_default(), what)
    };
    found.map(line).collect()
}

/// What the odd files must be, wherever they are.
pub(crate) fn assert_odd_files(guest: &mut dyn Guest) {
    let line = "cd /var; stat -c '%a %F %h %s %n' . empty one two holes link; cat 'ü '\"'x'\"$'\\n'; echo; \
        dd if=holes bs=4 skip=$((2 << 18)) count=1 2>/dev/null";
    let said = lines(guest, line);
    let expected =
        ["2770 directory", "4755 regular file 2 6 one", "4755 regular file 2 6 two", "regular file 1 4194304"];
    assert!(said[0].starts_with("1770 directory "), "{said:?}");
    for (line, expected) in said[1..].iter().zip(expected) {
        assert!(line.contains(expected), "{expected}: {said:?}");
    }
    assert!(said[5].contains("symbolic link"), "{said:?}");
    assert_eq!((said[6].as_str(), said[7].as_str()), ("odd", "data"), "{said:?}");
}

#[test]
#[ignore = "needs libguestfs"]
fn an_xfs_gets_the_files_of_the_tree_and_the_identifiers_of_the_plan() {
    let small = SmallGuest::new();
    let disk = plan(
        r#"["bios-boot", {"file-system": {"mount": "/var", "type": "xfs", "size": "400MiB"}},
            {"file-system": {"mount": "/", "type": "xfs"}}]"#,
    );
    let layout = unpacked(&small, &disk);
    let mut guest = small.launch().unwrap();
    let guest: &mut dyn Guest = &mut guest;
    // A file system whose archive is broken is no file system.
    let archive = std::fs::read(small.path("var.tar")).unwrap();
    std::fs::write(small.path("var.tar"), &archive[..archive.len() / 2]).unwrap();
    guest.attach(&small.path("disk.qcow2")).unwrap();
    let error = guest.form(&layout.formed(small.dir.path()), &secrets()).expect_err("half of it").to_string();
    assert!(error.contains("make the XFS `var`") && error.contains("Unexpected EOF"), "{error}");
    std::fs::write(small.path("var.tar"), &archive).unwrap();

    formed(&small, guest, &layout);
    assert_odd_files(guest);
    let held = held(guest);
    for (area, files) in layout.file_systems() {
        let what = format!("xfs {:?} Some({:?})", files.label(), files.mount);
        assert_eq!(held.get(&area.content_uuid.to_string()), Some(&what), "{held:?}");
    }
    assert_eq!(lines(guest, "cat /etc/fstab").len(), 2);
}

#[test]
#[ignore = "needs libguestfs"]
fn a_btrfs_has_the_subvolumes_of_the_recipe_with_their_files() {
    let small = SmallGuest::new();
    let disk = plan(
        r#"["bios-boot", {"file-system": {"mount": "/srv", "size": "300MiB"}},
            {"file-system": {"mount": "/", "type": "btrfs", "options": ["noatime"], "subvolumes": [
                {"name": "@var", "mount": "/var"}, {"name": "@", "mount": "/"},
                {"name": "@data", "mount": "/var/lib/data", "options": ["nodev"]}]}}]"#,
    );
    let layout = unpacked(&small, &disk);
    let mut guest = small.launch().unwrap();
    let guest: &mut dyn Guest = &mut guest;
    // Files that a subvolume cannot hold are an error.
    let archive = std::fs::read(small.path("root.tar")).unwrap();
    std::fs::write(small.path("root.tar"), &archive[..archive.len() / 2]).unwrap();
    guest.attach(&small.path("disk.qcow2")).unwrap();
    let error = guest.form(&layout.formed(small.dir.path()), &secrets()).expect_err("half of it").to_string();
    assert!(error.contains("make the btrfs `root`") && error.contains("Unexpected EOF"), "{error}");
    std::fs::write(small.path("root.tar"), &archive).unwrap();

    formed(&small, guest, &layout);
    assert_odd_files(guest);
    let said = lines(
        guest,
        "while read -r _ path _ options _; do case $options in *subvol=*) echo \"$path ${options##*subvol=}\" ;; esac; done </proc/self/mounts",
    );
    assert_eq!(said, ["/ /@", "/var /@var", "/var/lib/data /@data"]);
    let held = held(guest);
    let uuid = layout.root().unwrap().content_uuid.to_string();
    assert_eq!(held.get(&uuid).map(String::as_str), Some("btrfs \"root\" Some(\"/\")"), "{held:?}");
    // All that lies in the btrfs itself is the subvolumes.
    let top = "mount -o ro,subvolid=5 \"$1\" /tmp && ls /tmp";
    let device = format!("{}3", guest.disk_device().unwrap());
    let said = lines(guest, &top.replace("\"$1\"", &device));
    assert_eq!(said, ["@", "@data", "@var"]);
    // A machine that opens the disk finds the same.
    guest.unmount().unwrap();
    guest.attach(&small.overlay("1.qcow2", "2.qcow2")).unwrap();
    let found = guest.inspect().unwrap();
    assert_eq!((found.mounts, found.root_filesystem.as_str()), (layout.mounts(), "btrfs"));
}

#[test]
#[ignore = "needs libguestfs"]
fn encrypted_partitions_open_with_the_secret_alone_and_stay_locked() {
    let small = SmallGuest::new();
    let disk = plan(
        r#"["bios-boot", {"file-system": {"mount": "/var", "size": "300MiB", "encrypted": {"secret": "disk-key"}}},
            {"file-system": {"mount": "/srv", "type": "xfs", "size": "400MiB", "encrypted": {"secret": "disk-key"}}},
            {"file-system": {"mount": "/"}}]"#,
    );
    let layout = unpacked(&small, &disk);
    let mut guest = small.launch().unwrap();
    guest.attach(&small.path("disk.qcow2")).unwrap();
    let error = guest.form(&layout.formed(small.dir.path()), &BTreeMap::new()).expect_err("no key").to_string();
    assert!(error.contains("the secret `disk-key` has no value"), "{error}");
    formed(&small, &mut guest, &layout);
    assert_eq!(lines(&mut guest, "ls -A /var /srv"), ["/srv:", "", "/var:"]);
    let expected = |label: &str| format!("/dev/mapper/{label} /{label} ");
    let fstab = lines(&mut guest, "cat /etc/fstab");
    assert!(
        fstab.iter().any(|line| line.starts_with(&expected("var")) && line.contains(" ext4 noauto,nofail ")),
        "{fstab:?}"
    );
    assert!(
        fstab.iter().any(|line| line.starts_with(&expected("srv")) && line.contains(" xfs noauto,nofail ")),
        "{fstab:?}"
    );
    let table = lines(&mut guest, "cat /etc/crypttab /etc/systemd/system/unlock-var.path");
    let container = layout.areas().find(|area| area.label() == "var").and_then(|area| area.container).unwrap();
    assert_eq!(table[0], format!("var UUID={container} /etc/cryptsetup-keys.d/var.key luks,noauto,headless=true"));
    assert!(table.contains(&"Unit=var.mount".to_owned()), "{table:?}");
    assert_eq!(held(&mut guest).get(&container.to_string()).map(String::as_str), Some("crypto_LUKS \"var\" None"));

    // The key opens both, and another one opens neither.
    guest.unmount().unwrap();
    guest.form(&layout.opens(), &secrets()).unwrap_or_else(|error| panic!("{error}"));
    let other = BTreeMap::from([("disk-key".to_owned(), b"incorrect-horse".to_vec())]);
    let error = guest.form(&layout.opens(), &other).expect_err("another key").to_string();
    assert!(error.contains("open `var`: the secret `disk-key` does not open it"), "{error}");
    // A machine that opens the disk without a key finds the rest of the system.
    let found = guest.inspect().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.mounts, layout.mounts());
    let device = format!("{}2", guest.disk_device().unwrap());
    let said = guest
        .in_appliance(&format!(
            "set -e; exec 2>&1; printf %s {KEY} >/tmp/k; cryptsetup open --key-file /tmp/k {device} opened; mkdir -p /tmp/opened
             mount -o ro /dev/mapper/opened /tmp/opened; cd /tmp/opened; stat -c '%a %h %s' . one; cat two; cat ü*
             cd /; umount /tmp/opened; blkid -p -s UUID -o value /dev/mapper/opened; cryptsetup close opened; rm /tmp/k"
        ))
        .unwrap_or_else(|error| panic!("{error}"));
    let content = layout.areas().find(|area| area.label() == "var").map(|area| area.content_uuid.to_string()).unwrap();
    assert!(said.starts_with("1770 ") && said.contains("\n4755 2 6\nlinkedodd") && said.contains(&content), "{said}");
    // Nothing of the key or of the files is on the disk.
    Box::new(guest).shutdown().unwrap();
    run(tool("qemu-img").args(["convert", "-O", "raw"]).arg(small.path("1.qcow2")).arg(small.path("all.raw")));
    for (text, found) in [(KEY, 1), ("ü 'x'", 1), ("Debian of the tests", 0)] {
        let searched = tool("grep").args(["-qaF", text]).arg(small.path("all.raw")).status().unwrap();
        assert_eq!(searched.code(), Some(found), "{text}");
    }
}

/// A group with swap space, and a file system of each of the two ways in which they are filled.
pub(crate) const VOLUMES: &str = r#"["bios-boot", {"lvm": {"group": "system-1", "volumes": [
    {"swap": {"size": "128MiB"}}, {"file-system": {"mount": "/var", "type": "xfs", "size": "400MiB"}},
    {"file-system": {"mount": "/"}}]}}]"#;

#[test]
#[ignore = "needs libguestfs"]
fn a_volume_group_has_the_volumes_of_the_recipe_and_what_they_hold() {
    let small = SmallGuest::new();
    let layout = unpacked(&small, &plan(VOLUMES));
    let mut guest = small.launch().unwrap();
    let guest: &mut dyn Guest = &mut guest;
    formed(&small, guest, &layout);
    assert_odd_files(guest);
    let held = held(guest);
    for area in layout.areas() {
        let (kind, mount) = area.files.map_or(("swap", None), |files| (files.kind.name(), Some(&files.mount)));
        let what = format!("{kind} {:?} {mount:?}", area.label());
        assert_eq!(held.get(&area.content_uuid.to_string()), Some(&what), "{held:?}");
    }
    let found = guest.devices().unwrap();
    let names: Vec<_> = found.logical_volumes.iter().map(|volume| volume.device.as_str()).collect();
    assert_eq!(names, ["/dev/system-1/root", "/dev/system-1/swap", "/dev/system-1/var"]);
    assert!(found.logical_volumes.iter().all(|volume| volume.kind == "linear"), "{:?}", found.logical_volumes);
    // A description of something else is refused, before anything uses it.
    guest.unmount().unwrap();
    guest.attach(&small.path("disk.qcow2")).unwrap();
    let mut steps = layout.formed(small.dir.path());
    steps.truncate(1);
    if let form::Step::Group { held, .. } = &mut steps[0] {
        held[0].1 = "another".to_owned();
    }
    let error = guest.form(&steps, &secrets()).expect_err("it holds something else").to_string();
    assert!(error.contains("make the volume group `system-1`"), "{error}");
}
