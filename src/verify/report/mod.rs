//! What verifying found, as files: a page for people, XML for CI services, JSON for programs.

mod build_info;
pub mod html;
pub mod junit;

pub use build_info::{BuildInfo, Recorder, Work};

use std::path::Path;

use serde::Serialize;

use super::{Report, Tally};
use crate::fsx::{IoContext as _, PathError, write_atomic};

/// The page for people.
pub const HTML: &str = "report.html";

/// Everything, for programs.
pub const JSON: &str = "report.json";

/// What CI services read.
pub const JUNIT: &str = "junit.xml";

/// Version of the form of [`JSON`].
const FORMAT: u32 = 1;

/// Characters of what a machine printed that are shown: of the beginning, and of the end.
const LOG: (usize, usize) = (64 * 1024, 192 * 1024);

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

/// The beginning and the end of a log that is too long to be shown whole.
fn excerpt(log: &str) -> String {
    excerpt_of(log, LOG.0, LOG.1)
}

fn excerpt_of(log: &str, first: usize, last: usize) -> String {
    if log.len() <= first + last {
        return log.to_owned();
    }
    let whole = |at: &usize| log.is_char_boundary(*at);
    let head = (0..=first).rev().find(whole).unwrap_or(0);
    let tail = (log.len() - last..=log.len()).find(whole).unwrap_or(log.len());
    format!("{}\n\n[... {} bytes are left out ...]\n\n{}", &log[..head], tail - head, &log[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_beginning_and_end_are_shown() {
        assert_eq!(excerpt_of("abcdef", 3, 3), "abcdef");
        assert_eq!(excerpt_of("abcdefgh", 3, 3), "abc\n\n[... 2 bytes are left out ...]\n\nfgh");
        // A character is left out as a whole.
        assert_eq!(excerpt_of("\u{e4}\u{e4}\u{e4}\u{e4}", 3, 3), "\u{e4}\n\n[... 4 bytes are left out ...]\n\n\u{e4}");
    }
}
