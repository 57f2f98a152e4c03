//! Rules about partitions and file systems, and whether they grow.

use super::guide::guide;
use super::texts::{cloud_setting, is_no};
use super::unit::{Unit, unit};
use super::view::{Judged, View};
use crate::guest::{Devices, FileSystem};
use crate::text::fstab::{Line, lines};
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged = &[
    (&OPERATING_SYSTEM, operating_system),
    (&ROOT_LAST, root_last),
    (&ROOT_PLAIN, root_plain),
    (&ROOT_GROWS, root_grows),
    (&FSTAB_NAMES, fstab_names),
    (&FSTAB_EXISTS, fstab_exists),
    (&NO_SWAP, no_swap),
];

pub(super) const WANTED: &[&str] = &["/etc/fstab", "/etc/os-release"];

/// What the element `growroot` grows the root file system with.
const SCRIPT: &str = "/usr/local/sbin/growroot";
const SCRIPT_UNIT: &str = "growroot.service";

/// What the element `lvm-grow` grows a root file system on a logical volume with.
const VOLUME_SCRIPT: &str = "/usr/local/sbin/lvm-grow";
const VOLUME_UNIT: &str = "lvm-grow.service";

pub(super) const OPERATING_SYSTEM: Rule = Rule {
    id: "operating-system",
    group: Group::Disk,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The disk has an operating system that Goldsmith can read",
    reason: "Without an operating system nothing boots, and Goldsmith cannot check one that is encrypted or unknown.",
    page: None,
    mend: "take the image of a whole disk with a Linux system; do not encrypt its root file system: the cloud encrypts volumes",
};

pub(super) const ROOT_LAST: Rule = Rule {
    id: "root-last",
    group: Group::Disk,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The root partition is the last one on the disk",
    reason: "It grows to the end of the instance's disk. A partition behind it would be in the way.",
    page: guide!("disk-partitions-and-resize-root-partition-on-boot-cloud-init"),
    mend: "put the root partition last on the disk, as all values of `disk.layout` do; an image that is a base keeps its \
           partitions, so choose another one",
};

pub(super) const ROOT_PLAIN: Rule = Rule {
    id: "root-plain",
    group: Group::Disk,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "The root file system lies on a partition, not on LVM or RAID",
    reason: "Tools that grow the root file system at boot know partitions. A logical volume needs a script of its own.",
    page: guide!("disk-partitions-and-resize-root-partition-on-boot-cloud-init"),
    mend: "add the element `lvm-grow`, which grows the volume at boot, or use one of the values of `disk.layout`",
};

pub(super) const ROOT_GROWS: Rule = Rule {
    id: "root-grows",
    group: Group::Disk,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The root partition grows at boot to the size of the instance's disk",
    reason: "A flavor's disk is larger than the image. Otherwise the rest of it would stay unused.",
    page: guide!("disk-partitions-and-resize-root-partition-on-boot-cloud-init"),
    mend: "add the elements `growpart` and `cloud-init`, or `growroot` without cloud-init",
};

pub(super) const FSTAB_NAMES: Rule = Rule {
    id: "fstab-names",
    group: Group::Disk,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "/etc/fstab names file systems by UUID or label",
    reason: "The name of a device depends on the machine: /dev/sda during the build, /dev/vda in the cloud.",
    page: None,
    mend: "use UUID= or LABEL= in /etc/fstab; `blkid` prints both",
};

pub(super) const FSTAB_EXISTS: Rule = Rule {
    id: "fstab-exists",
    group: Group::Disk,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The file systems in /etc/fstab are on the disk",
    reason: "systemd waits 90 seconds for a missing file system, and then starts an emergency shell.",
    page: None,
    mend: "remove the line from /etc/fstab, or add `nofail` to its options",
};

pub(super) const NO_SWAP: Rule = Rule {
    id: "no-swap",
    group: Group::Disk,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "The image has no swap space",
    reason: "A flavor provides swap as a separate disk. Swap space in the image makes every copy larger, and a swap partition \
             can keep the root partition from growing.",
    page: None,
    mend: "remove the swap partition or the swap file, and its line in /etc/fstab",
};

pub(super) fn operating_system(view: &View) -> Finding {
    OPERATING_SYSTEM
        .passed(view.tree.text("/etc/os-release").lines().filter_map(|line| line.strip_prefix("PRETTY_NAME=")))
}

/// Returns the content of the disk, as evidence.
pub(super) fn held(devices: &Devices) -> Vec<String> {
    let mut told: Vec<_> = devices.file_systems.iter().map(|held| format!("{}: {}", name(held), held.kind)).collect();
    if devices.partition_table.is_none() {
        told.push("it has no partition table".to_owned());
    }
    told
}

/// Returns the place of a file system.
fn name(held: &FileSystem) -> String {
    match (held.partition, &held.device) {
        (Some(number), _) => format!("partition {number}"),
        (None, Some(device)) => device.clone(),
        (None, None) => "the whole disk".to_owned(),
    }
}

pub(super) fn root(view: &View) -> Option<&FileSystem> {
    view.devices.file_systems.iter().find(|held| held.mounted_at.as_deref() == Some("/"))
}

pub(super) fn root_last(view: &View) -> Finding {
    let Some(table) = &view.devices.partition_table else {
        return ROOT_LAST.skipped("the disk has no partition table");
    };
    let Some(number) = root(view).and_then(|root| root.partition) else {
        return ROOT_LAST.skipped("the root file system is not directly on a partition");
    };
    let Some(own) = table.partitions.iter().find(|partition| partition.number == number) else {
        return ROOT_LAST.skipped("the root partition is not in the table");
    };
    let behind: Vec<_> = table
        .partitions
        .iter()
        // An extended partition of an MBR contains others.
        .filter(|other| other.start > own.start)
        .map(|other| format!("partition {} lies behind partition {number}, which is the root", other.number))
        .collect();
    if behind.is_empty() { ROOT_LAST.passed([format!("partition {number}")]) } else { ROOT_LAST.failed(behind) }
}

pub(super) fn root_plain(view: &View) -> Finding {
    match root(view) {
        None => ROOT_PLAIN.skipped("it is not known where the root file system is"),
        Some(FileSystem { partition: Some(_), kind, .. }) => ROOT_PLAIN.passed([kind]),
        Some(FileSystem { device: Some(device), .. }) if grows_volume(view) => {
            ROOT_PLAIN.passed([format!("it is on {device}, and {VOLUME_SCRIPT} grows it")])
        }
        Some(FileSystem { device: Some(device), .. }) => ROOT_PLAIN.failed([format!("it is on {device}")]),
        Some(_) => ROOT_PLAIN.passed(["it takes the whole disk"]),
    }
}

/// Returns whether the script for logical volumes runs at boot, with the programs that it starts.
fn grows_volume(view: &View) -> bool {
    let tree = &view.tree;
    let has = |program: &str| ["/usr/sbin/", "/sbin/"].iter().any(|place| tree.is_file(&format!("{place}{program}")));
    tree.is_file(VOLUME_SCRIPT) && unit(tree, VOLUME_UNIT) == Unit::Enabled && has("lvm") && has("sfdisk")
}

pub(super) fn root_grows(view: &View) -> Finding {
    let tree = &view.tree;
    if root(view).is_some_and(|it| it.device.is_some()) && grows_volume(view) {
        return ROOT_GROWS.passed([VOLUME_SCRIPT]);
    }
    if let Some(path) = ["/etc/growroot-disabled"].into_iter().find(|path| tree.exists(path)) {
        // cloud-init obeys the file unless told otherwise: module cc_growpart, `ignore_growroot_disabled`.
        return ROOT_GROWS.failed([format!("{path} is there")]);
    }
    let cloud_init = view.system.cloud_init.as_ref().is_some_and(|it| it.enabled);
    let repart = !tree.glob("/{etc,usr/lib}/repart.d/*.conf").is_empty();
    let growroot = ["/usr/share/initramfs-tools/scripts/local-bottom/growroot", "/usr/lib/dracut/modules.d/50growroot"];
    let by_systemd =
        fstab(view).iter().any(|it| it.path == "/" && it.options.split(',').any(|option| option == "x-systemd.growfs"));
    let mode = cloud_setting(tree, Some("growpart"), "mode").filter(|(.., value)| is_no(value));
    let resize = cloud_setting(tree, None, "resize_rootfs").filter(|(.., value)| !by_systemd && is_no(value));
    let off = mode.or(resize);
    let growpart = tree.is_file("/usr/bin/growpart");
    let editor = ["/usr/sbin/sfdisk", "/sbin/sfdisk", "/usr/sbin/sgdisk", "/sbin/sgdisk"];
    let editor = editor.into_iter().any(|path| tree.is_file(path));
    if let Some(path) = growroot.into_iter().find(|path| tree.exists(path)) {
        ROOT_GROWS.passed([path])
    } else if repart {
        ROOT_GROWS.passed(["systemd-repart"])
    } else if tree.is_file(SCRIPT) && !cloud_init {
        let (starts, partition) =
            (unit(tree, SCRIPT_UNIT) == Unit::Enabled, root(view).is_some_and(|it| it.partition.is_some()));
        match (starts, growpart || !partition) {
            (true, true) => ROOT_GROWS.passed([SCRIPT]),
            (false, _) => ROOT_GROWS.failed([format!("{SCRIPT} is there, and {SCRIPT_UNIT} does not start at boot")]),
            (true, false) => ROOT_GROWS.failed([format!("/usr/bin/growpart is not there, which {SCRIPT} starts")]),
        }
    } else if let Some((path, line, _)) = off.filter(|_| cloud_init) {
        ROOT_GROWS.failed([format!("{path}: {line}")])
    } else if cloud_init && growpart && !editor {
        ROOT_GROWS.failed(["neither sfdisk nor sgdisk is there, with which growpart writes the partition table"])
    } else if cloud_init && growpart {
        ROOT_GROWS.passed(["growpart, started by cloud-init"])
    } else if cloud_init {
        ROOT_GROWS.failed(["/usr/bin/growpart is not there, which cloud-init would start"])
    } else {
        ROOT_GROWS.failed(["neither cloud-init with growpart nor systemd-repart nor cloud-initramfs-growroot is there"])
    }
}

/// Lines of the image's fstab(5). Those of swap have no mount point.
fn fstab(view: &View) -> Vec<Line> {
    lines(&view.tree.text("/etc/fstab"))
}

/// Returns whether the name of a device depends on the machine and on the order in which it finds its disks. Names of logical
/// volumes do not.
pub(super) fn is_unstable(device: &str) -> bool {
    const NAMES: [&str; 12] = [
        "/dev/sd",
        "/dev/vd",
        "/dev/hd",
        "/dev/xvd",
        "/dev/nvme",
        "/dev/nbd",
        "/dev/loop",
        "/dev/mapper/loop",
        "/dev/mapper/nbd",
        "/dev/dm-",
        "/dev/disk/by-path/",
        "/dev/disk/by-id/",
    ];
    NAMES.iter().any(|name| device.starts_with(name))
}

pub(super) fn fstab_names(view: &View) -> Finding {
    let sources = fstab(view).into_iter();
    FSTAB_NAMES.unless(sources.filter(|it| is_unstable(&it.source)).map(|it| format!("{} at {}", it.source, it.path)))
}

pub(super) fn fstab_exists(view: &View) -> Finding {
    let held = &view.devices.file_systems;
    let partitions = || view.devices.partition_table.iter().flat_map(|table| &table.partitions);
    let exists = |source: &str| {
        let (kind, value) = source.split_once('=')?;
        let value = value.trim_matches('"');
        let is = |own: &Option<String>| own.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(value));
        Some(match kind {
            "UUID" => held.iter().any(|held| is(&held.uuid)),
            "LABEL" => held.iter().any(|held| held.label.as_deref() == Some(value)),
            "PARTUUID" => partitions().any(|partition| is(&partition.uuid)),
            "PARTLABEL" => partitions().any(|partition| partition.name.as_deref() == Some(value)),
            _ => return None,
        })
    };
    let missing = fstab(view).into_iter().filter(|it| {
        let needed = !it.options.split(',').any(|option| ["nofail", "noauto"].contains(&option));
        exists(&it.source) == Some(false) && needed
    });
    FSTAB_EXISTS.unless(missing.map(|it| format!("{} at {}: no file system has that name", it.source, it.path)))
}

pub(super) fn no_swap(view: &View) -> Finding {
    let areas = view.devices.file_systems.iter().filter(|held| held.kind == "swap").map(name);
    let areas = areas.map(|name| format!("{name} is a swap area"));
    let lines = fstab(view).into_iter().filter(|it| it.kind == "swap");
    let lines = lines.map(|it| format!("/etc/fstab: {} {} {} {}", it.source, it.path, it.kind, it.options));
    let units = view.tree.glob("/etc/systemd/system/*.swap").into_iter();
    // Usual names of swap files: only their first bytes would prove it.
    let files = view.tree.glob("/{,var/,mnt/}{swapfile,swap.img,swap/swapfile}").into_iter();
    let files = files.filter(|path| view.tree.is_file(path)).map(|path| format!("{path} is a swap file by its name"));
    NO_SWAP.unless(areas.chain(units).chain(lines).chain(files))
}
