//! `goldsmith diff`.

mod json;
mod render;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use super::args::Diff;
use super::bench::Bench;
use super::failure::{Failure, FailureKind};
use super::progress::TerminalReporter;
use super::settings::Global;
use super::{hints, print};
use crate::diff::{self, Gathered, Ignored, Snapshot};
use crate::event::{Event, Reporter};
use crate::guest::Guest;
use crate::image::local::Local;

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

/// Snapshots of both images, through one guest.
fn snapshots(args: &Diff, global: &Global, reporter: Arc<dyn Reporter>) -> Result<[Snapshot; 2], Failure> {
    let bench = Bench::new(global, "diff-", reporter)?;
    let (before, after) = (bench.prepare(&args.before, "a")?, bench.prepare(&args.after, "b")?);
    let mut guest = bench.launch(&bench.host(args.machine.accel, args.machine.memory)?)?;
    let before = gather(&bench, &mut *guest, &args.before, &before, "a")?;
    std::thread::scope(|scope| {
        // The host hashes the first image while the guest reads the second.
        let first = scope.spawn(|| read(&bench, before, &args.before));
        let after = gather(&bench, &mut *guest, &args.after, &after, "b");
        if after.is_err() {
            bench.interrupt.raise();
        }
        let first = first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let after = after?;
        guest.shutdown().map_err(|error| hints::guest_error(&error))?;
        Ok([first?, read(&bench, after, &args.after)?])
    })
}

/// What the guest tells of an image. Nothing is written to it: there is a throw-away overlay.
fn gather(bench: &Bench, guest: &mut dyn Guest, image: &Path, local: &Local, name: &str) -> Result<Gathered, Failure> {
    bench.active(format!("read {}", image.display()), || {
        let overlay = bench.overlay(local, name)?;
        let target = bench.work.path().join(format!("{name}.tar"));
        diff::gather(guest, &overlay, local.size, &target).map_err(|error| hints::gather(&error, image))
    })
}

/// The list of the files of an image.
fn read(bench: &Bench, gathered: Gathered, image: &Path) -> Result<Snapshot, Failure> {
    let snapshot = gathered.read(&bench.interrupt).map_err(|error| hints::gather(&error, image))?;
    for note in &snapshot.notes {
        let message = format!("{}: {}", image.display(), crate::text::printable(note.as_bytes()));
        bench.reporter.report(&Event::Warning { message });
    }
    Ok(snapshot)
}
