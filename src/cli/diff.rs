//! `goldsmith diff`.

mod json;
mod render;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::args::Diff;
use super::failure::{Failure, FailureKind};
use super::guest::Launcher;
use super::progress::TerminalReporter;
use super::settings::Global;
use super::{hints, print, signals};
use crate::base::workdir::WorkDir;
use crate::diff::{self, Gathered, Ignored, Snapshot};
use crate::disk::qemu_img::QemuImg;
use crate::event::{Event, Reporter};
use crate::guest::Guest;
use crate::image::local::{self, Local};
use crate::interrupt::Interrupt;

/// Compares two images. Returns whether they are the same.
pub(super) fn diff(args: &Diff, global: &Global) -> Result<bool, Failure> {
    let ignored = Ignored::new(&args.ignore).map_err(|message| Failure::of(FailureKind::Usage, message))?;
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let snapshots = snapshots(args, global, Arc::clone(&screen) as Arc<dyn Reporter>);
    screen.finish();
    let [before, after] = snapshots?;
    let difference = diff::compare(&before, &after, &ignored);
    let images = [(args.before.as_path(), &before), (args.after.as_path(), &after)];
    if global.json {
        json::write(&difference, images, args.content, std::io::stdout().lock())?;
    } else {
        print(&render::text(&difference, images, args.all));
        if args.content {
            print(&render::contents(&difference, images, args.all)?);
        }
    }
    Ok(difference.is_empty())
}

/// Where the two images are read.
struct Bench {
    work: WorkDir,
    reporter: Arc<dyn Reporter>,
    interrupt: Interrupt,
}

/// Snapshots of both images, through one guest.
fn snapshots(args: &Diff, global: &Global, reporter: Arc<dyn Reporter>) -> Result<[Snapshot; 2], Failure> {
    let interrupt = Interrupt::new();
    signals::watch(interrupt.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let private = WorkDir::create(&std::env::temp_dir(), "goldsmith-").map_err(|error| {
        Failure::new(FailureKind::Host, &error).hint("TMPDIR names a directory for temporary files")
    })?;
    // The archives are as large as what is in the images, and may not fit where small files are.
    let work = WorkDir::create(&global.cache.join("tmp"), "diff-").map_err(|error| hints::file(&error))?;
    let bench = Bench { work, reporter, interrupt };
    let (before, after) = (bench.prepare(&args.before, "a")?, bench.prepare(&args.after, "b")?);
    let mut guest = bench.active("start the guest".to_owned(), || {
        let launcher = Launcher::new(&args.machine);
        let launched = launcher.launch(false, &global.cache, private.path(), &bench.reporter, &bench.interrupt);
        launched.map_err(|error| hints::guest_error(&error))
    })?;
    let before = bench.gather(&mut *guest, &args.before, &before, "a")?;
    std::thread::scope(|scope| {
        // The host hashes the first image while the guest reads the second.
        let first = scope.spawn(|| bench.read(before, &args.before));
        let after = bench.gather(&mut *guest, &args.after, &after, "b");
        if after.is_err() {
            bench.interrupt.raise();
        }
        let first = first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let after = after?;
        guest.shutdown().map_err(|error| hints::guest_error(&error))?;
        Ok([first?, bench.read(after, &args.after)?])
    })
}

impl Bench {
    /// An image as the guest can read it.
    fn prepare(&self, image: &Path, name: &str) -> Result<Local, Failure> {
        let copy = self.work.path().join(format!("{name}.raw"));
        local::prepare(image, &copy, &self.interrupt).map_err(|error| hints::local(&error))
    }

    /// What the guest tells of an image. Nothing is written to it: there is a throw-away overlay.
    fn gather(&self, guest: &mut dyn Guest, image: &Path, local: &Local, name: &str) -> Result<Gathered, Failure> {
        self.active(format!("read {}", image.display()), || {
            let overlay = self.work.path().join(format!("{name}.qcow2"));
            QemuImg::default()
                .create_overlay(&overlay, &local.path, local.format, local.size)
                .map_err(|error| Failure::new(FailureKind::Host, &error))?;
            let target = self.work.path().join(format!("{name}.tar"));
            let gathered = diff::gather(guest, &overlay, local.size, &target);
            gathered.map_err(|error| hints::gather(&error, image))
        })
    }

    /// The list of the files of an image.
    fn read(&self, gathered: Gathered, image: &Path) -> Result<Snapshot, Failure> {
        let snapshot = gathered.read(&self.interrupt).map_err(|error| hints::gather(&error, image))?;
        for note in &snapshot.notes {
            let message = format!("{}: {}", image.display(), crate::text::printable(note.as_bytes()));
            self.reporter.report(&Event::Warning { message });
        }
        Ok(snapshot)
    }

    fn active<T>(&self, activity: String, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let started = Instant::now();
        self.reporter.report(&Event::ActivityStarted { activity: activity.clone() });
        let result = work()?;
        self.reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
        Ok(result)
    }
}
