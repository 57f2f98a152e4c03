//! Makes a disk of a root tree.
//!
//! The tree is written as one plain archive, which tar unpacks into an empty directory in namespaces of its own. The rest is as for
//! a bootstrap. No program of the tree runs on the host: whoever made the tree is not trusted.

use std::path::Path;

use super::failure::BootstrapError;
use super::job::{self, Activities, Job, MIN_MEMORY, Place};
use super::tool;
use crate::digest::Sha256;
use crate::disk::DiskLayout;
use crate::event::{Event, Reporter};
use crate::fsx;
use crate::interrupt::Interrupt;
use crate::plan::DiskPlan;
use crate::process::{self, ProcessError, available_memory};
use crate::recipe::Arch;
use crate::tree::{Source, TreeError};
use crate::units::ByteSize;
use crate::workdir::WorkDir;

/// A request for a disk.
#[derive(Debug, Clone, Copy)]
pub struct TreeRequest<'a> {
    /// The source of the tree.
    pub source: &'a Source,
    /// The digest that a directory must have. Archives never change in the cache.
    pub digest: Sha256,
    /// Architecture of the programs.
    pub arch: Arch,
    /// Whether the kernel's package reads the arguments of the kernel from `/etc/kernel/cmdline`. Without this file it would take those
    /// of the guest that installs it.
    pub kernel_arguments: bool,
    /// The disk.
    pub disk: &'a DiskPlan,
    /// The seed of all identifiers on the disk.
    pub seed: Sha256,
    /// The qcow2 file to make. A failure may leave a part of it.
    pub target: &'a Path,
    /// Directory for temporary files, shared by all builds.
    pub cache_dir: &'a Path,
}

/// Makes a disk of a tree.
///
/// # Errors
///
/// If the tree cannot be read or has changed, if it does not fit, or if a program fails.
pub fn unpack(request: &TreeRequest<'_>, reporter: &dyn Reporter, interrupt: &Interrupt) -> Result<(), BootstrapError> {
    let missing = tool::missing_for_trees().into_iter().chain(tool::missing_for(&request.disk.partitions)).next();
    if let Some((tool, package)) = missing {
        return Err(BootstrapError::MissingTool { tool, package });
    }
    let mut activities = Activities::start(reporter, "read the tree");
    let layout = DiskLayout::new(request.disk, request.arch, &request.seed)?;
    let limit = request.disk.size;
    let mut tree = request.source.read(limit, interrupt)?;
    if let Source::Directory { path, .. } = request.source
        && tree.digest() != request.digest
    {
        return Err(TreeError::Changed(path.clone()).into());
    }
    let facts = tree.facts(request.source)?;
    let no_system = |reason| TreeError::NoSystem { origin: request.source.origin().to_owned(), reason };
    // Their content moves to file systems of their own.
    for (_, files) in layout.file_systems() {
        for point in files.mounts() {
            tree.mount_at(point.mount).map_err(no_system)?;
        }
    }
    if request.kernel_arguments {
        let text = format!("{}\n", layout.root_arguments());
        let wrong = |reason| no_system(format!("its /etc/kernel/cmdline {reason}"));
        tree.write_file("etc/kernel/cmdline", &text).map_err(wrong)?;
    }
    for (path, text) in layout.unlocking() {
        tree.write_file(&path, &text).map_err(|reason| no_system(format!("its /{path} {reason}")))?;
    }
    let place = place(request, &layout, facts.bytes)?;
    let work = WorkDir::create(&request.cache_dir.join("tmp"), "tree-")?;
    job::prepare(work.path(), &layout)?;
    tree.write(request.source, limit, &work.path().join("tree.tar"), interrupt)?;
    drop(tree);
    activities.next("unpack the tree");
    let job = Job {
        script: tool::script_for_trees(),
        layout: &layout,
        arch: request.arch,
        emulator: None,
        epoch: facts.latest,
        target: request.target,
        cache_dir: request.cache_dir,
        own: vec![("CACHE", work.path().join("none").into())],
    };
    let result = process::run_lines(&mut job.command(work.path(), place), interrupt, None, |line| {
        match line.strip_prefix("goldsmith: ") {
            Some(activity) => activities.next(activity),
            None => reporter.report(&Event::Output { line: line.to_owned() }),
        }
    });
    match result {
        Ok(()) => {}
        Err(ProcessError::Interrupted) => return Err(BootstrapError::Interrupted),
        Err(error) => return Err(job.explain(error, work.path(), place).unwrap_or_else(failed)),
    }
    activities.finish();
    Ok(())
}

fn failed(error: ProcessError) -> BootstrapError {
    match error {
        ProcessError::Failed { status, tail, .. } => BootstrapError::unprivileged(&tail).unwrap_or_else(|| {
            let program = "tar, or what follows it,".to_owned();
            BootstrapError::Failed(ProcessError::Failed { program, status, tail })
        }),
        error => BootstrapError::Failed(error),
    }
}

/// Returns where the work is done: in memory if the tree and the file system with it have room there.
fn place(request: &TreeRequest<'_>, layout: &DiskLayout, bytes: u64) -> Result<Place, BootstrapError> {
    let room: u64 = layout.file_systems().map(|(area, _)| area.size).sum();
    if bytes > room {
        // The share of the file system is that of bootstrap.sh.
        let needed = ByteSize::bytes(bytes + bytes / 8 + 128 * ByteSize::MIB);
        return Err(BootstrapError::DiskTooSmall { mount: "/".to_owned(), needed, size: ByteSize::bytes(room) });
    }
    let work = bytes.saturating_mul(5) / 2;
    let memory = available_memory().filter(|free| *free >= MIN_MEMORY).map(|free| free / 5 * 4);
    let (place, needed) = match memory.filter(|memory| *memory > work) {
        Some(memory) => (Place::Memory(memory), bytes),
        None => (Place::Disk, bytes + work),
    };
    let available = fsx::available_bytes(request.cache_dir)?;
    if needed > available {
        let (needed, available) = (ByteSize::bytes(needed), ByteSize::bytes(available));
        return Err(BootstrapError::NoSpace { path: request.cache_dir.to_owned(), needed, available });
    }
    Ok(place)
}
