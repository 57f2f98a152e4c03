//! Prints results on standard output, and remembers whether that failed.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::failure::{Failure, FailureKind};

/// The first error of writing to standard output, which the end of the program reports.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Standard output. A write never fails here: [`check`] reports the first error once all work is done, because a lost line is
/// no reason to lose an image. After an error nothing more is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct StandardOutput;

impl StandardOutput {
    fn attempt(work: impl FnOnce() -> io::Result<()>) {
        let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.is_none() {
            *lost = work().err();
        }
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::attempt(|| io::stdout().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::attempt(|| io::stdout().flush());
        Ok(())
    }
}

/// Writes a result to standard output.
pub(super) fn print(text: &str) {
    StandardOutput::attempt(|| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    });
}

/// Prints one thing that a command would remove without `--dry-run`, in the form that all commands share.
pub(super) fn would_remove(what: &str, reason: &str) {
    print(&format!("would remove {what}: {reason}\n"));
}

/// Records an error of other code that wrote to standard output.
pub(super) fn note(written: io::Result<()>) {
    StandardOutput::attempt(|| written);
}

/// Returns a failure if a write to standard output failed. A reader that has closed the pipe, as `head` does, does not need the
/// rest.
pub(super) fn check() -> Result<(), Failure> {
    match LOST.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let message = format!("cannot write the result to standard output: {error}");
            Err(Failure::of(FailureKind::Host, message)
                .hint("what the command did is done; only the text is incomplete"))
        }
        _ => Ok(()),
    }
}

/// Formats text in columns, each as wide as its widest cell, without spaces at the ends of lines.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|i| rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
