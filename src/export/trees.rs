//! The outputs without a disk: the tree of files, the root file system alone, kernel and initial RAM disk.
//!
//! Their sources are the files that [`build`](crate::build) has left beside the final layer, so no guest runs.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use super::artifact::{Artifact, Finished, Part};
use super::disks::Opened;
use super::error::ExportError;
use crate::build::{FinalDisk, Range, boot_facts};
use crate::disk::uuid::Uuid;
use crate::event::{Event, Reporter};
use crate::fsx::IoContext as _;
use crate::image::digests::{Hasher, Kinds};
use crate::image::read::raw::Raw;
use crate::image::{Codec, Encoding, Extents, Output, Source, Written};
use crate::interrupt::Interrupt;
use crate::layer::Extra;
use crate::plan::Plan;
use crate::process::{self, ProcessError};
use crate::workdir::WorkDir;

/// The values that all outputs of a plan have in common.
pub(super) struct Trees<'a> {
    pub(super) plan: &'a Plan,
    pub(super) disk: &'a FinalDisk,
    pub(super) kinds: Kinds,
    pub(super) reporter: &'a Arc<dyn Reporter>,
    pub(super) interrupt: &'a Interrupt,
}

impl Trees<'_> {
    /// Makes one output.
    pub(super) fn write(&self, output: &Output, encoding: Encoding, part: Part) -> Result<Finished, ExportError> {
        match encoding {
            Encoding::Tar(codec) => self.copy(output, Encoding::Raw(codec), part, self.file(Extra::Tree, output)?),
            Encoding::Aki => self.copy(output, Encoding::Raw(None), part, self.file(Extra::Kernel, output)?),
            Encoding::Ari => self.copy(output, Encoding::Raw(None), part, self.file(Extra::Initrd, output)?),
            Encoding::Ami => {
                let root = self.root(output)?;
                self.copy(output, Encoding::Raw(None), part, root)
            }
            Encoding::Squashfs(codec) => {
                self.with_tool(output, part, "mksquashfs", |target| self.squashfs(codec, target))
            }
            Encoding::Erofs => self.with_tool(output, part, "mkfs.erofs", |target| self.erofs(target)),
            _ => Err(self.misfit(output, "it is a format of disks".to_owned())),
        }
    }

    fn misfit(&self, output: &Output, reason: String) -> ExportError {
        ExportError::Misfit { file: output.file_name(&self.plan.name), reason }
    }

    /// Opens a file that was extracted from the final disk.
    fn file(&self, extra: Extra, output: &Output) -> Result<Box<dyn Source>, ExportError> {
        let Some(path) = self.disk.layer.extra(extra) else {
            let what = match extra {
                Extra::Kernel => "the image has no kernel in /boot",
                Extra::Initrd => "the kernel of the image has no initial RAM disk in /boot",
                Extra::Tree => "its files are not in the cache any more; build again",
            };
            return Err(self.misfit(output, what.to_owned()));
        };
        Ok(Box::new(File::open(&path).and_then(Raw::new).at(&path)?))
    }

    /// Opens the partition with the root file system.
    fn root(&self, output: &Output) -> Result<Box<dyn Source>, ExportError> {
        let Some(range) = boot_facts(&self.disk.layer).and_then(|facts| facts.root) else {
            let reason = "the root file system is not directly on a partition; use `raw` for the whole disk";
            return Err(self.misfit(output, reason.to_owned()));
        };
        let disk = Opened::new(self.disk)?.into_source();
        match range.start.checked_add(range.size) {
            Some(end) if end <= disk.size() => Ok(Box::new(Window { disk, range })),
            _ => Err(self.misfit(output, "the partition of the root file system goes beyond the disk".to_owned())),
        }
    }

    /// Writes the bytes of a source, as they are or compressed as a whole.
    fn copy(
        &self,
        output: &Output,
        encoding: Encoding,
        part: Part,
        source: Box<dyn Source>,
    ) -> Result<Finished, ExportError> {
        let opened = Opened::of(source, self.disk)?;
        let finished =
            opened.write(self.plan, vec![(output, encoding, part)], self.kinds, None, self.reporter, self.interrupt)?;
        Ok(finished.into_iter().next().expect("one output gives one file"))
    }

    /// Runs a program of the host that writes the file.
    fn with_tool(
        &self,
        output: &Output,
        mut part: Part,
        tool: &'static str,
        make: impl FnOnce(&Path) -> Result<(), ExportError>,
    ) -> Result<Finished, ExportError> {
        let activity = format!("export {}", part.file);
        let started = Instant::now();
        self.reporter.report(&Event::ActivityStarted { activity: activity.clone() });
        make(part.new.path()).map_err(|error| match error {
            ExportError::Tool { source: ProcessError::Start { source, .. }, .. }
                if source.kind() == io::ErrorKind::NotFound =>
            {
                let package = if tool == "mksquashfs" { "squashfs-tools" } else { "erofs-utils" };
                ExportError::MissingTool { file: part.file.clone(), tool, package }
            }
            ExportError::Tool { source: ProcessError::Interrupted, .. } => ExportError::Interrupted,
            ExportError::Tool { source: ProcessError::Failed { status, tail, .. }, .. } => {
                // The program that makes the namespaces exits with the status of the program in them.
                let source = ProcessError::Failed { program: tool.to_owned(), status, tail };
                ExportError::Tool { file: part.file.clone(), source }
            }
            ExportError::Tool { source, .. } => ExportError::Tool { file: part.file.clone(), source },
            error => error,
        })?;
        part.new.reopen()?;
        let size = part.new.file().metadata().at(part.new.path())?.len();
        let digests = Hasher::of_file(part.new.file(), self.kinds).at(part.new.path())?;
        self.reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
        Ok(Finished { artifact: Artifact::new(&part.file, output, Written { size, digests }), part })
    }

    fn tree(&self) -> Result<PathBuf, ExportError> {
        let lost = || ExportError::Misfit {
            file: self.plan.name.clone(),
            reason: "its files are not in the cache any more; build again".to_owned(),
        };
        self.disk.layer.extra(Extra::Tree).ok_or_else(lost)
    }

    /// Returns the time of creation for file systems, in seconds since 1970: the same for the same disk.
    fn epoch(&self) -> String {
        let created = || self.disk.layer.meta.created.parse().map_or(0, |time: jiff::Timestamp| time.as_second());
        self.plan.epoch().map_or_else(|| created().to_string(), |epoch| epoch.to_string())
    }

    fn squashfs(&self, codec: Codec, target: &Path) -> Result<(), ExportError> {
        // Levels above 6 take zstd ten times as long, but save only a fifteenth of the size.
        let compression: &[&str] = match codec {
            Codec::Zstd => &["zstd", "-Xcompression-level", "6"],
            Codec::Gzip => &["gzip"],
            Codec::Xz => &["xz"],
        };
        let tree = self.tree()?;
        std::fs::remove_file(target).at(target)?;
        let mut command = tool("mksquashfs");
        // mksquashfs reads the archive only from its standard input. It takes nothing of the root directory from it:
        // mode and owner come from options, the time from the environment.
        command.arg("-").arg(target).args(["-tar", "-quiet", "-no-progress", "-noappend", "-comp"]).args(compression);
        command.args(["-root-mode", "755", "-root-uid", "0", "-root-gid", "0"]);
        command.env("SOURCE_DATE_EPOCH", self.epoch());
        let input = File::open(&tree).at(&tree)?;
        self.run(&mut command, Some(input))
    }

    /// Makes an EROFS file system. mkfs.erofs reads archives since version 1.7, but today's distributions have older ones, so the
    /// tree is unpacked first. Setting owners needs root's rights, at least in a user namespace.
    fn erofs(&self, target: &Path) -> Result<(), ExportError> {
        // A missing program is reported before the archive is unpacked.
        self.run(tool("mkfs.erofs").arg("--help"), None)?;
        let tree = self.tree()?;
        // <cache>/layers/<key>/tree.tar
        let cache = tree.ancestors().nth(3).unwrap_or(Path::new("/"));
        let work = WorkDir::create(&cache.join("tmp"), "erofs-")?;
        let mut command = tool("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(crate::workdir::USER_NAMESPACE);
        }
        let uuid = Uuid::derive(self.disk.layer.key.digest(), "erofs");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-eu", "-c", EROFS])
            .env("TREE", &tree)
            .env("WORK", work.path())
            .env("TARGET", target)
            .env("EPOCH", self.epoch())
            .env("UUID", uuid.to_string());
        self.run(&mut command, None)
    }

    fn run(&self, command: &mut Command, input: Option<File>) -> Result<(), ExportError> {
        let result = process::run_lines_from(command, input, self.interrupt, None, |line| {
            self.reporter.report(&Event::Detail { message: line.to_owned() });
        });
        result.map_err(|source| ExportError::Tool { file: self.plan.name.clone(), source })
    }
}

/// Script that makes an EROFS of an archive. All files get one time. To keep their own times, it would need a version that sets
/// the time of creation separately; otherwise the same files would not give the same bytes.
const EROFS: &str = r#"
umask 022
mkdir "$WORK/tree"
tar -x -f "$TREE" -C "$WORK/tree" --numeric-owner --same-permissions --xattrs '--xattrs-include=*'
exec mkfs.erofs -zlz4hc -T "$EPOCH" -U "$UUID" "$TARGET" "$WORK/tree"
"#;

/// Directories of programs. Users' `PATH` may lack those for administration.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns a command. `SOURCE_DATE_EPOCH` of the environment is removed.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("LC_ALL", "C").env("PATH", PATH).env_remove("SOURCE_DATE_EPOCH");
    command
}

/// A part of a disk.
struct Window {
    disk: Box<dyn Source>,
    range: Range,
}

impl Source for Window {
    fn size(&self) -> u64 {
        self.range.size
    }

    fn extents(&self) -> io::Result<Extents> {
        let Range { start, size } = self.range;
        let extents = self.disk.extents()?;
        Ok(extents.within(start..start + size).map(|part| part.start - start..part.end - start).collect())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(self.range.start + offset, buffer)
    }

    fn is_compressed(&self) -> bool {
        self.disk.is_compressed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_shows_its_part_of_the_disk() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(16 << 20).expect("a hole");
        std::os::unix::fs::FileExt::write_all_at(&file, b"before", 0).expect("written");
        std::os::unix::fs::FileExt::write_all_at(&file, b"within", (4 << 20) + 4096).expect("written");
        let disk = Box::new(Raw::new(file).expect("a disk"));
        let window = Window { disk, range: Range { start: 4 << 20, size: 1 << 20 } };
        let extents: Vec<_> = window.extents().expect("found").iter().cloned().collect();
        assert!(extents.iter().all(|extent| extent.end <= 1 << 20), "{extents:?}");
        assert!(extents.iter().any(|extent| extent.contains(&4096)), "{extents:?}");
        let mut bytes = [0; 6];
        window.read_at(4096, &mut bytes).expect("read");
        assert_eq!((&bytes, window.size()), (b"within", 1 << 20));
    }
}
