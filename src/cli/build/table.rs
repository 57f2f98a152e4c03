//! What became of several images: the table at the end, the report for CI services, and one failure for all.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::{columns, print};
use crate::cli::settings::Global;
use crate::cli::terminal::{Terminal, Verbosity, duration};
use crate::fsx::{IoContext as _, PathError, write_atomic};
use crate::verify::report::JUNIT;
use crate::verify::report::junit::{self, BatchImage};

/// What became of an image.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Row {
    pub(in crate::cli) name: String,
    /// In one or two words.
    pub(in crate::cli) result: String,
    pub(in crate::cli) elapsed: Duration,
    /// Whether its checks were made.
    pub(in crate::cli) checked: bool,
    /// The artifacts, or why there are none.
    pub(in crate::cli) about: String,
    /// Commands that a person may want now.
    pub(in crate::cli) next: Vec<String>,
    pub(in crate::cli) failure: Option<Failure>,
}

impl Row {
    /// Makes the row of an image that is not there.
    pub(in crate::cli) fn failed(name: &str, result: &str, elapsed: Duration, failure: Failure) -> Self {
        let about = failure.message.clone();
        let checked = failure.kind == FailureKind::Verification;
        let (name, result) = (name.to_owned(), result.to_owned());
        Self { name, result, elapsed, checked, about, next: Vec::new(), failure: Some(failure) }
    }
}

/// Returns the commands after all images: of each program of Goldsmith that of the first image that has one, because a person tries one
/// image and not all.
fn next(rows: &[Row]) -> Vec<&str> {
    let mut next: Vec<&str> = Vec::new();
    let verb = |command: &str| command.split(' ').nth(1).map(str::to_owned);
    for command in rows.iter().flat_map(|row| &row.next) {
        if !next.iter().any(|known| verb(known) == verb(command)) {
            next.push(command);
        }
    }
    next
}

/// Prints the table.
pub(in crate::cli) fn print_rows(rows: &[Row], global: &Global) {
    if global.json {
        for row in rows {
            let (image, result, seconds) = (&row.name, &row.result, row.elapsed.as_secs_f64());
            print(&format!(
                "{}\n",
                json!({ "event": "image-ended", "image": image, "result": result, "seconds": (seconds * 1000.0).round() / 1000.0, "failure": row.failure.as_ref().map(Failure::to_json) })
            ));
        }
    } else {
        let cells = |row: &Row| vec![row.name.clone(), row.result.clone(), duration(row.elapsed), row.about.clone()];
        print(&columns(&rows.iter().map(cells).collect::<Vec<_>>()));
        if global.terminal.verbosity != Verbosity::Quiet {
            let next: String = next(rows).iter().map(|command| format!("next: {command}\n")).collect();
            // Standard error may be closed: then nobody wants the text.
            let _ = std::io::stderr().write_all(next.as_bytes());
        }
    }
}

/// Writes the report for CI services beside the images' directories.
pub(in crate::cli) fn write_junit(dir: &Path, rows: &[Row]) -> Result<(), Failure> {
    let failed = |error: PathError| Failure::new(FailureKind::Host, &error);
    std::fs::create_dir_all(dir).at(dir).map_err(failed)?;
    let suites = rows.iter().map(|row| BatchImage {
        name: &row.name,
        elapsed: row.elapsed,
        failure: row.failure.as_ref().map(|failure| (failure.message.clone(), failure.to_text(Terminal::PLAIN))),
        // A file of an earlier build does not count.
        report: row.checked.then(|| std::fs::read_to_string(dir.join(&row.name).join(JUNIT)).ok()).flatten(),
    });
    let xml = junit::batch(&suites.collect::<Vec<_>>());
    let path = dir.join(JUNIT);
    write_atomic(&path, xml.as_bytes()).map_err(failed)
}

/// Returns one failure for all images that failed, and for targets that do not have theirs. Its exit code is that of the first, or of
/// an interrupt.
pub(in crate::cli) fn failures(rows: Vec<Row>, published: Result<(), Failure>, global: &Global) -> Result<(), Failure> {
    let all = rows.len();
    let mut failed: Vec<(String, Failure)> =
        rows.into_iter().filter_map(|row| Some((row.name, row.failure?))).collect();
    let Some(first) = failed.first().map(|(_, failure)| failure.kind) else { return published };
    let message = format!("{} of {all} images failed", failed.len());
    failed.extend(published.err().map(|failure| ("publishing".to_owned(), failure)));
    let interrupted = failed.iter().any(|(_, failure)| failure.kind == FailureKind::Interrupted);
    let kind = if interrupted { FailureKind::Interrupted } else { first };
    let mut text = String::new();
    for (name, failure) in &failed {
        text.push_str(&format!("{name}:\n{}\n", failure.to_text(global.terminal)));
    }
    text.push_str(&Failure::of(kind, &message).to_text(global.terminal));
    let details = failed.iter().map(|(name, failure)| json!({ "image": name, "failure": failure.to_json() })).collect();
    Err(Failure::rendered(kind, &message, text, details))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(next: &[&str]) -> Row {
        let next = next.iter().map(|command| (*command).to_owned()).collect();
        let (name, about) = ("x".to_owned(), String::new());
        Row { name, result: "built".to_owned(), elapsed: Duration::ZERO, checked: false, about, next, failure: None }
    }

    #[test]
    fn a_table_ends_with_one_command_of_each_kind() {
        let rows = [
            row(&[]),
            row(&["goldsmith run out/a", "goldsmith publish web.yaml"]),
            row(&["goldsmith run out/b", "goldsmith publish web.yaml"]),
            row(&["goldsmith verify --all out/c"]),
        ];
        let expected = ["goldsmith run out/a", "goldsmith publish web.yaml", "goldsmith verify --all out/c"];
        assert_eq!(next(&rows), expected);
        assert_eq!(next(&rows[..1]), [""; 0]);
    }
}
