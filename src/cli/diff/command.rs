//! The options of `goldsmith diff`, and the function that runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{json, render};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::image_session::ImageSession;
use crate::cli::options::{CacheOption, GuestOptions};
use crate::cli::output::{StandardOutput, print};
use crate::cli::progress::TerminalReporter;
use crate::cli::settings::Global;
use crate::diff::{self, Gathered, Ignored, Snapshot};
use crate::event::{Event, Reporter};
use crate::guest::Guest;
use crate::image::local::Local;

/// `goldsmith diff`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The first image, of any format: a file, or the directory with the artifacts of a build
    #[arg(value_name = "A")]
    pub(in crate::cli) before: PathBuf,
    /// The second image, named in the same way
    #[arg(value_name = "B")]
    pub(in crate::cli) after: PathBuf,
    /// Ignore matching paths and everything below them: `/var/log`, `**/*.pyc`; repeat the option for several
    #[arg(long, value_name = "GLOB")]
    pub(in crate::cli) ignore: Vec<String>,
    /// Show the changed lines of text files
    #[arg(long)]
    pub(in crate::cli) content: bool,
    /// Show all changes, not only the first twenty of a kind
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// The cache.
    #[command(flatten)]
    pub(in crate::cli) cache: CacheOption,
    /// The guest.
    #[command(flatten)]
    pub(in crate::cli) machine: GuestOptions,
}

/// Compares two images. Returns whether they are the same.
pub(in crate::cli) fn diff(args: &Diff, global: &Global) -> Result<bool, Failure> {
    let ignored = Ignored::new(&args.ignore).map_err(|message| Failure::of(FailureKind::Usage, message))?;
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let snapshots = snapshots(args, global, Arc::clone(&screen) as Arc<dyn Reporter>);
    screen.finish();
    let [before, after] = snapshots?;
    let difference = diff::compare(&before, &after, &ignored);
    let images = [(args.before.as_path(), &before), (args.after.as_path(), &after)];
    if global.json {
        json::write(&difference, images, args.content, StandardOutput)?;
    } else {
        print(&render::text(&difference, images, args.all));
        if args.content {
            print(&render::contents(&difference, images, args.all)?);
        }
    }
    Ok(difference.is_empty())
}

/// Takes snapshots of both images, with one guest.
fn snapshots(args: &Diff, global: &Global, reporter: Arc<dyn Reporter>) -> Result<[Snapshot; 2], Failure> {
    let session = ImageSession::new(global, "diff-", reporter)?;
    let (before, after) = (session.prepare(&args.before, "a")?, session.prepare(&args.after, "b")?);
    let mut guest = session.launch(&session.host(args.machine.accel, args.machine.memory)?)?;
    let before = gather(&session, &mut *guest, &args.before, &before, "a")?;
    std::thread::scope(|scope| {
        // The host hashes the first image while the guest reads the second.
        let first = scope.spawn(|| read(&session, before, &args.before));
        let after = gather(&session, &mut *guest, &args.after, &after, "b");
        if after.is_err() {
            session.interrupt.raise();
        }
        let first = first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let after = after?;
        guest.shutdown().map_err(|error| hints::guest_error(&error))?;
        Ok([first?, read(&session, after, &args.after)?])
    })
}

/// Reads an image in the guest. A temporary overlay keeps the image unchanged.
fn gather(
    session: &ImageSession,
    guest: &mut dyn Guest,
    image: &Path,
    local: &Local,
    name: &str,
) -> Result<Gathered, Failure> {
    session.active(format!("read {}", image.display()), || {
        let overlay = session.overlay(local, name)?;
        let target = session.work.path().join(format!("{name}.tar"));
        diff::gather(guest, &overlay, local.size, &target).map_err(|error| hints::gather(&error, image))
    })
}

/// Reads the list of the files of an image.
fn read(session: &ImageSession, gathered: Gathered, image: &Path) -> Result<Snapshot, Failure> {
    let snapshot = gathered.read(&session.interrupt).map_err(|error| hints::gather(&error, image))?;
    for note in &snapshot.notes {
        let message = format!("{}: {}", image.display(), crate::text::printable(note.as_bytes()));
        session.reporter.report(&Event::Warning { message });
    }
    Ok(snapshot)
}
