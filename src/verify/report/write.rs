//! Writes the report in all its forms.

use std::path::Path;

use serde::Serialize;

use super::super::{Report, Tally};
use super::build_info::BuildInfo;
use super::names::{HTML, JSON, JUNIT};
use super::{html, junit};
use crate::fsx::{IoContext as _, PathError, write_atomic};

/// Version of the form of [`JSON`].
const FORMAT: u32 = 1;

/// A report as programs read it.
#[derive(Serialize)]
struct Record<'a> {
    format: u32,
    passed: bool,
    tally: Tally,
    #[serde(flatten)]
    report: &'a Report,
}

/// The report as a JSON object on one line, with its verdict: `passed`, and the numbers of findings as `tally`.
pub fn json(report: &Report) -> String {
    let record = Record { format: FORMAT, passed: report.passed(), tally: Tally::of(&report.findings), report };
    serde_json::to_string(&record).expect("every key of a report is a string")
}

/// Writes all forms of a report into a directory, which is made if it is not there. Each file appears whole.
///
/// # Errors
///
/// What keeps a file from being written.
pub fn write(dir: &Path, report: &Report, build: Option<&BuildInfo>) -> Result<(), PathError> {
    std::fs::create_dir_all(dir).at(dir)?;
    write_atomic(&dir.join(JSON), format!("{}\n", json(report)).as_bytes())?;
    write_atomic(&dir.join(JUNIT), junit::xml(report).as_bytes())?;
    write_atomic(&dir.join(HTML), html::page(report, build).as_bytes())
}
