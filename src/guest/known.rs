//! Finds the operating system of a disk whose layout is known, by a few calls of the guest.
//!
//! libguestfs' own inspection asks each file system for the marks of every system that it knows, and starts a program for many of
//! these questions. Under emulation it takes eight seconds. It decides where this module is not sure.

use std::collections::BTreeMap;

use super::GuestError;
use super::devices::Devices;
use super::libguestfs::LibguestfsGuest;
use crate::text::fstab::{self, Line};
use crate::text::shell;

/// File systems on which a root directory is looked for.
const ROOTS: [&str; 4] = ["ext2", "ext3", "ext4", "xfs"];

/// Other content of partitions that is known.
const OTHERS: [&str; 2] = ["vfat", "swap"];

/// Databases of packages that are text files. libguestfs reads the others, after its own inspection.
const PACKAGES: [&str; 4] =
    ["/var/lib/dpkg/status", "/lib/apk/db/installed", "/usr/lib/apk/db/installed", "/var/lib/pacman/local"];

/// Programs of which every system has one, for its architecture.
const PROGRAMS: [&str; 3] = ["/usr/bin/bash", "/usr/bin/ls", "/bin/busybox"];

/// What a release must say. Debian's unstable release has no version.
const SAID: [&str; 3] = ["ID", "PRETTY_NAME", "VERSION_ID"];

/// Longest `/etc/fstab` and `/etc/os-release` that are read, in bytes.
const TEXT_LIMIT: u64 = 64 * 1024;

/// A system that was found.
pub(super) struct Known {
    /// Device of the root file system.
    pub(super) root: String,
    /// Devices by their mount points, `/` too.
    pub(super) mounts: BTreeMap<String, String>,
    /// The text of `os-release`.
    pub(super) release: String,
    /// The architecture of its programs: `x86_64`, `aarch64`.
    pub(super) arch: String,
}

/// Finds the only operating system of a disk, whose device is `disk`. Returns `None` where libguestfs must decide: there is another
/// system or none, or its layout or its package database is of another kind.
pub(super) fn find(guest: &LibguestfsGuest, devices: &Devices, disk: &str) -> Result<Option<Known>, GuestError> {
    let Some(candidates) = candidates(devices, disk) else { return Ok(None) };
    let mut found = None;
    for device in candidates {
        match look(guest, devices, disk, &device)? {
            Looked::Root(known) if found.is_none() => found = Some(known),
            Looked::NoRoot => {}
            Looked::Root(_) | Looked::Unclear => return Ok(None),
        }
    }
    Ok(found)
}

/// Returns the devices that may have a root directory; `None` if something else than usual file systems is on the disk.
fn candidates(devices: &Devices, disk: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for held in &devices.file_systems {
        let kind = held.kind.as_str();
        if held.device.is_some() || !(ROOTS.contains(&kind) || OTHERS.contains(&kind)) {
            return None;
        }
        if ROOTS.contains(&kind) {
            found.push(held.partition.map_or_else(|| disk.to_owned(), |number| format!("{disk}{number}")));
        }
    }
    Some(found)
}

/// What a file system holds.
enum Looked {
    Root(Known),
    NoRoot,
    Unclear,
}

/// Looks into a file system, and leaves nothing mounted.
fn look(guest: &LibguestfsGuest, devices: &Devices, disk: &str, device: &str) -> Result<Looked, GuestError> {
    const CALL: &str = "look for the operating system";
    // A file system that cannot be mounted is libguestfs' to judge. A guest that has ended fails the next call as well.
    if guest.call(CALL, |g| g.mount_ro(device, "/")).is_err() {
        return Ok(Looked::Unclear);
    }
    let looked = look_into(guest, devices, disk, device);
    guest.call(CALL, |g| g.umount_all())?;
    // What is wrong with a file is libguestfs' to judge as well.
    Ok(looked.unwrap_or(Looked::Unclear))
}

fn look_into(guest: &LibguestfsGuest, devices: &Devices, disk: &str, device: &str) -> Result<Looked, GuestError> {
    const CALL: &str = "look for the operating system";
    let exists = |path: &str| guest.call(CALL, |g| g.exists(path));
    let text = |path: &str| Ok(String::from_utf8_lossy(&guest.read_file(path, TEXT_LIMIT)?).into_owned());
    let has = [exists("/etc/os-release")?, exists("/etc/fstab")?];
    if has != [true, true] {
        // A root directory may have its release on a `/usr` of its own.
        return Ok(if has == [false, false] && !exists("/etc")? { Looked::NoRoot } else { Looked::Unclear });
    }
    let release = text("/etc/os-release")?;
    if SAID.iter().any(|name| shell::value(&release, name).is_none_or(|value| value.is_empty())) {
        return Ok(Looked::Unclear);
    }
    let Some(mounts) = mounts(&fstab::lines(&text("/etc/fstab")?), devices, disk, device) else {
        return Ok(Looked::Unclear);
    };
    for path in PACKAGES {
        if exists(path)? {
            let arch = PROGRAMS.iter().find_map(|path| guest.call(CALL, |g| g.file_architecture(path)).ok());
            return Ok(arch.map_or(Looked::Unclear, |arch| {
                Looked::Root(Known { root: device.to_owned(), mounts, release, arch })
            }));
        }
    }
    Ok(Looked::Unclear)
}

/// Returns the devices by their mount points; `None` if a line names something that is not certainly one of this disk.
fn mounts(lines: &[Line], devices: &Devices, disk: &str, root: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::from([("/".to_owned(), root.to_owned())]);
    for line in lines {
        // Swap, and file systems of the kernel or of a network.
        if !line.path.starts_with('/') || !(ROOTS.contains(&line.kind.as_str()) || line.kind == "vfat") {
            if line.source.contains('=') && line.kind != "swap" {
                return None;
            }
            continue;
        }
        let device = device(&line.source, devices, disk)?;
        match found.insert(line.path.clone(), device.clone()) {
            None => {}
            Some(before) if before == device => {}
            Some(_) => return None,
        }
    }
    Some(found)
}

/// Returns the device that a name in fstab(5) means; `None` if it is not exactly one of this disk, or depends on the machine.
fn device(source: &str, devices: &Devices, disk: &str) -> Option<String> {
    let (kind, value) = source.split_once('=')?;
    let value = value.trim_matches('"');
    let is = |own: &Option<String>, exact: bool| {
        own.as_deref().is_some_and(|own| if exact { own == value } else { own.eq_ignore_ascii_case(value) })
    };
    let held = devices.file_systems.iter();
    let partitions = devices.partition_table.iter().flat_map(|table| &table.partitions);
    let numbers: Vec<_> = match kind {
        "UUID" => held.filter(|held| is(&held.uuid, false)).map(|held| held.partition).collect(),
        "LABEL" => held.filter(|held| is(&held.label, true)).map(|held| held.partition).collect(),
        "PARTUUID" => partitions.filter(|it| is(&it.uuid, false)).map(|it| Some(it.number)).collect(),
        "PARTLABEL" => partitions.filter(|it| is(&it.name, true)).map(|it| Some(it.number)).collect(),
        _ => return None,
    };
    match numbers[..] {
        [Some(number)] => Some(format!("{disk}{number}")),
        [None] => Some(disk.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::{FileSystem, Partition, PartitionTable};

    fn held(partition: Option<u32>, kind: &str, uuid: &str, label: &str) -> FileSystem {
        FileSystem {
            partition,
            device: None,
            kind: kind.to_owned(),
            label: Some(label.to_owned()),
            uuid: Some(uuid.to_owned()),
            size: 1,
            used: None,
            capacity: None,
            mounted_at: None,
        }
    }

    fn disk() -> Devices {
        let partition = |number, uuid: &str, name: &str| Partition {
            number,
            start: 0,
            size: 1,
            kind: String::new(),
            purpose: None,
            uuid: Some(uuid.to_owned()),
            name: Some(name.to_owned()),
            active: false,
        };
        let partitions = vec![partition(1, "p1", "efi"), partition(2, "p2", "same"), partition(3, "p3", "same")];
        Devices {
            partition_table: Some(PartitionTable { kind: "gpt".to_owned(), uuid: None, partitions }),
            file_systems: vec![
                held(Some(1), "vfat", "AB-12", "EFI"),
                held(Some(2), "ext4", "u2", "twice"),
                held(Some(3), "xfs", "u3", "twice"),
            ],
            ..Devices::default()
        }
    }

    #[test]
    fn only_disks_with_usual_file_systems_on_partitions_are_known() {
        let devices = ["/dev/sdc2", "/dev/sdc3"].map(str::to_owned);
        assert_eq!(candidates(&disk(), "/dev/sdc").expect("known"), devices);
        let whole = Devices { file_systems: vec![held(None, "ext4", "u", "")], ..Devices::default() };
        assert_eq!(candidates(&whole, "/dev/sdc").expect("known"), ["/dev/sdc"]);
        for other in ["btrfs", "crypto_LUKS", "LVM2_member", "ntfs", "iso9660", "linux_raid_member"] {
            let mut devices = disk();
            devices.file_systems.push(held(Some(4), other, "", ""));
            assert_eq!(candidates(&devices, "/dev/sdc"), None, "{other}");
        }
        let mut volume = disk();
        volume.file_systems[1].device = Some("/dev/mapper/vg-root".to_owned());
        assert_eq!(candidates(&volume, "/dev/sdc"), None);
    }

    #[test]
    fn mounts_of_this_disk_are_found_and_all_others_are_left_to_libguestfs() {
        let found = |text: &str| mounts(&fstab::lines(text), &disk(), "/dev/sdc", "/dev/sdc3");
        let usual = "UUID=u3 / xfs defaults 0 1\nPARTUUID=P2 /boot ext4\nLABEL=EFI /boot/efi vfat umask=0077\n\
            UUID=x none swap sw\ntmpfs /tmp tmpfs\n/dev/sr0 /media/cdrom0 udf,iso9660 noauto\nhost:/x /net nfs\n";
        let expected = [("/", "/dev/sdc3"), ("/boot", "/dev/sdc2"), ("/boot/efi", "/dev/sdc1")];
        let expected = expected.map(|(path, device)| (path.to_owned(), device.to_owned()));
        assert_eq!(found(usual), Some(expected.clone().into()));
        assert_eq!(found("UUID=\"ab-12\" /boot/efi vfat\nPARTLABEL=efi /boot/efi vfat").expect("known").len(), 2);
        for unclear in [
            "UUID=u2 / ext4",
            "UUID=none /srv ext4",
            "LABEL=twice /srv ext4",
            "PARTLABEL=same /srv ext4",
            "/dev/sda2 /boot ext4",
            "/dev/vg/srv /srv xfs",
            "ID=u2 /boot ext4",
            "UUID=u2 /srv auto",
            "UUID=u9 /srv btrfs",
            "UUID=u2 /srv ext4\nUUID=u3 /srv xfs",
        ] {
            assert_eq!(found(unclear), None, "{unclear}");
        }
    }
}
