//! The checks of `goldsmith doctor`: judge a host by the facts about it, without any I/O.

use serde::Serialize;

use super::facts::{HostFacts, Subordinate, at_least};
use super::packages;
use crate::guest::accel::KvmVerdict;
use crate::recipe::Arch;
use crate::units::ByteSize;

/// Free space below which a build of an ordinary image is at risk.
const SPACE_WANTED: ByteSize = ByteSize::mebibytes(10 * 1024);

/// Free memory below which the guest and a bootstrap are at risk.
const MEMORY_WANTED: ByteSize = ByteSize::mebibytes(2 * 1024);

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CheckResult {
    /// Name of the check.
    pub(super) name: &'static str,
    /// The verdict.
    pub(super) status: Status,
    /// Facts that the check found.
    pub(super) detail: String,
    /// Hint for the user; for a missing program, the command that installs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

/// A verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// All is well.
    Ok,
    /// Builds work, but slowly, or not all of them.
    Warning,
    /// No build works without it.
    Missing,
}

/// Judges a host.
pub(super) fn examine(facts: &HostFacts) -> Vec<CheckResult> {
    let install = |what: &str| packages::install(facts.family, &[what]);
    let mut results = vec![kvm(facts), libguestfs(facts), kernel(facts)];
    for (name, why) in [("qemu-system", "runs the guest"), ("qemu-img", "makes layers and images")] {
        results.push(match facts.program(name) {
            Some(program) => ok(name, program.version.clone()),
            None => missing(name, format!("not found; it {why}"), install(name)),
        });
    }
    if facts.program("qemu-img").is_some() && !facts.zstd {
        let fix = Some("write `compression: zlib` in the recipe's outputs, or install QEMU 5.1 or later".to_owned());
        results.push(warning("zstd", "qemu-img cannot compress by zstd".to_owned(), fix));
    }
    results.push(match &facts.firmware {
        Some(path) => ok("firmware", path.display().to_string()),
        None => warning("firmware", "no OVMF: images cannot be tried under UEFI".to_owned(), install("ovmf")),
    });
    results.extend(bootstrap(facts));
    results.push(package_managers(facts));
    results.push(foreign(facts));
    for (name, what) in [
        ("mksquashfs", "outputs of format squashfs need it"),
        ("mkfs.erofs", "outputs of format erofs need it"),
        ("openssl", "signed images need it"),
        ("gpg", "checksums signed by OpenPGP need it"),
    ] {
        results.push(match facts.program(name) {
            Some(program) => ok(name, program.version.clone()),
            None => warning(name, format!("not found; {what}"), install(name)),
        });
    }
    results.push(match facts.cache_space {
        Some(free) if free >= SPACE_WANTED => ok("disk space", space(free, facts)),
        Some(free) => {
            let fix = Some("run `goldsmith cache gc`, or name a larger place by --cache".to_owned());
            warning("disk space", format!("{}; {SPACE_WANTED} are advised", space(free, facts)), fix)
        }
        None => {
            let detail = format!("{} cannot be looked at", facts.cache_dir.display());
            warning("disk space", detail, Some("name another place by --cache".to_owned()))
        }
    });
    results.push(match facts.memory {
        Some(free) if free < MEMORY_WANTED => warning(
            "memory",
            format!("{free} available; {MEMORY_WANTED} are advised"),
            Some("end other programs".into()),
        ),
        Some(free) => ok("memory", format!("{free} available")),
        None => warning("memory", "unknown: /proc/meminfo cannot be read".to_owned(), None),
    });
    results
}

/// Returns whether builds work: no check found a missing requirement of all builds.
pub(super) fn is_able(results: &[CheckResult]) -> bool {
    results.iter().all(|result| result.status != Status::Missing)
}

fn kvm(facts: &HostFacts) -> CheckResult {
    let slow = "builds use TCG, which is slower";
    match &facts.kvm {
        KvmVerdict::Works => ok("kvm", "works".to_owned()),
        KvmVerdict::Denied => {
            let fix = "sudo usermod -aG kvm $USER, then log in again";
            warning("kvm", format!("/dev/kvm may not be opened; {slow}"), Some(fix.to_owned()))
        }
        KvmVerdict::Unusable { reason: why } => warning("kvm", format!("/dev/kvm does not work ({why}); {slow}"), None),
        KvmVerdict::Absent => warning("kvm", format!("no /dev/kvm; {slow}"), None),
    }
}

fn libguestfs(facts: &HostFacts) -> CheckResult {
    match &facts.libguestfs {
        Ok(version) => ok("libguestfs", version.clone()),
        Err(why) => missing("libguestfs", why.clone(), packages::install(facts.family, &["libguestfs"])),
    }
}

fn kernel(facts: &HostFacts) -> CheckResult {
    let readable = facts.kernels.iter().find(|(_, readable)| *readable);
    match (readable, facts.kernels.first()) {
        (Some((path, _)), _) => ok("kernel", path.display().to_string()),
        (None, Some((path, _))) => {
            let detail = format!("{} is not readable; libguestfs boots it", path.display());
            missing("kernel", detail, Some("sudo chmod 0644 /boot/vmlinuz-*".to_owned()))
        }
        (None, None) => {
            let detail = "none in /boot or /lib/modules; libguestfs boots the host's".to_owned();
            missing("kernel", detail, packages::install(facts.family, &["kernel"]))
        }
    }
}

/// Checks the requirements of bases of kind `bootstrap`. Bases of kind `image` build without them.
fn bootstrap(facts: &HostFacts) -> Vec<CheckResult> {
    let mut tools = vec!["mmdebstrap", "mke2fs", "sfdisk", "mkfs.vfat", "unshare"];
    if !facts.root {
        tools.push("newuidmap");
    }
    let absent: Vec<_> = tools.iter().copied().filter(|tool| facts.program(tool).is_none()).collect();
    let mut results = vec![if absent.is_empty() {
        ok("bootstrap", tools.join(", "))
    } else {
        let detail = format!("not found: {}; bases made of packages need them", absent.join(", "));
        warning("bootstrap", detail, packages::install(facts.family, &absent))
    }];
    if let Some(version) = facts.program("mke2fs").map(|program| &program.version)
        && !at_least(version, (1, 43))
    {
        let detail = format!("{version} is too old to fill a file system from a directory (1.43)");
        results.push(warning("mke2fs", detail, packages::install(facts.family, &["mke2fs"])));
    }
    if !facts.root_is_mounted {
        let detail = "the root directory is no mount point, as in a chroot; bases made of packages need one".to_owned();
        results.push(warning("mounts", detail, Some("outside, before chroot: mount --bind ROOT ROOT".to_owned())));
    }
    if !facts.root {
        results.push(unprivileged(facts));
    } else if !facts.may_mount {
        let detail = "root may not mount here, as in a container; bases made of packages, and outputs of format erofs, need that".to_owned();
        results.push(warning("mounts", detail, Some("give the container the capability CAP_SYS_ADMIN".to_owned())));
    }
    results
}

/// Lists the programs that make bases of other packages than Debian's. It is no fault to have none: one distribution needs one.
fn package_managers(facts: &HostFacts) -> CheckResult {
    // The last belongs to pacman-key.
    let (there, absent): (Vec<_>, Vec<_>) =
        ["dnf", "zypper", "pacman", "vercmp"].into_iter().partition(|name| facts.program(name).is_some());
    let mut detail = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    if absent.is_empty() {
        return ok("package tools", detail);
    }
    detail.push_str(&format!("; not found: {}, which bases of some distributions need", absent.join(", ")));
    CheckResult { fix: packages::install(facts.family, &absent), ..ok("package tools", detail) }
}

/// Checks the requirements of images of another architecture than the host's.
fn foreign(facts: &HostFacts) -> CheckResult {
    let foreign = &facts.foreign;
    let (name, emulator, machine, firmware) = match foreign.arch {
        Arch::Aarch64 => ("aarch64", "qemu-aarch64-static", "qemu-system-aarch64", "AAVMF"),
        Arch::X86_64 => ("x86_64", "qemu-x86_64-static", "qemu-system-x86_64", "OVMF"),
    };
    let there = [foreign.emulator.is_some(), foreign.machine, foreign.firmware.is_some()];
    let absent: Vec<_> = [emulator, machine, firmware]
        .into_iter()
        .zip(there)
        .filter(|(_, there)| !there)
        .map(|(name, _)| name)
        .collect();
    if !absent.is_empty() {
        let detail = format!("not found: {}; images for {name} need them", absent.join(", "));
        return warning(name, detail, packages::install(facts.family, &absent));
    }
    if !foreign.registrable {
        let detail =
            format!("this kernel starts no emulator for programs for {name}; bases made of packages need that");
        let fix = "run Linux 6.7 or later, or start binfmt support with the flag F, such as systemd-binfmt.service";
        return warning(name, detail, Some(fix.to_owned()));
    }
    ok(name, [emulator, machine, firmware].join(", "))
}

fn unprivileged(facts: &HostFacts) -> CheckResult {
    let name = "user namespaces";
    if let Some(why) = &facts.userns_forbidden {
        let fix = "ask the administrator to allow them, or run goldsmith as root";
        return warning(name, format!("forbidden ({why}); bases made of packages need them"), Some(fix.to_owned()));
    }
    match facts.subordinate {
        Subordinate::Granted => ok(name, format!("allowed, with ids for {} in /etc/subuid", facts.user)),
        Subordinate::Absent => {
            let user = &facts.user;
            let fix = format!("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}");
            let detail = format!("{user} has no ids in /etc/subuid and /etc/subgid; bases made of packages need them");
            warning(name, detail, Some(fix))
        }
    }
}

fn space(free: ByteSize, facts: &HostFacts) -> String {
    format!("{free} free for {}", facts.cache_dir.display())
}

fn ok(name: &'static str, detail: String) -> CheckResult {
    CheckResult { name, status: Status::Ok, detail, fix: None }
}

fn warning(name: &'static str, detail: String, fix: Option<String>) -> CheckResult {
    CheckResult { name, status: Status::Warning, detail, fix }
}

fn missing(name: &'static str, detail: String, fix: Option<String>) -> CheckResult {
    CheckResult { name, status: Status::Missing, detail, fix }
}

#[cfg(test)]
mod tests {
    use super::super::command::table;
    use super::super::facts::{Foreign, Program};
    use super::super::packages::Family;
    use super::*;
    use crate::cli::terminal::Terminal;

    fn healthy() -> HostFacts {
        let programs = [
            "qemu-system",
            "qemu-img",
            "mmdebstrap",
            "mke2fs",
            "sfdisk",
            "mkfs.vfat",
            "unshare",
            "newuidmap",
            "mksquashfs",
            "mkfs.erofs",
            "openssl",
            "gpg",
            "dnf",
            "zypper",
            "pacman",
            "vercmp",
        ];
        HostFacts {
            family: Family::Debian,
            root: false,
            user: "ada".to_owned(),
            kvm: KvmVerdict::Works,
            libguestfs: Ok("1.48.6".to_owned()),
            kernels: vec![("/boot/vmlinuz-6.1".into(), true)],
            programs: programs.map(|name| Program { name, version: "7.2".to_owned() }).into(),
            zstd: true,
            firmware: Some("/usr/share/OVMF/OVMF_CODE_4M.fd".into()),
            foreign: Foreign {
                arch: Arch::Aarch64,
                emulator: Some("/usr/bin/qemu-aarch64-static".into()),
                registrable: true,
                machine: true,
                firmware: Some("/usr/share/AAVMF/AAVMF_CODE.fd".into()),
            },
            userns_forbidden: None,
            may_mount: false,
            root_is_mounted: true,
            subordinate: Subordinate::Granted,
            cache_dir: "/home/ada/.cache/goldsmith".into(),
            cache_space: Some(ByteSize::mebibytes(50 * 1024)),
            memory: Some(ByteSize::mebibytes(8 * 1024)),
        }
    }

    #[test]
    fn a_healthy_host_has_nothing_to_mend() {
        let results = examine(&healthy());
        assert!(results.iter().all(|result| result.status == Status::Ok && result.fix.is_none()), "{results:#?}");
    }

    #[test]
    fn a_bare_host_is_told_everything_at_once() {
        let facts = HostFacts {
            kvm: KvmVerdict::Unusable { reason: "no kernel ran within 10 s".to_owned() },
            libguestfs: Err("cannot be loaded".to_owned()),
            kernels: vec![("/boot/vmlinuz-6.8".into(), false)],
            programs: Vec::new(),
            firmware: None,
            foreign: Foreign { emulator: None, machine: false, firmware: None, ..healthy().foreign },
            subordinate: Subordinate::Absent,
            cache_space: Some(ByteSize::mebibytes(2048)),
            memory: Some(ByteSize::mebibytes(512)),
            ..healthy()
        };
        insta::assert_snapshot!(table(&examine(&facts), Terminal::PLAIN), @r#"
        ! kvm              /dev/kvm does not work (no kernel ran within 10 s); builds use TCG, which is slower
        x libguestfs       cannot be loaded
                           fix: sudo apt-get install libguestfs0
        x kernel           /boot/vmlinuz-6.8 is not readable; libguestfs boots it
                           fix: sudo chmod 0644 /boot/vmlinuz-*
        x qemu-system      not found; it runs the guest
                           fix: sudo apt-get install qemu-system-x86
        x qemu-img         not found; it makes layers and images
                           fix: sudo apt-get install qemu-utils
        ! firmware         no OVMF: images cannot be tried under UEFI
                           fix: sudo apt-get install ovmf
        ! bootstrap        not found: mmdebstrap, mke2fs, sfdisk, mkfs.vfat, unshare, newuidmap; bases made of packages need them
                           fix: sudo apt-get install mmdebstrap e2fsprogs fdisk dosfstools util-linux uidmap
        ! user namespaces  ada has no ids in /etc/subuid and /etc/subgid; bases made of packages need them
                           fix: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ada
        + package tools    none; not found: dnf, zypper, pacman, vercmp, which bases of some distributions need
                           fix: sudo apt-get install dnf zypper pacman-package-manager makepkg
        ! aarch64          not found: qemu-aarch64-static, qemu-system-aarch64, AAVMF; images for aarch64 need them
                           fix: sudo apt-get install qemu-user-static qemu-system-arm qemu-efi-aarch64
        ! mksquashfs       not found; outputs of format squashfs need it
                           fix: sudo apt-get install squashfs-tools
        ! mkfs.erofs       not found; outputs of format erofs need it
                           fix: sudo apt-get install erofs-utils
        ! openssl          not found; signed images need it
                           fix: sudo apt-get install openssl
        ! gpg              not found; checksums signed by OpenPGP need it
                           fix: sudo apt-get install gpg
        ! disk space       2 GiB free for /home/ada/.cache/goldsmith; 10 GiB are advised
                           fix: run `goldsmith cache gc`, or name a larger place by --cache
        ! memory           512 MiB available; 2 GiB are advised
                           fix: end other programs
        "#);
    }

    #[test]
    fn every_fault_changes_one_verdict() {
        type Fault = fn(&mut HostFacts);
        let cases: [(&str, Status, Fault); 15] = [
            ("aarch64", Status::Warning, |facts| facts.foreign.registrable = false),
            ("aarch64", Status::Warning, |facts| facts.foreign.machine = false),
            ("kvm", Status::Warning, |facts| facts.kvm = KvmVerdict::Denied),
            ("kvm", Status::Warning, |facts| facts.kvm = KvmVerdict::Absent),
            ("kernel", Status::Missing, |facts| facts.kernels.clear()),
            ("qemu-img", Status::Missing, |facts| facts.programs.retain(|program| program.name != "qemu-img")),
            ("zstd", Status::Warning, |facts| facts.zstd = false),
            ("firmware", Status::Warning, |facts| facts.firmware = None),
            ("bootstrap", Status::Warning, |facts| facts.programs.retain(|program| program.name != "newuidmap")),
            ("mkfs.erofs", Status::Warning, |facts| facts.programs.retain(|program| program.name != "mkfs.erofs")),
            ("user namespaces", Status::Warning, |facts| facts.userns_forbidden = Some("AppArmor".to_owned())),
            ("mke2fs", Status::Warning, |facts| {
                facts.programs.retain(|program| program.name != "mke2fs");
                facts.programs.push(Program { name: "mke2fs", version: "1.42.9".to_owned() });
            }),
            ("disk space", Status::Warning, |facts| facts.cache_space = None),
            ("mounts", Status::Warning, |facts| facts.root_is_mounted = false),
            ("mounts", Status::Warning, |facts| facts.root = true),
        ];
        for (name, status, fault) in cases {
            let mut facts = healthy();
            fault(&mut facts);
            let results = examine(&facts);
            let bad: Vec<_> = results.iter().filter(|result| result.status != Status::Ok).collect();
            assert_eq!(bad.iter().map(|r| (r.name, r.status)).collect::<Vec<_>>(), [(name, status)], "{bad:#?}");
            assert_eq!(is_able(&results), status != Status::Missing);
        }
    }

    #[test]
    fn root_needs_no_user_namespaces() {
        let facts = HostFacts { root: true, may_mount: true, subordinate: Subordinate::Absent, ..healthy() };
        assert!(examine(&facts).iter().all(|result| result.status == Status::Ok));
    }
}
