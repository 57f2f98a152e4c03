//! Rules about the disk, and the drivers of virtual hardware.

use super::super::answers::Answers;
use super::check::{Check, Expected, GUIDE, Judge, Subject};
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, in the order of reports.
pub(super) const SUBJECT: Subject = Subject {
    checks: &[
        Check { rule: &ROOT_FILLS, judge: Judge::First(root) },
        Check { rule: &VIRTIO, judge: Judge::First(virtio) },
        Check { rule: &UNCHANGED, judge: Judge::Machine },
    ],
    every: "",
    first: ROOT,
    identity: "",
    #[cfg(test)]
    samples: &samples::SAMPLES,
};

pub(in crate::verify::boot) const ROOT_FILLS: Rule = Rule {
    id: "root-fills-disk",
    group: Group::Disk,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The root file system fills a larger disk",
    reason: "The flavor decides the size of the disk. Otherwise a part of it would stay unused.",
    page: Some(GUIDE),
    mend: "add the element growpart, which grows a root partition that is the last on the disk; logical volumes need a script of their own",
};

pub(in crate::verify::boot) const VIRTIO: Rule = Rule {
    id: "virtio-in-use",
    group: Group::Disk,
    stage: Stage::Booted,
    severity: Severity::Warning,
    sentence: "Disk and network card use virtio drivers",
    reason: "Emulated hardware is many times slower.",
    page: None,
    mend: "add the element kernel",
};

pub(in crate::verify::boot) const UNCHANGED: Rule = Rule {
    id: "image-unchanged",
    group: Group::Disk,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The image file is the same after the boots",
    reason: "The published file must be the verified file.",
    page: None,
    mend: "report this to the developers of Goldsmith: it must not happen",
};

/// Where the root file system is. A volume is followed down to the partition that it is on; on the way, each device tells how
/// much of it those above it take. mountinfo names the device where it is not known by its name: a kernel that has found the
/// root file system without an initial RAM disk calls it `/dev/root`; the subvolumes of a btrfs have no number of their own.
pub(in crate::verify::boot) const ROOT: &str = r#"s root; m=$(awk '$5 == "/" { for (i = 7; i < NF - 1; i++) if ($i == "-") d = $3 " " $(i + 2) } END { print d }' /proc/self/mountinfo)
d=$(readlink -f "${m#* }"); b=${d##*/}
[ -e "/sys/class/block/$b" ] || { b=$(readlink -f "/sys/dev/block/${m%% *}"); b=${b##*/}; }; echo "/dev/$b"
p=$(readlink -f "/sys/class/block/$b"); echo "device $(cat "$p/size" 2>/dev/null)"
while l=$(ls "$p/slaves" 2>/dev/null | tail -n 1); [ -n "$l" ]; do p=$(readlink -f "/sys/class/block/$l"); u=0
  for h in "$p"/holders/*; do u=$((u + $(cat "$h/size"))); done; echo "held $u $(cat "$p/size")"; done
[ -e "$p/partition" ] && q=${p%/*} || q=$p
echo "part $(cat "$p/start" 2>/dev/null || echo 0) $(cat "$p/size" 2>/dev/null)"
echo "disk $(cat "$q/size" 2>/dev/null) ${q##*/}"; df -kP / | awk 'NR == 2 { print "fs", $2, $4 }'
readlink -f "$q/device/driver" 2>/dev/null | sed 's,.*/,driver ,'
"#;

/// Bytes after the root partition that growing may leave free, for copies of tables and alignment.
const SLACK: u64 = 64 << 20;

fn root(answers: &Answers, _: &Expected<'_>) -> Finding {
    root_fills(answers)
}

pub(in crate::verify::boot) fn root_fills(answers: &Answers) -> Finding {
    let Some(root) = answers.root() else {
        return ROOT_FILLS.failed(["the device of the root file system was not found"]);
    };
    let size = |bytes| crate::units::ByteSize::bytes(bytes).to_string();
    let volume = if root.held.is_empty() { String::new() } else { format!(", volume {}", size(root.size)) };
    let seen = format!(
        "{}: file system {}{volume}, partition {}, disk {}",
        root.device,
        size(root.file_system),
        size(root.partition),
        size(root.disk)
    );
    // A file system tells its size without its own tables: ext4's inodes take a sixtieth of it. Other volumes of a group may
    // have the rest of a partition.
    let fills = root.file_system >= root.size / 100 * 90 && root.held.iter().all(|[taken, of]| *taken >= of / 100 * 90);
    let reaches = root.end + SLACK >= root.disk;
    if fills && reaches { ROOT_FILLS.passed([seen]) } else { ROOT_FILLS.failed([seen]) }
}

fn virtio(answers: &Answers, _: &Expected<'_>) -> Finding {
    let disk = answers.root().map(|root| root.driver).unwrap_or_default();
    let cards = answers.cards();
    let seen = cards.iter().map(|card| format!("{}: {}", card.name, card.driver)).chain([format!("disk: {disk}")]);
    let seen: Vec<_> = seen.collect();
    let good = disk.starts_with("virtio") && cards.iter().any(|card| card.driver.starts_with("virtio"));
    if good { VIRTIO.passed(seen) } else { VIRTIO.failed(seen) }
}

#[cfg(test)]
mod samples {
    use super::super::check::Samples;

    pub(super) const SAMPLES: Samples = Samples {
        good: &[(
            "root",
            "/dev/vda3\ndevice 10278912\npart 206848 10278912\ndisk 10485760 vda\nfs 5000000 4000000\ndriver virtio_blk",
        )],
        bad: &[
            (
                "root",
                "/dev/vda3\ndevice 4096000\npart 206848 4096000\ndisk 10485760 vda\nfs 2000000 1\ndriver virtio_blk",
                "root-fills-disk",
            ),
            (
                "root",
                "/dev/vda3\ndevice 10278912\npart 206848 10278912\ndisk 10485760 vda\nfs 2000000 1\ndriver virtio_blk",
                "root-fills-disk",
            ),
            // The partition has grown, and no volume has taken the room.
            (
                "root",
                "/dev/dm-0\ndevice 4096000\nheld 4104192 10278912\npart 206848 10278912\ndisk 10485760 vda\nfs 2000000 1\ndriver virtio_blk",
                "root-fills-disk",
            ),
            (
                "root",
                "/dev/sda3\ndevice 10278912\npart 206848 10278912\ndisk 10485760 sda\nfs 5000000 4000000\ndriver ahci",
                "virtio-in-use",
            ),
        ],
    };
}
