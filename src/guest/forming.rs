//! Makes volumes and file systems of a new disk, in the appliance.

use std::collections::BTreeMap;
use std::path::Path;

use super::GuestError;
use super::encrypting::{self, Container};
use super::form::Step;
use super::libguestfs::LibguestfsGuest;
use super::script::quote;

/// The features that the kernels and boot loaders of every release in the data of distributions can read, the oldest of which have
/// Linux 4.18 and 5.4. xfsprogs has such lists, of which mkfs.xfs 6.1 cannot read its own. It is told of a newer feature if it knows that.
const XFS_FEATURES: &str = "-m crc=1,finobt=1,reflink=1,rmapbt=0,bigtime=0,inobtcount=0 -i sparse=1$more";

/// The features of an ext4 that the boot loaders and kernels of every supported release can read, as bootstrap.sh gives them.
const EXT4_FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,\
    large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

/// Makes what a step says. `disk` is the disk's device.
pub(super) fn form(
    guest: &mut LibguestfsGuest,
    disk: &str,
    step: &Step,
    secrets: &BTreeMap<String, Vec<u8>>,
) -> Result<(), GuestError> {
    match step {
        Step::Group { on, name, physical, description, held } => {
            let call = format!("make the volume group `{name}`");
            let script = group(&on.device(disk), name, physical, description, held);
            guest.appliance(&call, &script).map(drop)
        }
        Step::Encrypted { on, uuid, label, secret, inside } => {
            let container = Container { device: on.device(disk), label };
            encrypting::make(guest, &container, uuid, (secret, secrets))?;
            let filled = form(guest, disk, inside, secrets);
            let locked = encrypting::lock(guest, &container);
            filled.and(locked)
        }
        Step::Opens { on, label, secret } => {
            encrypting::opens(guest, &Container { device: on.device(disk), label }, (secret, secrets))
        }
        Step::Ext4 { on, uuid, hash_seed, label, files } => {
            let call = format!("make the ext4 `{label}`");
            of_archive(guest, &call, files, |archive| ext4(&on.device(disk), (uuid, hash_seed), label, archive))
        }
        Step::Xfs { on, uuid, label, files } => {
            let call = format!("make the XFS `{label}`");
            of_archive(guest, &call, files, |archive| xfs(&on.device(disk), uuid, label, archive))
        }
        Step::Btrfs { on, uuid, label, subvolumes, files } => {
            let call = format!("make the btrfs `{label}`");
            of_archive(guest, &call, files, |archive| btrfs(&on.device(disk), uuid, label, subvolumes, archive))
        }
    }
}

/// Runs a script with an archive of this host.
fn of_archive(
    guest: &mut LibguestfsGuest,
    call: &str,
    files: &Path,
    script: impl FnOnce(&Archive<'_>) -> String,
) -> Result<(), GuestError> {
    let size = length(call, files)?;
    guest.with_file(call, files, |guest, device| guest.appliance(call, &script(&Archive { device, size })).map(drop))
}

fn length(call: &str, file: &Path) -> Result<u64, GuestError> {
    let failed = |error: std::io::Error| GuestError::Call {
        call: call.to_owned(),
        message: format!("{}: {error}", file.display()),
    };
    Ok(std::fs::metadata(file).map_err(failed)?.len())
}

/// Makes a physical volume and a group on it, and reads back what each volume holds.
fn group(device: &str, name: &str, physical: &str, description: &str, held: &[(String, String)]) -> String {
    let (device, name, description) = (quote(device), quote(name), quote(description));
    let mut script = format!(
        "set -e; exec 2>&1; udevadm settle
printf %s {description} >/tmp/form-group
lvm pvcreate -q --uuid {physical} --restorefile /tmp/form-group {device}
lvm vgcfgrestore -q -f /tmp/form-group {name}
lvm vgck {name}
lvm vgchange -q -a y {name}
udevadm settle
"
    );
    for (volume, uuid) in held {
        script += &format!(
            "found=$(blkid -p -s UUID -o value {0}) || :
[ \"$found\" = {uuid} ] || {{ echo \"{0} holds $found, not {uuid}\"; exit 1; }}\n",
            quote(volume)
        );
    }
    script
}

/// An archive on a device, which is longer.
struct Archive<'a> {
    device: &'a str,
    size: u64,
}

/// Makes an XFS, and fills it.
fn xfs(device: &str, uuid: &str, label: &str, archive: &Archive<'_>) -> String {
    let (device, label) = (quote(device), quote(label));
    let make = format!(
        "more=; case $(mkfs.xfs 2>&1) in *nrext64=*) more=,nrext64=0 ;; esac
mkfs.xfs -q -f -K {XFS_FEATURES} -m uuid={uuid} -L {label} {device}
mount -t xfs -o noatime {device} /tmp/form"
    );
    filled(&make, &device, uuid, archive)
}

/// Makes an ext4, and fills it.
fn ext4(device: &str, (uuid, hash_seed): (&str, &str), label: &str, archive: &Archive<'_>) -> String {
    let (device, label) = (quote(device), quote(label));
    let make = format!(
        "mke2fs -q -F -t ext4 -T default -b 4096 -I 256 -L {label} -U {uuid} -O {EXT4_FEATURES} \\
  -E hash_seed={hash_seed},lazy_itable_init=0,lazy_journal_init=0,nodiscard {device}
mount -t ext4 -o noatime {device} /tmp/form"
    );
    filled(&make, &device, uuid, archive)
}

/// Makes a btrfs, mounts it or its subvolumes as the image does, and fills it.
fn btrfs(device: &str, uuid: &str, label: &str, subvolumes: &[(String, String)], archive: &Archive<'_>) -> String {
    let (device, label) = (quote(device), quote(label));
    // mkfs.btrfs refuses the UUID of what an earlier try has left there.
    let mut make = format!(
        "wipefs -q -a {device}\nmkfs.btrfs -q -f -K --uuid {uuid} --label {label} {device}\n\
         mount -t btrfs -o noatime {device} /tmp/form\n"
    );
    if subvolumes.is_empty() {
        return filled(&make, &device, uuid, archive);
    }
    for (name, _) in subvolumes {
        make += &format!("btrfs subvolume create {} >/dev/null\n", quote(&format!("/tmp/form/{name}")));
    }
    make += "umount /tmp/form\n";
    for (name, place) in subvolumes {
        let (options, place) = (quote(&format!("noatime,subvol={name}")), quote(&format!("/tmp/form{place}")));
        make += &format!("mkdir -p {place}\nmount -t btrfs -o {options} {device} {place}\n");
    }
    filled(&make, &device, uuid, archive)
}

/// Makes and mounts a file system, unpacks an archive into it, and reads back its UUID. tar only warns of some things that it cannot do.
fn filled(make: &str, device: &str, uuid: &str, Archive { device: archive, size }: &Archive<'_>) -> String {
    let script = format!(
        "set -e; exec 2>&1; udevadm settle
mkdir -p /tmp/form
{make}
status=0
head -c {size} {archive} | tar -x -f - -b 128 -C /tmp/form --numeric-owner --same-owner --same-permissions --delay-directory-restore \\
  --xattrs '--xattrs-include=*' --warning=no-timestamp 2>/tmp/formed || status=$?
tail -n 20 /tmp/formed
umount -R /tmp/form
if [ $status != 0 ] || [ -s /tmp/formed ]; then exit 1; fi
found=$(blkid -p -s UUID -o value {device})
[ \"$found\" = {uuid} ] || {{ echo \"its UUID is $found afterwards, not {uuid}\"; exit 1; }}"
    );
    format!("bash -o pipefail -c {}", quote(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one script makes a file system natively, the other one in the appliance.
    #[test]
    fn an_ext4_has_the_features_that_a_bootstrap_gives_it() {
        let script = include_str!("../base/bootstrap.sh");
        let lines = script.lines().filter_map(|line| line.trim().strip_prefix("-O "));
        let features: Vec<_> = lines.map(|line| line.trim_end_matches(" \\")).collect();
        assert_eq!(features.join(","), EXT4_FEATURES);
    }

    #[test]
    fn the_scripts_are_shell() {
        let held = [("/dev/it's/root".to_owned(), "u-u".to_owned())];
        let archive = Archive { device: "/dev/sdd", size: 65536 };
        let subvolumes = [("@".to_owned(), String::new()), ("@home".to_owned(), "/it's".to_owned())];
        for script in [
            xfs("/dev/sdc4", "u-u", "it's", &archive),
            btrfs("/dev/sdc4", "u-u", "it's", &subvolumes, &archive),
            btrfs("/dev/sdc4", "u-u", "it's", &[], &archive),
            ext4("/dev/sdc4", ("u-u", "h-h"), "it's", &archive),
            group("/dev/sdc4", "it's", "p-p", "it's {\n}", &held),
        ] {
            crate::process::capture(std::process::Command::new("bash").args(["-n", "-c", &script]))
                .unwrap_or_else(|error| panic!("{error}\n{script}"));
        }
    }
}
