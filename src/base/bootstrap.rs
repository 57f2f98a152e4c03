//! Runs the tools of a bootstrap, which make the disk.
//!
//! Everything runs natively: `mmdebstrap`, `dnf`, `zypper`, `apk` or `pacman` unpacks the packages into a directory, `mke2fs`
//! writes the directory into a file system, and `qemu-img` writes that to the layer. The work has its own namespaces, and a private
//! tmpfs if memory allows. So its mounts on the host end with this process. An unprivileged user also gets a user namespace.

use std::path::Path;

use super::downloads::Downloads;
use super::failure::{self, BootstrapError};
use super::job::{self, Activities, Job, MIN_MEMORY, Place};
use super::tool::{self, missing_tools};
use super::{BootstrapRequest, Package, index};
use crate::disk::DiskLayout;
use crate::event::{Event, Reporter};
use crate::fsx::{self, IoContext as _};
use crate::guest::{Emulator, Mount};
use crate::interrupt::Interrupt;
use crate::process::{self, ProcessError, available_memory};
use crate::units::ByteSize;
use crate::workdir::WorkDir;

/// The disk of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrapped {
    /// The file systems.
    pub mounts: Vec<Mount>,
    /// Installed packages, sorted by name.
    pub packages: Vec<Package>,
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
    let job = work_of(request, layout, emulator);
    let mut command = job.command(work.path(), place);
    let stop = Interrupt::new();
    let raise = stop.clone();
    interrupt.on_raise(move || raise.raise());
    let mut activities = Activities::start(reporter, "install packages");
    let mut downloads = Downloads::new(reporter);
    let mut installed = 0;
    let mut shortage = None;
    let result = process::run_lines(&mut command, &stop, None, |line| {
        if let Some(activity) = line.strip_prefix("goldsmith: ") {
            downloads.finish();
            activities.next(activity);
            return;
        }
        if downloads.line(line) {
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
    downloads.finish();
    match result {
        Ok(()) => {}
        Err(ProcessError::Interrupted) => return Err(shortage.take().unwrap_or(BootstrapError::Interrupted)),
        Err(error) => return Err(explain(error, work.path(), request, &job, place)),
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
    job: &Job<'_>,
    place: Place,
) -> BootstrapError {
    if work.join("moved").exists() {
        return BootstrapError::RepositoryMoved;
    }
    let error = match job.explain(error, work, place) {
        Ok(known) => return known,
        Err(error) => error,
    };
    let ProcessError::Failed { status, mut tail, .. } = error else { return BootstrapError::Failed(error) };
    tail.retain(|line| !Downloads::is_count(line));
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
    job::prepare(work, layout)?;
    for (path, text) in layout.unlocking() {
        let path = work.join("added").join(path);
        let directory = path.parent().unwrap_or(work);
        std::fs::create_dir_all(directory).at(directory)?;
        std::fs::write(&path, text).at(&path)?;
    }
    let keyring = match request.keyring {
        Some(given) => copy_keyring(given, work)?,
        None => request.how.keyring.file.clone(),
    };
    let client = work.join("client.pem");
    if let Some(pem) = request.client_certificate {
        fsx::write_private(&client, pem)?;
    }
    let mut files = tool::files(request, &keyring, request.client_certificate.map(|_| client.as_path()))?;
    files.push(("pins", index::digests(request.repositories)));
    for (name, content) in files {
        let path = work.join(name);
        std::fs::write(&path, content).at(&path)?;
    }
    Ok(())
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

/// Returns what the script is told besides the disk.
fn work_of<'a>(request: &BootstrapRequest<'a>, layout: &'a DiskLayout, emulator: Option<&'a Emulator>) -> Job<'a> {
    let arch = tool::arch_name(request.how.tool, request.arch);
    let packages = index::directory_name(request.distro, request.release, (request.how.tool, request.arch));
    Job {
        script: tool::script(request.how.tool),
        layout,
        arch: request.arch,
        emulator,
        epoch: request.epoch(),
        target: request.target,
        cache_dir: request.cache_dir,
        own: vec![
            ("CACHE", index::directory(request.cache_dir, &packages).into()),
            ("RELEASE", request.release.into()),
            ("ARCH", arch.into()),
            ("PACKAGES", request.packages.join(",").into()),
        ],
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
