//! Writes the report in all formats.

use std::path::Path;

use serde::Serialize;

use super::super::{Report, Tally};
use super::build_info::{BuildInfo, Layers};
use super::names::{HTML, JSON, JUNIT};
use super::{html, junit};
use crate::fsx::{IoContext as _, PathError, write_atomic};

/// Version of the structure of [`JSON`].
const FORMAT: u32 = 1;

/// A report for programs.
#[derive(Serialize)]
struct Record<'a> {
    format: u32,
    passed: bool,
    tally: Tally,
    /// Where the layers came from, if a build has made the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Layers>,
    #[serde(flatten)]
    report: &'a Report,
}

/// Returns the report as a JSON object on one line, with its verdict: `passed`, and the numbers of findings as `tally`.
pub fn json(report: &Report) -> String {
    of_build(report, None)
}

fn of_build(report: &Report, layers: Option<Layers>) -> String {
    let record = Record { format: FORMAT, passed: report.passed(), tally: Tally::of(&report.findings), layers, report };
    serde_json::to_string(&record).expect("every key of a report is a string")
}

/// Writes the report in all formats into a directory, and creates the directory if it is missing. Each file appears when it is
/// complete.
///
/// # Errors
///
/// A file cannot be written.
pub fn write(dir: &Path, report: &Report, build: Option<&BuildInfo>) -> Result<(), PathError> {
    std::fs::create_dir_all(dir).at(dir)?;
    write_atomic(&dir.join(JSON), format!("{}\n", of_build(report, build.and_then(|build| build.layers))).as_bytes())?;
    write_atomic(&dir.join(JUNIT), junit::xml(report).as_bytes())?;
    write_atomic(&dir.join(HTML), html::page(report, build).as_bytes())
}
