//! The headers of an image file: its format, its partition table, and whether Glance and Nova accept it.

use std::path::Path;

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::fsx::PathError;
use crate::image::accept::{self, Verdict};
use crate::image::partitions::{self, Table};
use crate::image::probe::{self, Kind, Probed};
use crate::image::read::{self, Options};

/// The facts in the headers of an image file.
pub(super) struct Header {
    pub(super) probed: Probed,
    pub(super) verdicts: [Verdict; 2],
    /// Partition table, or the reason why it cannot be read.
    pub(super) table: Result<Table, String>,
}

/// Reads some sectors of the file, without a guest.
pub(super) fn header(path: &Path) -> Result<Header, Failure> {
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

/// Returns the name of the format, or of the kind of file if it is no known format.
pub(super) fn format_name(kind: Kind) -> String {
    match kind {
        Kind::Disk(format) => format.name().to_owned(),
        Kind::Packed(codec) => codec.name().to_owned(),
        Kind::Other(other) => other.what.to_owned(),
        Kind::Unknown => "unknown".to_owned(),
    }
}
