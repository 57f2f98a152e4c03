//! `goldsmith inspect`.

mod render;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::Inspect;
use super::bench::Bench;
use super::failure::{Failure, FailureKind};
use super::progress::TerminalReporter;
use super::settings::Global;
use super::{hints, print};
use crate::event::Reporter;
use crate::fsx::PathError;
use crate::image::accept::{self, Verdict};
use crate::image::partitions::{self, Table};
use crate::image::probe::{self, Kind, Probed};
use crate::image::read::{self, Options};
use crate::inspect::{self, System};

/// What the headers of an image file say.
struct Header {
    probed: Probed,
    verdicts: [Verdict; 2],
    /// The partition table, or why it cannot be read.
    table: Result<Table, String>,
}

/// Tells what an image file is and what is in it.
pub(super) fn run(args: &Inspect, global: &Global) -> Result<(), Failure> {
    let header = header(&args.image)?;
    let system = if args.header { None } else { Some(system(args, global)?) };
    if global.json {
        print(&format!("{}\n", record(&args.image, &header, system.as_ref())));
    } else {
        print(&render::text(&args.image, &header, system.as_ref()));
    }
    Ok(())
}

/// Reads some sectors of the file; no guest is launched.
fn header(path: &Path) -> Result<Header, Failure> {
    let failed = |error: PathError| match error.source.kind() {
        std::io::ErrorKind::NotFound => Failure::new(FailureKind::Usage, &error),
        _ => hints::file(&error),
    };
    let probed = probe::probe(path).map_err(failed)?;
    let verdicts = accept::accept(path).map_err(failed)?;
    let table = match read::open(path, &Options::default()) {
        Ok(opened) => partitions::read(&*opened.source).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    Ok(Header { probed, verdicts, table })
}

/// What is in the image, found out by a guest on an overlay that is thrown away.
fn system(args: &Inspect, global: &Global) -> Result<System, Failure> {
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let found = gather(args, global, Arc::clone(&screen) as Arc<dyn Reporter>);
    screen.finish();
    found
}

fn gather(args: &Inspect, global: &Global, reporter: Arc<dyn Reporter>) -> Result<System, Failure> {
    let bench = Bench::new(global, "inspect-", reporter)?;
    let local = bench.prepare(&args.image, "disk");
    let local = local.map_err(|failure| failure.hint("`--header` tells what the file itself says"))?;
    let overlay = bench.overlay(&local, "overlay")?;
    let mut guest = bench.launch(&bench.host(args.machine.accel, args.machine.memory)?)?;
    bench.active("look at the image", || {
        let system = guest.attach(&overlay).and_then(|()| inspect::system(&mut *guest));
        system.map_err(|error| hints::guest_error(&error))
    })
}

/// Everything, for programs. `system` is as [`System`] documents it.
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

/// Name of a format, or what the file is in its place.
fn format_name(kind: Kind) -> String {
    match kind {
        Kind::Disk(format) => format.name().to_owned(),
        Kind::Packed(codec) => codec.name().to_owned(),
        Kind::Other(other) => other.what.to_owned(),
        Kind::Unknown => "unknown".to_owned(),
    }
}
