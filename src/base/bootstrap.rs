//! Runs the tools of a bootstrap, which make the disk.
//!
//! Everything runs natively: `mmdebstrap`, `dnf`, `zypper`, `apk` or `pacman` unpacks the packages into a directory, `mke2fs`
//! writes the directory into a file system, and `qemu-img` writes that to the layer. The work has its own namespaces, and a private
//! tmpfs if memory allows. So its mounts on the host end with this process. An unprivileged user also gets a user namespace.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::failure::{self, BootstrapError};
use super::tool::{self, missing_tools};
use super::{BootstrapRequest, Package};
use crate::disk::DiskLayout;
use crate::disk::layout::Content;
use crate::event::{Event, Reporter};
use crate::fsx::{self, IoContext as _};
use crate::guest::{Emulator, Mount};
use crate::interrupt::Interrupt;
use crate::process::{self, ProcessError, available_memory};
use crate::units::ByteSize;
use crate::workdir::{USER_NAMESPACE, WorkDir};

/// A script that runs a program as root in a user namespace with all ids of this one. A rule for `binfmt_misc` that is made there
/// is not seen outside. `newuidmap` has no ids for root, so a second process maps the ids.
const IN_USER_NAMESPACE: &str = include_str!("user_namespace.sh");

/// Least free memory for work in memory, in bytes: a common tree of 550 MB is there twice, beside its packages, and the guest and
/// the page cache need memory too.
const MIN_MEMORY: u64 = 3 << 30;

/// The disk of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrapped {
    /// The file systems.
    pub mounts: Vec<Mount>,
    /// Installed packages, sorted by name.
    pub packages: Vec<Package>,
}

/// The place of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A tmpfs with this size in bytes.
    Memory(u64),
    /// A directory below the cache directory.
    Disk,
}

/// Makes a disk from packages.
pub fn build(
    request: &BootstrapRequest<'_>,
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
) -> Result<Bootstrapped, BootstrapError> {
    request.check()?;
    let missing = missing_tools(request.how.tool).into_iter().chain(tool::missing_for(&request.disk.partitions));
    if let Some((tool, package)) = missing.into_iter().next() {
        return Err(BootstrapError::MissingTool { tool, package });
    }
    let keyring = &request.how.keyring;
    if request.keyring.is_none() && !Path::new(&keyring.file).exists() {
        return Err(BootstrapError::MissingKeyring(keyring.clone()));
    }
    let layout = DiskLayout::new(request.disk, request.arch, &request.seed)?;
    // A rule of the host serves every namespace.
    let emulator = Emulator::of(request.arch)?.filter(|emulator| !emulator.is_registered());
    let emulator = emulator.as_ref();
    let memory = available_memory().filter(|bytes| *bytes >= MIN_MEMORY).map(|bytes| Place::Memory(bytes / 5 * 4));
    let packages = match memory.map(|place| run(request, &layout, emulator, place, reporter, interrupt)) {
        Some(Err(BootstrapError::NoSpace { needed, available, path })) if path == Path::new("memory") => {
            let message = format!("the packages need {needed} of memory, {available} are free: working on the disk");
            reporter.report(&Event::Detail { message });
            run(request, &layout, emulator, Place::Disk, reporter, interrupt)?
        }
        Some(result) => result?,
        None => run(request, &layout, emulator, Place::Disk, reporter, interrupt)?,
    };
    Ok(Bootstrapped { mounts: layout.mounts(), packages })
}

fn run(
    request: &BootstrapRequest<'_>,
    layout: &DiskLayout,
    emulator: Option<&Emulator>,
    place: Place,
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
) -> Result<Vec<Package>, BootstrapError> {
    let work = WorkDir::create(&request.cache_dir.join("tmp"), "bootstrap-")?;
    write_inputs(work.path(), request, layout)?;
    let mut command = command(work.path(), request, layout, emulator, place);
    let stop = Interrupt::new();
    let raise = stop.clone();
    interrupt.on_raise(move || raise.raise());
    let mut activities = Activities::start(reporter, "install packages");
    let mut installed = 0;
    let mut shortage = None;
    let result = process::run_lines(&mut command, &stop, None, |line| {
        if let Some(activity) = line.strip_prefix("goldsmith: ") {
            activities.next(activity);
            return;
        }
        reporter.report(&Event::Output { line: line.to_owned() });
        if let Some(bytes) = failure::announced_size(line) {
            installed += bytes;
            if shortage.is_none() {
                shortage = find_shortage(request, place, installed);
            }
            if shortage.is_some() {
                stop.raise();
            }
        }
    });
    match result {
        Ok(()) => {}
        Err(ProcessError::Interrupted) => return Err(shortage.take().unwrap_or(BootstrapError::Interrupted)),
        Err(error) => return Err(explain(error, work.path(), request, layout, place)),
    }
    activities.finish();
    let path = work.path().join("packages");
    Ok(parse_packages(&std::fs::read_to_string(&path).at(&path)?))
}

/// Finds the cause of a failure, from more than the output of the script.
fn explain(
    error: ProcessError,
    work: &Path,
    request: &BootstrapRequest<'_>,
    layout: &DiskLayout,
    place: Place,
) -> BootstrapError {
    if work.join("moved").exists() {
        return BootstrapError::RepositoryMoved;
    }
    if let Ok(reason) = std::fs::read_to_string(work.join("no-emulation")) {
        return BootstrapError::Unregistered {
            arch: request.arch,
            reason: crate::text::printable(reason.trim().as_bytes()),
        };
    }
    if let Ok(said) = std::fs::read_to_string(work.join("too-small"))
        && let Some((kibibytes, mount)) = said.trim().split_once(' ')
        && let Ok(kibibytes) = kibibytes.parse::<u64>()
    {
        let partition = layout.file_systems().find(|(_, files)| files.mount == mount);
        let size = ByteSize::bytes(partition.map_or(0, |(partition, _)| partition.size));
        return BootstrapError::DiskTooSmall {
            mount: mount.to_owned(),
            needed: ByteSize::bytes(kibibytes * 1024),
            size,
        };
    }
    let ProcessError::Failed { status, tail, .. } = error else { return BootstrapError::Failed(error) };
    if BootstrapError::is_full(&tail) {
        let (path, available) = match place {
            Place::Memory(bytes) => (PathBuf::from("memory"), bytes),
            Place::Disk => (request.cache_dir.to_owned(), fsx::available_bytes(request.cache_dir).unwrap_or(0)),
        };
        let needed = ByteSize::bytes(available.saturating_add(1 << 30));
        return BootstrapError::NoSpace { path, needed, available: ByteSize::bytes(available) };
    }
    BootstrapError::from_output(&tail, &request.how.keyring).unwrap_or_else(|| {
        // The program that makes the namespaces passes on the exit status of the work.
        let program = format!("{}, or what follows it,", request.how.tool.name());
        BootstrapError::Failed(ProcessError::Failed { program, status, tail })
    })
}

/// Compares the size that the package manager announces with the free space.
fn find_shortage(request: &BootstrapRequest<'_>, place: Place, installed: u64) -> Option<BootstrapError> {
    let target = request.target.parent().unwrap_or(Path::new("."));
    // Bytes for the tree, the file system with it, and the packages.
    let work = installed.saturating_mul(5) / 2;
    let (path, needed, available) = match place {
        Place::Memory(bytes) if work > bytes => (Path::new("memory"), work, bytes),
        Place::Memory(_) => (target, installed, fsx::available_bytes(target).ok()?),
        Place::Disk => (request.cache_dir, work + installed, fsx::available_bytes(request.cache_dir).ok()?),
    };
    (needed > available).then(|| BootstrapError::NoSpace {
        path: path.to_owned(),
        needed: ByteSize::bytes(needed),
        available: ByteSize::bytes(available),
    })
}

fn write_inputs(work: &Path, request: &BootstrapRequest<'_>, layout: &DiskLayout) -> Result<(), BootstrapError> {
    let mnt = work.join("mnt");
    std::fs::create_dir(&mnt).at(&mnt)?;
    // The user's subordinate identities work below.
    for directory in [work, &mnt] {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).at(directory)?;
    }
    let mut digests: Vec<_> = request.repositories.iter().map(|pin| pin.sha256.to_string()).collect();
    digests.sort();
    let keyring = match request.keyring {
        Some(given) => copy_keyring(given, work)?,
        None => request.how.keyring.file.clone(),
    };
    let mut files = tool::files(request, &keyring)?;
    files.extend([
        ("pins", digests.join("\n") + "\n"),
        ("fstab", layout.fstab()),
        ("file-systems", file_systems(layout)),
        ("disk.sfdisk", layout.sfdisk_script()),
    ]);
    for (name, content) in files {
        let path = work.join(name);
        std::fs::write(&path, content).at(&path)?;
    }
    Ok(())
}

/// Lists the file systems and swap spaces for the script, directories before those that they lie in.
fn file_systems(layout: &DiskLayout) -> String {
    let mut lines = Vec::new();
    for partition in &layout.partitions {
        let (kind, label, mount) = match &partition.content {
            Content::FileSystem(files) => (files.kind.name(), files.label(), files.mount.as_str()),
            Content::Swap => ("swap", "swap", ""),
            Content::BiosBoot | Content::Efi => continue,
        };
        let (kibibytes, uuid, seed) = (partition.size / 1024, partition.content_uuid, partition.hash_seed);
        lines.push((mount, format!("{kind} {} {kibibytes} {uuid} {seed} {label} {mount}\n", partition.start)));
    }
    lines.sort_by(|(one, _), (other, _)| other.cmp(one));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Copies a keyring to where the tools may read it, and returns its path.
fn copy_keyring(given: &Path, work: &Path) -> Result<String, BootstrapError> {
    let keys = std::fs::read(given).at(given)?;
    // apt recognises an armored keyring by the ending of its name.
    let name = if keys.starts_with(b"-----BEGIN") { "keyring.asc" } else { "keyring.gpg" };
    let path = work.join(name);
    std::fs::write(&path, keys).at(&path)?;
    Ok(path.to_string_lossy().into_owned())
}

fn command(
    work: &Path,
    request: &BootstrapRequest<'_>,
    layout: &DiskLayout,
    emulator: Option<&Emulator>,
    place: Place,
) -> Command {
    let arch = tool::arch_name(request.how.tool, request.arch);
    let script = tool::script(request.how.tool);
    let packages = format!("{}-{}-{arch}", request.distro, request.release);
    let memory = match place {
        Place::Memory(bytes) => bytes,
        Place::Disk => 0,
    };
    let efi = layout.efi();
    let is_root = rustix::process::geteuid().is_root();
    let mut words = Vec::new();
    if is_root && emulator.is_some() {
        words.extend(["sh", "-eu", "-c", IN_USER_NAMESPACE, "sh"]);
    }
    words.push("unshare");
    if !is_root {
        words.extend(USER_NAMESPACE);
    }
    words.extend(["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]);
    words.extend(["sh", "-eu", "-c", script.as_str()]);
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .env("WORK", work)
        .env("MEMORY", memory.to_string())
        .env("CACHE", request.cache_dir.join("packages").join(packages))
        .env("EMULATION", emulator.map_or(String::new(), |emulator| emulator.rule(&emulator.program.to_string_lossy())))
        .env("RELEASE", request.release)
        .env("ARCH", arch)
        .env("PACKAGES", request.packages.join(","))
        .env("EPOCH", request.epoch().to_string())
        .env("DISK_SIZE", layout.size.to_string())
        .env("ROOT_UUID", layout.root().map_or(String::new(), |root| root.content_uuid.to_string()))
        .env("EFI_SECTOR", efi.map_or(String::new(), |efi| (efi.start / 512).to_string()))
        .env("EFI_KIB", efi.map_or(0, |efi| efi.size / 1024).to_string())
        .env("EFI_ID", format!("{:08x}", layout.efi_volume_id))
        .env("TARGET", request.target);
    command
}

/// A reporter of one activity after the other.
struct Activities<'a> {
    reporter: &'a dyn Reporter,
    current: String,
    started: Instant,
}

impl<'a> Activities<'a> {
    fn start(reporter: &'a dyn Reporter, activity: &str) -> Self {
        reporter.report(&Event::ActivityStarted { activity: activity.to_owned() });
        Self { reporter, current: activity.to_owned(), started: Instant::now() }
    }

    fn next(&mut self, activity: &str) {
        let elapsed: Duration = self.started.elapsed();
        self.reporter.report(&Event::ActivityFinished { activity: self.current.clone(), elapsed });
        *self = Self::start(self.reporter, activity);
    }

    fn finish(self) {
        let elapsed = self.started.elapsed();
        self.reporter.report(&Event::ActivityFinished { activity: self.current, elapsed });
    }
}

fn parse_packages(text: &str) -> Vec<Package> {
    let mut packages: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let [status, name, version, arch] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
            (status == "installed").then(|| Package {
                name: name.to_owned(),
                version: version.to_owned(),
                arch: arch.to_owned(),
            })
        })
        .collect();
    packages.sort();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_are_listed() {
        let text = "installed zlib1g 1:1.2 amd64\nconfig-files old 1 amd64\ninstalled apt 2.6 amd64\n";
        let names: Vec<_> = parse_packages(text).into_iter().map(|package| package.name).collect();
        assert_eq!(names, ["apt", "zlib1g"]);
    }
}
