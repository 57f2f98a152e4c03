//! The options of `goldsmith inspect`, and the function that runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::header::{Header, format_name, header};
use super::render;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::image_session::ImageSession;
use crate::cli::options::{CacheOption, GuestOptions};
use crate::cli::output::print;
use crate::cli::progress::TerminalReporter;
use crate::cli::settings::Global;
use crate::event::Reporter;
use crate::image::partitions::Table;
use crate::image::probe::Kind;
use crate::inspect::{self, System};

/// `goldsmith inspect`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Inspect {
    /// The image file, of any format, or the directory with the artifacts of a build
    #[arg(value_name = "IMAGE|DIR")]
    pub(in crate::cli) image: PathBuf,
    /// Read only headers and the partition table, without a guest
    #[arg(long)]
    pub(in crate::cli) header: bool,
    /// The cache.
    #[command(flatten)]
    pub(in crate::cli) cache: CacheOption,
    /// The guest.
    #[command(flatten)]
    pub(in crate::cli) machine: GuestOptions,
}

/// Shows the format and the content of an image file.
pub(in crate::cli) fn run(args: &Inspect, global: &Global) -> Result<(), Failure> {
    let header = header(&args.image)?;
    let system = if args.header { None } else { Some(system(args, global)?) };
    if global.json {
        print(&format!("{}\n", record(&args.image, &header, system.as_ref())));
    } else {
        print(&render::text(&args.image, &header, system.as_ref()));
    }
    match header.probed.kind {
        Kind::Other(other) => {
            let message = format!("{} is {}, not a disk image", args.image.display(), other.what);
            let failure = Failure::of(FailureKind::Recipe, message);
            Err(other.help.into_iter().fold(failure, Failure::hint))
        }
        _ => Ok(()),
    }
}

/// Reads the content of the image in a guest, on a temporary overlay.
fn system(args: &Inspect, global: &Global) -> Result<System, Failure> {
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let found = gather(args, global, Arc::clone(&screen) as Arc<dyn Reporter>);
    screen.finish();
    found
}

fn gather(args: &Inspect, global: &Global, reporter: Arc<dyn Reporter>) -> Result<System, Failure> {
    let session = ImageSession::new(global, "inspect-", reporter)?;
    let local = session.prepare(&args.image, "disk");
    let local = local.map_err(|failure| failure.hint("`--header` shows only the headers of the file"))?;
    let overlay = session.overlay(&local, "overlay")?;
    let mut guest = session.launch(&session.host(args.machine.accel, args.machine.memory)?)?;
    session.active("look at the image", || {
        let system = guest.attach(&overlay).and_then(|()| inspect::system(&mut *guest));
        system.map_err(|error| hints::guest_error(&error))
    })
}

/// Returns all facts for programs. [`System`] documents `system`.
fn record(path: &Path, header: &Header, system: Option<&System>) -> Value {
    let Header { probed, verdicts, table } = header;
    let mut record = json!({
        "file": path,
        "format": format_name(probed.kind),
        "virtual-size": probed.virtual_size,
        "file-size": probed.file_size,
        "allocated": probed.allocated,
        "features": probed.features,
        "fault": probed.fault,
        "services": verdicts,
        "partition-table": table.as_ref().ok(),
        "firmware": table.as_ref().map(Table::firmware).unwrap_or_default(),
    });
    if let Err(reason) = table {
        record["fault"] = json!(probed.fault.as_ref().unwrap_or(reason));
    }
    if let Some(system) = system {
        record["system"] = json!(system);
    }
    record
}
