//! Inspects the attached disk: finds its operating system, file systems and packages, with libguestfs.

use std::collections::BTreeSet;

use super::devices::{self, Devices};
use super::known::{self, Known};
use super::libguestfs::LibguestfsGuest;
use super::{Guest as _, GuestError, Inspection, Mount, MountSource};
use crate::base::Package;
use crate::recipe::Firmware;
use crate::text::shell;

/// GPT types of the partitions that firmware needs.
const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
const EFI_SYSTEM: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
/// The same type in an MBR.
const MBR_EFI_SYSTEM: &str = "ef";

/// What libguestfs says of an architecture that it has not found out.
const UNKNOWN: &str = "unknown";

/// What libguestfs has before the device and the path of a subvolume: `btrfsvol:/dev/sdc3/root`.
const SUBVOLUME: &str = "btrfsvol:";

/// Finds the operating system of a disk. `disk` is its device.
pub(super) fn inspect(guest: &mut LibguestfsGuest, disk: &str) -> Result<Inspection, GuestError> {
    const CALL: &str = "inspect the image";
    let devices = guest.devices()?;
    let Known { root, mounts: found, release, arch } = match known::find(guest, &devices, disk)? {
        Some(known) => known,
        None => by_libguestfs(guest, &devices)?,
    };
    let mut mounts = Vec::new();
    for (path, mountable) in &found {
        let held = || devices.file_systems.iter().any(|held| held.device.as_deref() == Some(mountable));
        // An encrypted file system is locked. libguestfs has names of its own for logical volumes.
        if mountable.starts_with("/dev/mapper/") && !held() {
            continue;
        }
        mounts.push(mount(guest, disk, path, mountable)?);
    }
    // Mounts a directory before those in it.
    mounts.sort_by(|a, b| a.path.cmp(&b.path));
    // A known system says all that is asked of libguestfs here.
    let said = |name: &str| shell::value(&release, name).filter(|value| !value.is_empty());
    Ok(Inspection {
        distro: match said("ID") {
            Some(id) => id,
            None => guest.call(CALL, |g| g.inspect_get_distro(&root))?,
        },
        ids: ["ID", "ID_LIKE"]
            .iter()
            .filter_map(|name| shell::value(&release, name))
            .flat_map(|value| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect(),
        // For Debian, libguestfs' product name is only a number.
        product: match said("PRETTY_NAME") {
            Some(name) => name,
            None => guest.call(CALL, |g| g.inspect_get_product_name(&root))?,
        },
        // libguestfs returns Debian's point releases, and turns Ubuntu's "04" into 4.
        version: match said("VERSION_ID") {
            Some(version) => version,
            None => guest.call(CALL, |g| g.inspect_get_major_version(&root))?.to_string(),
        },
        codename: shell::value(&release, "VERSION_CODENAME"),
        arch,
        mounts,
        root_filesystem: guest.call(CALL, |g| g.vfs_type(&root))?,
        firmware: firmware(&devices),
        storage: devices.storage(),
    })
}

/// Finds the operating system of any disk.
fn by_libguestfs(guest: &LibguestfsGuest, devices: &Devices) -> Result<Known, GuestError> {
    const CALL: &str = "inspect the image";
    let mut roots = guest.call(CALL, |g| g.inspect_os())?;
    let root = match roots.len() {
        1 => roots.remove(0),
        0 => return Err(refuse(CALL, &no_system(devices))),
        _ => return Err(refuse(CALL, "there are several operating systems on the disk")),
    };
    let kind = guest.call(CALL, |g| g.inspect_get_type(&root))?;
    if kind != "linux" {
        return Err(refuse(CALL, &format!("the operating system is {kind}; only linux is supported")));
    }
    let mounts = guest.call(CALL, |g| g.inspect_get_mountpoints(&root))?;
    let arch = guest.call(CALL, |g| g.inspect_get_arch(&root))?;
    let (release, arch) = guest.look_into(&root, mounts.get("/usr"), arch)?;
    Ok(Known { root, mounts, release, arch })
}

/// Why no operating system was found.
fn no_system(devices: &Devices) -> String {
    let locked = devices.file_systems.iter().find(|held| held.kind == "crypto_LUKS");
    match locked.map(|held| held.partition) {
        Some(Some(number)) => {
            format!("no operating system found on the disk: partition {number} is encrypted, and Goldsmith has no key")
        }
        Some(None) => "no operating system found on the disk: it is encrypted, and Goldsmith has no key".to_owned(),
        None => "no operating system found on the disk".to_owned(),
    }
}

/// A file system as libguestfs names it, mounted at a path.
fn mount(guest: &LibguestfsGuest, disk: &str, path: &str, mountable: &str) -> Result<Mount, GuestError> {
    const CALL: &str = "inspect the image";
    let (device, subvolume) = if mountable.starts_with(SUBVOLUME) {
        let device = guest.call(CALL, |g| g.mountable_device(mountable))?;
        (device, Some(guest.call(CALL, |g| g.mountable_subvolume(mountable))?))
    } else {
        (mountable.to_owned(), None)
    };
    Ok(Mount { source: source(disk, &device), subvolume, path: path.to_owned() })
}

/// Returns the packages of the last inspected operating system, from libguestfs' own readers of package databases.
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

/// How a device is named in what is kept of an inspection.
///
/// An old `fstab` may name `/dev/sda2`. The inspection takes this for a partition of the first disk. That is libguestfs' scratch
/// disk, which has no partitions. The name means the image's only disk.
fn source(disk: &str, device: &str) -> MountSource {
    let first = ["/dev/sda", "/dev/vda", "/dev/hda", "/dev/xvda"];
    let of_first = first.iter().find_map(|disk| device.strip_prefix(disk)?.parse().ok().map(MountSource::Partition));
    of_first.unwrap_or_else(|| devices::source(device, disk))
}

/// Returns the firmware that finds something to start on the disk.
fn firmware(devices: &Devices) -> Vec<Firmware> {
    let mut found = BTreeSet::new();
    if let Some(table) = &devices.partition_table {
        let has = |kind: &str| table.partitions.iter().any(|partition| partition.kind.eq_ignore_ascii_case(kind));
        let (bios, uefi) =
            if table.kind == "gpt" { (has(BIOS_BOOT), has(EFI_SYSTEM)) } else { (false, has(MBR_EFI_SYSTEM)) };
        found.extend(bios.then_some(Firmware::Bios));
        found.extend(uefi.then_some(Firmware::Uefi));
        // The first 440 bytes are the boot code for a BIOS.
        if devices.first_sectors.iter().take(440).any(|byte| *byte != 0) {
            found.insert(Firmware::Bios);
        }
    }
    found.into_iter().collect()
}

impl LibguestfsGuest {
    /// The text of `os-release`, of a system that is not mounted; empty if there is none. And the architecture of its
    /// programs, if libguestfs has not found that out: it looks for neither where `/usr` is a file system of its own, and
    /// most systems have both there.
    fn look_into(&self, root: &str, usr: Option<&String>, arch: String) -> Result<(String, String), GuestError> {
        const CALL: &str = "read the release of the image";
        const PATH: &str = "/etc/os-release";
        self.call(CALL, |g| g.mount_ro(root, "/"))?;
        if let Some(usr) = usr {
            self.call(CALL, |g| g.mount_ro(usr, "/usr"))?;
        }
        let content = match self.handle.exists(PATH) {
            Ok(true) => self.read_file(PATH, 64 * 1024),
            Ok(false) => Ok(Vec::new()),
            Err(failure) => Err(self.explain(CALL, failure)),
        };
        let mut programs = ["/usr/bin/bash", "/usr/bin/ls"].into_iter();
        let found =
            if arch == UNKNOWN { programs.find_map(|path| self.handle.file_architecture(path).ok()) } else { None };
        self.call(CALL, |g| g.umount_all())?;
        Ok((String::from_utf8_lossy(&content?).into_owned(), found.unwrap_or(arch)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_the_guest_is_not_kept() {
        for (device, expected) in [
            ("/dev/sdc2", MountSource::Partition(2)),
            ("/dev/sdc12", MountSource::Partition(12)),
            ("/dev/sdb1", MountSource::Device("/dev/sdb1".to_owned())),
            ("/dev/sdc", MountSource::Disk),
            ("/dev/vg/root", MountSource::Device("/dev/vg/root".to_owned())),
            ("/dev/vda1", MountSource::Partition(1)),
        ] {
            assert_eq!(source("/dev/sdc", device), expected, "{device}");
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
            assert_eq!(shell::value(text, name).as_deref(), value, "{name}");
        }
    }
}
