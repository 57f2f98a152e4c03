//! What is on a disk, and making it larger.

use std::collections::BTreeSet;

use super::libguestfs::LibguestfsGuest;
use super::script::quote;
use super::{GuestError, Inspection, Mount, MountSource};
use crate::base::Package;
use crate::recipe::Firmware;

/// GPT types of the partitions that firmware needs.
const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
const EFI_SYSTEM: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
/// The same in an MBR.
const MBR_EFI_SYSTEM: i32 = 0xef;

/// Sectors that a partition leaves free at the end of the disk: the backup GPT, up to a whole MiB.
const SECTORS_AT_END: i64 = 2048;

/// Finds the operating system of a disk. `disk` is its device.
pub(super) fn inspect(guest: &LibguestfsGuest, disk: &str) -> Result<Inspection, GuestError> {
    const CALL: &str = "inspect the image";
    let roots = guest.call(CALL, |g| g.inspect_os())?;
    let root = match roots.as_slice() {
        [root] => root,
        [] => return Err(refuse(CALL, "no operating system found on the disk")),
        _ => return Err(refuse(CALL, "there are several operating systems on the disk")),
    };
    let kind = guest.call(CALL, |g| g.inspect_get_type(root))?;
    if kind != "linux" {
        return Err(refuse(CALL, &format!("the operating system is {kind}; only linux is supported")));
    }
    let mut mounts: Vec<Mount> = guest
        .call(CALL, |g| g.inspect_get_mountpoints(root))?
        .into_iter()
        .map(|(path, device)| {
            let partition = partition_number(disk, &device).map(MountSource::Partition);
            Mount { path, source: partition.unwrap_or(MountSource::Device(device)) }
        })
        .collect();
    // A directory is mounted before what lies in it.
    mounts.sort_by(|a, b| a.path.cmp(&b.path));
    let release = guest.read_if_present(root, "/etc/os-release")?;
    Ok(Inspection {
        distro: guest.call(CALL, |g| g.inspect_get_distro(root))?,
        ids: ["ID", "ID_LIKE"]
            .iter()
            .filter_map(|name| os_release_value(&release, name))
            .flat_map(|value| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect(),
        // libguestfs' own product name is, for Debian, no more than a number.
        product: match os_release_value(&release, "PRETTY_NAME") {
            Some(name) => name,
            None => guest.call(CALL, |g| g.inspect_get_product_name(root))?,
        },
        // libguestfs' numbers are of Debian's point releases, and of Ubuntu's "04" they make 4.
        version: match os_release_value(&release, "VERSION_ID") {
            Some(version) => version,
            None => guest.call(CALL, |g| g.inspect_get_major_version(root))?.to_string(),
        },
        codename: os_release_value(&release, "VERSION_CODENAME"),
        arch: guest.call(CALL, |g| g.inspect_get_arch(root))?,
        mounts,
        root_filesystem: guest.call(CALL, |g| g.vfs_type(root))?,
        firmware: firmware(guest, disk)?,
    })
}

/// Packages of the operating system that was found last, by libguestfs' own readers of package databases.
pub(super) fn packages(guest: &LibguestfsGuest) -> Result<Vec<Package>, GuestError> {
    const CALL: &str = "list the packages";
    let roots = guest.call(CALL, |g| g.inspect_get_roots())?;
    let [root] = roots.as_slice() else { return Err(refuse(CALL, "no operating system has been found")) };
    let found = guest.call(CALL, |g| g.inspect_list_applications2(root))?;
    let packages = found.into_iter().map(|app| {
        let epoch = if app.epoch > 0 { format!("{}:", app.epoch) } else { String::new() };
        let release = if app.release.is_empty() { String::new() } else { format!("-{}", app.release) };
        Package { name: app.name, version: format!("{epoch}{}{release}", app.version), arch: app.arch }
    });
    Ok(packages.collect())
}

fn refuse(call: &str, message: &str) -> GuestError {
    GuestError::Call { call: call.to_owned(), message: message.to_owned() }
}

/// Number of a device that is a plain partition of the disk.
///
/// An old `fstab` says `/dev/sda2`, which inspection takes for a partition of the first disk. That one is
/// libguestfs' scratch disk, which has no partitions; what is meant is the image's only disk.
fn partition_number(disk: &str, device: &str) -> Option<u32> {
    let first = ["/dev/sda", "/dev/vda", "/dev/hda", "/dev/xvda"];
    std::iter::once(disk).chain(first).find_map(|disk| device.strip_prefix(disk)?.parse().ok())
}

/// A value of `os-release`, whose lines are shell assignments.
fn os_release_value(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// Firmware that finds something to start on the disk.
fn firmware(guest: &LibguestfsGuest, disk: &str) -> Result<Vec<Firmware>, GuestError> {
    const CALL: &str = "read the partition table";
    let table = guest.call(CALL, |g| g.part_get_parttype(disk))?;
    let mut found = BTreeSet::new();
    for partition in guest.call(CALL, |g| g.part_list(disk))? {
        if table == "gpt" {
            match guest.call(CALL, |g| g.part_get_gpt_type(disk, partition.part_num))?.as_str() {
                BIOS_BOOT => found.insert(Firmware::Bios),
                EFI_SYSTEM => found.insert(Firmware::Uefi),
                _ => false,
            };
        } else if guest.call(CALL, |g| g.part_get_mbr_id(disk, partition.part_num))? == MBR_EFI_SYSTEM {
            found.insert(Firmware::Uefi);
        }
    }
    // The first 440 bytes are the boot code that a BIOS starts.
    let code = guest.call(CALL, |g| g.pread_device(disk, 440, 0))?;
    if code.iter().any(|byte| *byte != 0) {
        found.insert(Firmware::Bios);
    }
    Ok(found.into_iter().collect())
}

/// Grows a partition, which must be the last on the disk, and its file system.
pub(super) fn grow(guest: &LibguestfsGuest, disk: &str, partition: u32) -> Result<(), GuestError> {
    const CALL: &str = "grow the root file system";
    let device = format!("{disk}{partition}");
    let number = i32::try_from(partition).unwrap_or_default();
    let partitions = guest.call(CALL, |g| g.part_list(disk))?;
    let Some(ours) = partitions.iter().find(|other| other.part_num == number) else {
        return Err(refuse(CALL, &format!("the disk has no partition {partition}")));
    };
    if let Some(behind) = partitions.iter().find(|other| other.part_start > ours.part_start) {
        let number = behind.part_num;
        return Err(refuse(CALL, &format!("partition {number} lies behind partition {partition}, so it cannot grow")));
    }
    let filesystem = guest.call(CALL, |g| g.vfs_type(&device))?;
    if !["ext2", "ext3", "ext4", "xfs", "btrfs"].contains(&filesystem.as_str()) {
        return Err(refuse(CALL, &format!("partition {partition} holds `{filesystem}`, which is not grown")));
    }
    if guest.call(CALL, |g| g.part_get_parttype(disk))? == "gpt" {
        guest.call(CALL, |g| g.part_expand_gpt(disk))?;
    }
    let end = guest.call(CALL, |g| g.blockdev_getsz(disk))? - SECTORS_AT_END;
    if u64::try_from(end).unwrap_or_default() > ours.part_end / 512 {
        guest.call(CALL, |g| g.part_resize(disk, number, end))?;
    }
    let device = quote(&device);
    let script = match filesystem.as_str() {
        // e2fsck says 1 when it has mended something, such as a file system that was not unmounted.
        "ext2" | "ext3" | "ext4" => format!("e2fsck -fp {device} || [ $? -eq 1 ] && resize2fs {device}"),
        "xfs" => mounted(&device, "xfs_growfs"),
        _ => mounted(&device, "btrfs filesystem resize max"),
    };
    guest.appliance(CALL, &format!("{{ udevadm settle; {script}; }} 2>&1"))?;
    Ok(())
}

/// These grow only while they are mounted.
fn mounted(device: &str, program: &str) -> String {
    format!("mount {device} /sysroot && {{ {program} /sysroot; s=$?; umount /sysroot; [ $s -eq 0 ]; }}")
}

impl LibguestfsGuest {
    /// The text of a small file on a file system that is not mounted; empty if there is none.
    fn read_if_present(&self, device: &str, path: &str) -> Result<String, GuestError> {
        const CALL: &str = "read the release of the image";
        self.call(CALL, |g| g.mount_ro(device, "/"))?;
        let content = match self.handle.exists(path) {
            Ok(true) => self.read_file(path, 64 * 1024),
            Ok(false) => Ok(Vec::new()),
            Err(failure) => Err(self.explain(CALL, failure)),
        };
        self.call(CALL, |g| g.umount_all())?;
        Ok(String::from_utf8_lossy(&content?).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_the_disk_have_numbers() {
        for (device, number) in [
            ("/dev/sdc2", Some(2)),
            ("/dev/sdc12", Some(12)),
            ("/dev/sdb1", None),
            ("/dev/sdc", None),
            ("/dev/vg/root", None),
            ("/dev/vda1", Some(1)),
        ] {
            assert_eq!(partition_number("/dev/sdc", device), number, "{device}");
        }
    }

    #[test]
    fn os_release_is_read_as_shell_assignments() {
        let text = "NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nEMPTY=\n  QUOTED='x'\nVERSION_CODENAME_X=no\n";
        for (name, value) in [
            ("NAME", Some("Debian")),
            ("VERSION_CODENAME", Some("bookworm")),
            ("EMPTY", None),
            ("QUOTED", Some("x")),
            ("ID", None),
        ] {
            assert_eq!(os_release_value(text, name).as_deref(), value, "{name}");
        }
    }
}
