//! Rules about drivers for the machines of clouds, and about settings for Xen.

use std::collections::BTreeSet;

use super::early::{Modules, kernel, module};
use super::guide::guide;
use super::texts::lines_of;
use super::view::{Judged, View};
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged =
    &[(&VIRTIO_DISK, virtio_disk), (&VIRTIO_SCSI, virtio_scsi), (&VIRTIO_NET, virtio_net), (&NO_XEN, no_xen)];

const BUILT_IN: &str = "/{usr/lib,lib}/modules/*/modules.builtin";
const MODPROBE: &[&str] = &["/{etc,usr/lib,lib}/modprobe.d/*.conf"];
/// Files that name modules to load on every machine: modules-load.d(5), initramfs-tools(7), dracut.conf(5).
const FORCED: &[&str] =
    &["/etc/modules", "/etc/modules-load.d/*.conf", "/etc/initramfs-tools/modules", "/etc/dracut.conf{,.d/*.conf}"];

pub(super) const WANTED: &[&str] = &[BUILT_IN, MODPROBE[0], FORCED[0], FORCED[1], FORCED[2], FORCED[3]];

pub(super) const VIRTIO_DISK: Rule = Rule {
    id: "virtio-disk",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The kernel can load the drivers of virtio disks before it mounts its root file system",
    reason: "A cloud's machines have virtio disks. Without the driver in the kernel or its initial RAM disk, the kernel does \
             not find its root file system.",
    page: None,
    mend: "add the element `kernel`, which makes the initial RAM disk; do not restrict the modules in /etc/initramfs-tools or \
           /etc/dracut.conf.d",
};

pub(super) const VIRTIO_SCSI: Rule = Rule {
    id: "virtio-scsi",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "The kernel can load the drivers of virtio-scsi disks before it mounts its root file system",
    reason: "Clouds with Ceph often set the property `hw_scsi_model=virtio-scsi`, which gives instances such a disk.",
    page: None,
    mend: "add the element `kernel`, which makes the initial RAM disk with all drivers of the kernel's package",
};

pub(super) const VIRTIO_NET: Rule = Rule {
    id: "virtio-net",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The kernel has the driver of virtio network cards",
    reason: "A cloud's machines have virtio network cards. Without the driver the instance has no network.",
    page: None,
    mend: "add the element `kernel`, whose packages have the driver",
};

pub(super) const NO_XEN: Rule = Rule {
    id: "no-xen",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "The image has no tools and settings for Xen alone",
    reason: "Linux since 3.0 supports Xen by itself. On other hypervisors Xen's tools and console have no use, or do harm.",
    page: guide!("paravirtualized-xen-support-in-the-kernel-xen-hypervisor-only"),
    mend: "remove the tools and settings; if the image is for Xen, list this check in `verify.accept`",
};

pub(super) fn virtio_disk(view: &View) -> Finding {
    has(view, &VIRTIO_DISK, &["virtio_pci", "virtio_blk"], false)
}

pub(super) fn virtio_scsi(view: &View) -> Finding {
    has(view, &VIRTIO_SCSI, &["virtio_scsi", "sd_mod"], false)
}

pub(super) fn virtio_net(view: &View) -> Finding {
    has(view, &VIRTIO_NET, &["virtio_net"], true)
}

/// Judges whether the default kernel has one of the drivers: built in, in its initial RAM disk, or, if `late`, among the modules
/// of the root file system.
fn has(view: &View, rule: &Rule, drivers: &[&str], late: bool) -> Finding {
    let Some(kernel) = kernel(&view.system) else { return rule.skipped("/boot has no kernel") };
    let release = &kernel.release;
    let base = format!("/{{usr/lib,lib}}/modules/{release}");
    let built_in: BTreeSet<_> =
        lines_of(&view.tree, &[&format!("{base}/modules.builtin")]).filter_map(|(_, line)| module(&line)).collect();
    let in_root = |driver: &str| {
        let files =
            ["/usr/lib", "/lib"].into_iter().flat_map(|lib| view.tree.below(&format!("{lib}/modules/{release}")));
        files.filter_map(|entry| module(&entry.path)).any(|name| name == driver)
    };
    let (mut seen, mut against, mut unknown) = (Vec::new(), forbidden(view, drivers), Vec::new());
    for driver in drivers {
        if built_in.contains(*driver) {
            seen.push(format!("{driver}: built into {release}"));
            continue;
        }
        if late && in_root(driver) {
            seen.push(format!("{driver}: a module of {release}"));
            continue;
        }
        match (&view.early.path, &view.early.modules) {
            (_, Modules::Damaged(why)) => against.push(why.clone()),
            (_, Modules::Unknown(why)) => unknown.push(why.clone()),
            (Some(path), Modules::Known(names)) if names.contains(*driver) => seen.push(format!("{driver}: in {path}")),
            (Some(path), _) => against.push(format!("{driver} is neither in {path} nor built into {release}")),
            (None, _) => against.push(format!("{driver} is not built into {release}, which has no initial RAM disk")),
        }
    }
    against.dedup();
    match unknown.first() {
        _ if !against.is_empty() => rule.failed(against),
        Some(why) => rule.skipped(why),
        None => rule.passed(seen),
    }
}

/// Returns the settings that forbid loading drivers: modprobe.d(5), dracut.cmdline(7).
fn forbidden(view: &View, drivers: &[&str]) -> Vec<String> {
    let is = |name: &str| drivers.contains(&name.replace('-', "_").as_str());
    let lines = lines_of(&view.tree, MODPROBE).filter(|(_, line)| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("blacklist"), Some(name), _) => is(name),
            (Some("install"), Some(name), Some(program)) => {
                is(name) && ["true", "false"].contains(&program.rsplit('/').next().unwrap_or_default())
            }
            _ => false,
        }
    });
    let entry = view.system.boot.default.as_ref();
    let args = entry.map(|entry| entry.args.as_slice()).unwrap_or_default().iter().filter(|arg| {
        let list = arg.split_once('=').filter(|(key, _)| ["modprobe.blacklist", "rd.driver.blacklist"].contains(key));
        list.is_some_and(|(_, names)| names.split(',').any(is))
    });
    let args = args.map(|arg| format!("the kernel's arguments have {arg}"));
    lines.map(|(path, line)| format!("{path}: {line}")).chain(args).collect()
}

pub(super) fn no_xen(view: &View) -> Finding {
    let tools = view.tree.glob("/usr/{sbin,bin}/{xe-daemon,xe-linux-distribution,xen-guest-agent,xenstored}");
    let forced = lines_of(&view.tree, FORCED).filter(|(path, line)| {
        // Drivers that dracut adds without force are for machines that need them.
        let all = !path.starts_with("/etc/dracut") || line.starts_with("force_drivers");
        all && line.split([' ', '"', '=', '\t']).any(|word| word.starts_with("xen-") || word.starts_with("xen_"))
    });
    let mut against: Vec<_> = tools.into_iter().chain(forced.map(|(path, line)| format!("{path}: {line}"))).collect();
    if let Some(entry) = &view.system.boot.default {
        // Services write to the last console.
        let last = entry.args.iter().rfind(|arg| arg.starts_with("console="));
        let last = last.filter(|arg| arg["console=".len()..].split(',').next() == Some("hvc0"));
        against.extend(last.map(|arg| format!("{}: {arg} is the last console", entry.source)));
        let hypervisor = entry.kernel.rsplit('/').next().is_some_and(|name| name.starts_with("xen"));
        against.extend(hypervisor.then(|| format!("{}: it boots {}", entry.source, entry.kernel)));
    }
    NO_XEN.unless(against)
}
