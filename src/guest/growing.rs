//! Grows partitions, volumes and file systems of a disk, in the appliance.

use super::GuestError;
use super::grow::Step;
use super::libguestfs::LibguestfsGuest;
use super::script::quote;

const CALL: &str = "grow the root file system";

/// Takes all volume groups off the disks, on which nothing may be mounted: a partition does not grow below them.
pub(super) const DEACTIVATE: &str = "lvm vgchange -q -a n 2>&1";
/// Makes the volumes of all groups available.
pub(super) const ACTIVATE: &str = "lvm vgchange -q -a y 2>&1";

/// Grows what the steps say. `disk` is the disk's device.
pub(super) fn grow(guest: &LibguestfsGuest, disk: &str, steps: &[Step]) -> Result<(), GuestError> {
    let volumes = steps.iter().any(|step| matches!(step, Step::Volume { .. }));
    if volumes {
        guest.appliance(CALL, DEACTIVATE)?;
    }
    for step in steps {
        match step {
            Step::MoveCopy => guest.call(CALL, |g| g.part_expand_gpt(disk))?,
            Step::Partition { number, end } => partition(guest, disk, *number, *end)?,
            Step::Volume { on, group, device } => {
                guest.appliance(CALL, &volume(&on.device(disk), group, device))?;
            }
            Step::FileSystem { on, kind } => {
                let printed = guest.appliance(CALL, &file_system(&on.device(disk), kind))?;
                fills(&printed).map_err(|message| refuse(&message))?;
            }
        }
    }
    Ok(())
}

fn refuse(message: &str) -> GuestError {
    GuestError::Call { call: CALL.to_owned(), message: message.to_owned() }
}

/// Moves the end of a partition, and reads it back.
fn partition(guest: &LibguestfsGuest, disk: &str, number: u32, end: u64) -> Result<(), GuestError> {
    let id = i32::try_from(number).unwrap_or_default();
    let last = i64::try_from(end / 512).unwrap_or_default() - 1;
    guest.call(CALL, |g| g.part_resize(disk, id, last))?;
    let found = guest.call(CALL, |g| g.part_list(disk))?.into_iter().find(|other| other.part_num == id);
    match found.map(|partition| partition.part_end + 1) {
        Some(found) if found == end => Ok(()),
        found => Err(refuse(&format!("partition {number} ends at {found:?} afterwards, not at {end}"))),
    }
}

/// Grows a physical volume, and a logical volume by what its group has gained: free space that the group had before may be
/// there for a purpose, such as snapshots.
fn volume(physical: &str, group: &str, device: &str) -> String {
    let (physical, group, device) = (quote(physical), quote(group), quote(device));
    let free = format!("$(lvm vgs --noheadings -o vg_free_count {group})");
    format!(
        "set -e; exec 2>&1; udevadm settle; {ACTIVATE}; before={free}; lvm pvresize -q {physical}; gained=$(({free} - before))\n\
         if [ $gained -gt 0 ]; then lvm lvextend -q -l +$gained {device}; fi; udevadm settle"
    )
}

/// Grows a file system and prints the size of its device, and how much of that it takes.
///
/// e2fsck says 1 when it has mended something, such as a file system that was not unmounted. XFS and btrfs grow only while
/// they are mounted.
fn file_system(device: &str, kind: &str) -> String {
    let device = quote(device);
    let grow = match kind {
        "xfs" => mounted(
            &device,
            "xfs_growfs /sysroot && xfs_growfs -n /sysroot \\
             | sed -n 's/^data .*bsize=\\([0-9]*\\) *blocks=\\([0-9]*\\),.*/size \\1 \\2/p'",
        ),
        "btrfs" => mounted(
            &device,
            "btrfs filesystem resize max /sysroot && echo \"size 1 $(df -B1 --output=size /sysroot | tail -n 1)\"",
        ),
        _ => format!(
            "e2fsck -fp {device} || [ $? -eq 1 ] && resize2fs {device} && dumpe2fs -h {device} 2>/dev/null \
             | sed -n 's/^Block count: */count /p; s/^Block size: */block /p'"
        ),
    };
    format!("{{ udevadm settle; echo \"device $(blockdev --getsize64 {device})\"; {grow}; }} 2>&1")
}

fn mounted(device: &str, commands: &str) -> String {
    format!("mount {device} /sysroot && {{ {commands}; s=$?; umount /sysroot; [ $s -eq 0 ]; }}")
}

/// Whether a file system takes all of its device, by what [`file_system`] has printed. Some leave a part of a last group of
/// blocks unused, which is less than a sixteenth.
fn fills(printed: &str) -> Result<(), String> {
    let numbers = |name: &str| -> Vec<u64> {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_default().split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let size = match (&numbers("size")[..], &numbers("count")[..], &numbers("block")[..]) {
        ([unit, count], ..) | ([], [count], [unit]) => unit.saturating_mul(*count),
        _ => 0,
    };
    match numbers("device")[..] {
        [device] if size >= device / 16 * 15 => Ok(()),
        [device] => Err(format!("the file system has {size} bytes afterwards, on a device of {device}")),
        _ => Err(crate::text::printable(printed.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_shell() {
        for script in [
            volume("/dev/sdc4", "it's", "/dev/vg/root"),
            file_system("/dev/sdc4", "ext4"),
            file_system("/dev/sdc4", "xfs"),
            file_system("/dev/sdc4", "btrfs"),
        ] {
            crate::process::capture(std::process::Command::new("sh").args(["-n", "-c", &script]))
                .unwrap_or_else(|error| panic!("{error}\n{script}"));
        }
    }

    #[test]
    fn a_file_system_that_has_not_grown_is_found() {
        for (printed, good) in [
            ("device 1000\nnoise\ncount 100\nblock 10\n", true),
            ("device 1000\nsize 10 95\n", true),
            ("device 1000\nsize 1 500\n", false),
            ("device 1000\ncount 50\nblock 10\n", false),
            ("device 1000\nit failed\n", false),
            ("it failed\n", false),
        ] {
            assert_eq!(fills(printed).is_ok(), good, "{printed}");
        }
    }
}
