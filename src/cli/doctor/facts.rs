//! Facts about the host, for `goldsmith doctor`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::packages::Family;
use crate::guest::Emulator;
use crate::guest::accel::KvmVerdict;
use crate::machine::firmware;
use crate::process::{capture, die_with_parent};
use crate::recipe::Arch;
use crate::units::ByteSize;

/// Facts that other modules have found for `doctor`.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    /// Verdict about hardware virtualisation.
    pub(super) kvm: KvmVerdict,
    /// Version of libguestfs, or the reason why it cannot be used.
    pub(super) libguestfs: Result<String, String>,
    /// Directory of the cache, which may not exist.
    pub(super) cache_dir: PathBuf,
}

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// Name that `doctor` shows.
    pub(super) name: &'static str,
    /// The first version number it prints; empty if it prints none.
    pub(super) version: String,
}

/// The facts about a host for images of an architecture that is not the host's.
#[derive(Debug, Clone)]
pub(super) struct Foreign {
    /// The architecture.
    pub(super) arch: Arch,
    /// Program that runs the architecture's programs.
    pub(super) emulator: Option<PathBuf>,
    /// Whether the kernel can start that program for others: by a rule of the host, or of a user namespace.
    pub(super) registrable: bool,
    /// Whether QEMU has machines of the architecture.
    pub(super) machine: bool,
    /// UEFI firmware of these machines.
    pub(super) firmware: Option<PathBuf>,
}

impl Foreign {
    fn gather(release: &str) -> Self {
        let arch = if Arch::host() == Some(Arch::Aarch64) { Arch::X86_64 } else { Arch::Aarch64 };
        let emulator = Emulator::of(arch).ok().flatten();
        let registered = emulator.as_ref().is_some_and(Emulator::is_registered);
        Self {
            arch,
            registrable: registered || first_version(release).is_some_and(|version| at_least(&version, (6, 7))),
            emulator: emulator.map(|emulator| emulator.program),
            machine: find_program(&format!("qemu-system-{}", arch.name())).is_some(),
            firmware: firmware::uefi(arch),
        }
    }
}

/// The state of a user's subordinate ids, which user namespaces need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subordinate {
    /// Both `/etc/subuid` and `/etc/subgid` grant ids.
    Granted,
    /// One of these files grants no ids.
    Absent,
}

/// The facts about a host.
#[derive(Debug, Clone)]
pub(super) struct HostFacts {
    /// Family of the host's distribution.
    pub(super) family: Family,
    /// Whether this process is root.
    pub(super) root: bool,
    /// Name of the user.
    pub(super) user: String,
    /// Verdict about hardware virtualisation.
    pub(super) kvm: KvmVerdict,
    /// Version of libguestfs, or the reason why it cannot be used.
    pub(super) libguestfs: Result<String, String>,
    /// Kernels that libguestfs could boot, and whether they are readable.
    pub(super) kernels: Vec<(PathBuf, bool)>,
    /// Programs that are there.
    pub(super) programs: Vec<Program>,
    /// Whether qemu-img compresses by zstd.
    pub(super) zstd: bool,
    /// UEFI firmware for virtual machines.
    pub(super) firmware: Option<PathBuf>,
    /// Facts for images of another architecture.
    pub(super) foreign: Foreign,
    /// Setting of the kernel that forbids user namespaces to this user, if any.
    pub(super) userns_forbidden: Option<String>,
    /// Whether this process has the right to mount, which root lacks in most containers.
    pub(super) may_mount: bool,
    /// Whether the root directory is a mount point.
    pub(super) root_is_mounted: bool,
    /// State of the user's ids for user namespaces.
    pub(super) subordinate: Subordinate,
    /// Directory of the cache, which may not exist.
    pub(super) cache_dir: PathBuf,
    /// Free space for the cache.
    pub(super) cache_space: Option<ByteSize>,
    /// Memory that programs may still take.
    pub(super) memory: Option<ByteSize>,
}

impl HostFacts {
    /// Looks at the host. Runs some programs for their versions; takes well under a second.
    pub(super) fn gather(inputs: Inputs) -> Self {
        let uid = rustix::process::getuid();
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let user = user_name(&read("/etc/passwd"), uid.as_raw());
        let granted = ["/etc/subuid", "/etc/subgid"].iter().all(|path| has_range(&read(path), &user, uid.as_raw()));
        let qemu = format!("qemu-system-{}", std::env::consts::ARCH);
        let programs = [
            ("qemu-system", qemu.as_str(), "--version"),
            ("qemu-img", "qemu-img", "--version"),
            ("mmdebstrap", "mmdebstrap", "--version"),
            ("mke2fs", "mke2fs", "-V"),
            ("sfdisk", "sfdisk", "--version"),
            ("mkfs.vfat", "mkfs.vfat", "--help"),
            ("unshare", "unshare", "--version"),
            ("newuidmap", "newuidmap", ""),
            ("dnf", "dnf", ""),
            ("zypper", "zypper", ""),
            ("pacman", "pacman", ""),
            ("vercmp", "vercmp", ""),
            ("mksquashfs", "mksquashfs", "-version"),
            ("openssl", "openssl", "version"),
            ("gpg", "gpg", "--version"),
            ("mkfs.erofs", "mkfs.erofs", "-V"),
        ];
        Self {
            family: Family::from_os_release(&read("/etc/os-release")),
            root: uid.is_root(),
            kvm: inputs.kvm,
            libguestfs: inputs.libguestfs,
            kernels: kernels(),
            programs: programs.into_iter().filter_map(|(name, file, flag)| program(name, file, flag)).collect(),
            zstd: writes_zstd(),
            firmware: Arch::host().and_then(firmware::uefi),
            foreign: Foreign::gather(&read("/proc/sys/kernel/osrelease")),
            userns_forbidden: userns_forbidden(|path| std::fs::read_to_string(path).ok()),
            may_mount: rustix::thread::capabilities(None)
                .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN)),
            root_is_mounted: root_is_mounted(&read("/proc/self/mountinfo")),
            subordinate: if granted { Subordinate::Granted } else { Subordinate::Absent },
            cache_space: inputs
                .cache_dir
                .ancestors()
                .find(|path| path.exists())
                .and_then(|path| crate::fsx::available_bytes(path).ok().map(ByteSize::bytes)),
            cache_dir: inputs.cache_dir,
            memory: available_memory(&read("/proc/meminfo")),
            user,
        }
    }

    /// Returns a program that was found.
    pub(super) fn program(&self, name: &str) -> Option<&Program> {
        self.programs.iter().find(|program| program.name == name)
    }
}

/// Returns whether the root directory is a mount point: it is none in a chroot(1). The fifth field of each line is a mount point, as this
/// process sees it (proc_pid_mountinfo(5)). Without this file nothing is known.
fn root_is_mounted(mounts: &str) -> bool {
    mounts.is_empty() || mounts.lines().any(|line| line.split(' ').nth(4) == Some("/"))
}

fn program(name: &'static str, file: &str, flag: &str) -> Option<Program> {
    let path = find_program(file)?;
    let version = if flag.is_empty() {
        String::new()
    } else {
        // Some print their version on standard error, or end with an error after it.
        let mut command = Command::new(path);
        let output = die_with_parent(&mut command).arg(flag).stdin(std::process::Stdio::null()).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        first_version(&String::from_utf8_lossy(&text)).unwrap_or_default()
    };
    Some(Program { name, version })
}

/// Finds a program. File system tools are in directories that an ordinary user's `PATH` lacks.
fn find_program(file: &str) -> Option<PathBuf> {
    which::which(file).ok().or_else(|| which::which_in_global(file, Some("/usr/sbin:/sbin")).ok()?.next())
}

fn kernels() -> Vec<(PathBuf, bool)> {
    let entries = |directory: &str| {
        let paths = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        paths.collect::<Vec<_>>()
    };
    let in_boot = entries("/boot")
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz")));
    // Fedora and its kin keep a copy beside the modules.
    let beside_modules =
        entries("/lib/modules").into_iter().map(|path| path.join("vmlinuz")).filter(|path| path.exists());
    let mut found: Vec<_> = in_boot
        .chain(beside_modules)
        .map(|path| {
            let readable = File::open(&path).is_ok();
            (path, readable)
        })
        .collect();
    found.sort();
    found
}

/// Returns whether qemu-img can make a qcow2 file with zstd compression; its help does not say.
fn writes_zstd() -> bool {
    let Ok(directory) = tempfile::tempdir() else { return false };
    let file = directory.path().join("zstd.qcow2");
    let arguments = ["create", "-q", "-f", "qcow2", "-o", "compression_type=zstd"];
    capture(Command::new("qemu-img").args(arguments).arg(file).arg("1M")).is_ok()
}

/// Returns the first word of a text that looks like a version: `7.2.22`.
fn first_version(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|word| word.trim_matches('.'))
        .find(|word| word.contains('.'))
        .map(str::to_owned)
}

/// Returns whether a version is this one or a later one.
pub(super) fn at_least(version: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= wanted
}

fn user_name(passwd: &str, uid: u32) -> String {
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| uid.to_string())
}

/// Returns whether `/etc/subuid` has a range for a user that is large enough for a distribution's ids.
fn has_range(subids: &str, user: &str, uid: u32) -> bool {
    subids.lines().any(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next().unwrap_or_default();
        let count = fields.nth(1).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        (owner == user || owner == uid.to_string()) && count >= 65_536
    })
}

/// Returns the kernel's setting that forbids user namespaces to ordinary users, if any.
fn userns_forbidden(read: impl Fn(&Path) -> Option<String>) -> Option<String> {
    let rules = [
        ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
        ("/proc/sys/user/max_user_namespaces", "0"),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
    ];
    let (path, value) = rules
        .into_iter()
        .find(|(path, value)| read(Path::new(path)).is_some_and(|content| content.trim() == *value))?;
    let setting = path.trim_start_matches("/proc/sys/").replace('/', ".");
    Some(format!("{setting} is {value}"))
}

fn available_memory(meminfo: &str) -> Option<ByteSize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(ByteSize::bytes(kibibytes * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        for (text, version) in [
            ("qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", Some("7.2.22")),
            ("mke2fs 1.47.0 (5-Feb-2023)", Some("1.47.0")),
            ("mmdebstrap 1.3.5", Some("1.3.5")),
            ("sfdisk from util-linux 2.38.1", Some("2.38.1")),
            ("no version here. 7", None),
        ] {
            assert_eq!(first_version(text).as_deref(), version, "{text}");
        }
    }

    #[test]
    fn ranges_belong_to_a_name_or_a_number_and_are_large() {
        for (text, granted) in [
            ("ada:100000:65536\n", true),
            ("1000:100000:65536\n", true),
            ("bob:100000:65536\n", false),
            ("ada:100000:1000\n", false),
            ("ada\nada:x:y\n", false),
            ("", false),
        ] {
            assert_eq!(has_range(text, "ada", 1000), granted, "{text}");
        }
    }

    #[test]
    fn users_without_an_entry_are_called_by_their_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n";
        for (uid, name) in [(0, "root"), (1000, "ada"), (77, "77")] {
            assert_eq!(user_name(passwd, uid), name);
        }
    }

    #[test]
    fn settings_that_forbid_user_namespaces_are_named() {
        let with = |name: &'static str, value: &'static str| {
            userns_forbidden(move |path| path.ends_with(name).then(|| format!("{value}\n")))
        };
        assert_eq!(with("unprivileged_userns_clone", "1"), None);
        assert_eq!(with("max_user_namespaces", "0").as_deref(), Some("user.max_user_namespaces is 0"));
        let apparmor = with("apparmor_restrict_unprivileged_userns", "1");
        assert_eq!(apparmor.as_deref(), Some("kernel.apparmor_restrict_unprivileged_userns is 1"));
    }

    #[test]
    fn the_root_directory_of_a_chroot_is_no_mount_point() {
        let proc = "36 35 0:33 / /proc rw,relatime - proc proc rw\n";
        assert!(!root_is_mounted(proc));
        assert!(root_is_mounted(&format!("35 1 8:1 /srv / rw shared:1 - ext4 /dev/sda1 rw\n{proc}")));
        assert!(root_is_mounted(""));
    }

    #[test]
    fn memory_is_what_programs_may_still_take() {
        let text = "MemTotal:       24689764 kB\nMemFree:  1 kB\nMemAvailable:   2097152 kB\n";
        assert_eq!(available_memory(text), Some(ByteSize::mebibytes(2048)));
        assert_eq!(available_memory("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn this_host_can_be_looked_at() {
        let inputs = Inputs {
            kvm: KvmVerdict::Absent,
            libguestfs: Ok("1".to_owned()),
            cache_dir: "/nonexistent/goldsmith".into(),
        };
        let facts = HostFacts::gather(inputs);
        assert!(facts.cache_space.is_some() && facts.memory.is_some(), "{facts:?}");
        assert!(facts.program("unshare").is_some_and(|program| program.version.contains('.')), "{facts:?}");
    }
}
