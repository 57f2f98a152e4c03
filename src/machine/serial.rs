//! The log of a serial console: reads it to the end, and keeps its beginning and its end.
//!
//! A guest may print for ever. The beginning and the end are kept in memory, and nothing on disk. All output is read, so that the
//! guest never waits.

use std::collections::VecDeque;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that are kept of the beginning: enough for an ordinary boot.
const HEAD: usize = 256 << 10;

/// Bytes that are kept of the end.
const TAIL: usize = 1 << 20;

/// The log of a serial console at one moment.
#[derive(Debug, Clone)]
pub struct SerialView {
    /// The first bytes, at most 256 KiB.
    head: Vec<u8>,
    /// The last bytes after `head`, at most 1 MiB.
    tail: Vec<u8>,
    /// Number of all bytes that were printed.
    pub total: u64,
    /// Time since the last byte, or since the machine's start if there was none.
    pub quiet: Duration,
}

impl SerialView {
    /// Returns how many bytes after the first `offset` bytes are lost, and those that are kept.
    pub fn since(&self, offset: u64) -> (u64, Vec<u8>) {
        let (head, tail) = (self.head.len() as u64, self.tail.len() as u64);
        let begin = offset.min(self.total);
        let mut bytes = self.head.get(usize::try_from(begin).unwrap_or(usize::MAX)..).unwrap_or_default().to_vec();
        // Offset of the tail in the whole output.
        let kept = self.total - tail;
        let lost = if begin < kept { kept - begin.max(head) } else { 0 };
        let skip = usize::try_from(begin.saturating_sub(kept)).unwrap_or(usize::MAX);
        bytes.extend_from_slice(self.tail.get(skip..).unwrap_or_default());
        (lost, bytes)
    }

    /// Returns all lines that are kept, made printable; one line says how many bytes are left out.
    pub fn lines(&self) -> Vec<String> {
        let lost = self.total - self.head.len() as u64 - self.tail.len() as u64;
        if lost == 0 {
            return printable(&[&self.head[..], &self.tail[..]].concat());
        }
        let mut lines = printable(&self.head);
        lines.push(format!("... {lost} bytes are left out here ..."));
        lines.extend(printable(&self.tail));
        lines
    }

    /// Returns the lines as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }
}

/// Splits bytes into printable lines.
pub(super) fn printable(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == b'\n').map(crate::text::printable).collect()
}

/// A serial console that is being read.
#[derive(Debug, Clone)]
pub(super) struct SerialLog(Arc<Mutex<Log>>);

#[derive(Debug)]
struct Log {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
    last: Instant,
}

impl SerialLog {
    /// Reads a connection to its end, in a separate thread.
    pub(super) fn of(mut stream: UnixStream) -> Self {
        let log = Self::empty();
        let writer = log.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            // An error means that QEMU has ended, which other code reports.
            while let Ok(read) = stream.read(&mut buffer)
                && read > 0
            {
                writer.push(&buffer[..read]);
            }
        });
        log
    }

    /// Makes the empty log of a console that is lent.
    pub(super) fn empty() -> Self {
        let log = Log { head: Vec::new(), tail: VecDeque::new(), total: 0, last: Instant::now() };
        Self(Arc::new(Mutex::new(log)))
    }

    fn push(&self, bytes: &[u8]) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.total += bytes.len() as u64;
        log.last = Instant::now();
        let (first, rest) = bytes.split_at(bytes.len().min(HEAD - log.head.len()));
        log.head.extend_from_slice(first);
        log.tail.extend(rest);
        let excess = log.tail.len().saturating_sub(TAIL);
        log.tail.drain(..excess);
    }

    /// Returns the log as it is now.
    pub(super) fn view(&self) -> SerialView {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        SerialView {
            head: log.head.clone(),
            tail: log.tail.iter().copied().collect(),
            total: log.total,
            quiet: log.last.elapsed(),
        }
    }
}

#[cfg(test)]
impl SerialView {
    /// Makes the log of a console that printed these bytes, and then nothing for this time.
    pub(super) fn of(bytes: &[u8], quiet: Duration) -> Self {
        let log = SerialLog::empty();
        log.push(bytes);
        Self { quiet, ..log.view() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// Bytes that tell where they were printed.
    fn pattern(from: usize, to: usize) -> Vec<u8> {
        (from..to).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn beginning_and_end_are_kept_and_the_middle_is_counted() {
        for total in [0, 1, HEAD - 1, HEAD, HEAD + 1, HEAD + TAIL, HEAD + TAIL + 1, HEAD + 3 * TAIL] {
            let log = SerialLog::empty();
            for from in (0..total).step_by(10_007) {
                log.push(&pattern(from, total.min(from + 10_007)));
            }
            let view = log.view();
            assert_eq!(view.total, total as u64);
            assert!(view.head.len() + view.tail.len() <= HEAD + TAIL);
            let kept = total - total.min(HEAD + TAIL);
            for offset in [0, 1, HEAD - 1, HEAD, HEAD + 5, total.saturating_sub(1), total, total + 9] {
                let begin = offset.min(total);
                let (lost, bytes) = view.since(offset as u64);
                let tail_begins = if kept == 0 { begin } else { (HEAD + kept).max(begin) };
                let mut expected = pattern(begin, total.min(HEAD).max(begin));
                expected.extend(pattern(tail_begins.max(begin + expected.len()).min(total), total));
                assert_eq!(lost, tail_begins.saturating_sub(begin.max(HEAD)) as u64);
                assert!(bytes == expected, "{} and {} bytes since {offset} of {total}", bytes.len(), expected.len());
            }
        }
    }

    #[test]
    fn a_flood_is_read_and_told_as_such() {
        let (mut guest, ours) = UnixStream::pair().expect("a socket pair");
        let log = SerialLog::of(ours);
        let flood = vec![b'x'; 8 << 20];
        guest.write_all(b"begin\n").expect("it is read");
        guest.write_all(&flood).expect("it is read");
        guest.write_all(b"\nend \x1b[1mnow").expect("it is read");
        let begun = Instant::now();
        while log.view().total < (8 << 20) + 18 {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", log.view().total);
            std::thread::sleep(Duration::from_millis(5));
        }
        let view = log.view();
        let lines = view.lines();
        assert_eq!((lines[0].as_str(), lines[lines.len() - 1].as_str()), ("begin", "end now"));
        let told = format!("... {} bytes are left out here ...", view.total - (HEAD + TAIL) as u64);
        assert!(lines.contains(&told), "{told}");
    }
}
