//! Prints results on standard output, and remembers whether that failed.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::failure::{Failure, FailureKind};

/// The first error of writing to standard output, which the end of the program reports.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Whether something was written to standard output.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// Standard output. A write never fails here: [`check`] reports the first error once all work is done, because a lost line is
/// no reason to lose an image. After an error nothing more is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct StandardOutput;

impl StandardOutput {
    fn attempt(work: impl FnOnce() -> io::Result<()>) {
        BEGUN.store(true, Ordering::Relaxed);
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

/// Quotes words as one line for a shell.
pub(super) fn line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    crate::text::shell::command(words)
}

/// Returns whether something was written to standard output.
pub(super) fn is_begun() -> bool {
    BEGUN.load(Ordering::Relaxed)
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

/// Formats text in columns like [`columns`]. The last column is broken into lines, so that no line is longer than `width` if the
/// other columns leave room.
pub(super) fn wrapped_columns(rows: &[Vec<String>], width: Option<usize>) -> String {
    /// Least width of the last column.
    const LEAST: usize = 24;
    let Some(width) = width else { return columns(rows) };
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let before: usize =
        (1..count).map(|column| 2 + cells(column - 1).map(|cell| cell.chars().count()).max().unwrap_or(0)).sum();
    let room = width.saturating_sub(before).max(LEAST);
    let broken = rows.iter().flat_map(|row| {
        let Some((last, others)) = row.split_last().filter(|_| row.len() == count) else { return vec![row.clone()] };
        let lines = broken(last, room).into_iter().enumerate();
        let lines = lines.map(|(number, line)| {
            let mut row = if number == 0 { others.to_vec() } else { vec![String::new(); others.len()] };
            row.push(line);
            row
        });
        lines.collect()
    });
    columns(&broken.collect::<Vec<_>>())
}

/// Breaks a text between words. A word that is too long has a line of its own.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_is_broken_between_words() {
        let rows = [["sshd", "an SSH server that starts at boot"], ["ntp", "time"]];
        let rows: Vec<Vec<String>> = rows.map(|row| row.map(str::to_owned).to_vec()).to_vec();
        let text = wrapped_columns(&rows, Some(30));
        assert_eq!(text, "sshd  an SSH server that\n      starts at boot\nntp   time\n");
        assert_eq!(wrapped_columns(&rows, None), columns(&rows));
        // Without room, lines are as long as the least width of the column.
        assert!(wrapped_columns(&rows, Some(3)).lines().all(|line| line.len() <= 6 + 24));
        assert_eq!(broken("a verylongword b", 4), ["a", "verylongword", "b"]);
    }
}
