//! The lines of a child's output, read with limits on memory.

use std::io::{self, BufRead};
use std::sync::mpsc;

use crate::text::{LINE_LIMIT, printable};

/// Number of lines that may wait for the receiver. At this number the reader waits, the pipe fills up, and the child waits too.
const WAITING: usize = 128;

/// Reads each pipe on its own thread. The receiver is disconnected when all pipes have ended. A reader that waits for room ends
/// when the receiver is dropped.
pub(super) fn reader_threads(pipes: impl IntoIterator<Item = Box<dyn io::Read + Send>>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(WAITING);
    for pipe in pipes {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in Lines::new(io::BufReader::new(pipe)) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// The lines of a program, made printable and cut to a maximal length. A line ends with a line feed or a carriage return, which
/// progress displays use. A line feed after a carriage return is part of it.
pub(super) struct Lines<R> {
    reader: R,
    after_return: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, after_return: false }
    }

    /// Returns the bytes of the next line; `None` at the end. A line that is too long is cut to one byte more than the limit.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let buffer = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                return Ok((!line.is_empty()).then_some(line));
            }
            if std::mem::take(&mut self.after_return) && buffer[0] == b'\n' {
                self.reader.consume(1);
                continue;
            }
            let end = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let content = &buffer[..end.unwrap_or(buffer.len())];
            let room = (LINE_LIMIT + 1).saturating_sub(line.len());
            line.extend_from_slice(&content[..content.len().min(room)]);
            let Some(end) = end else {
                let length = buffer.len();
                self.reader.consume(length);
                continue;
            };
            self.after_return = buffer[end] == b'\r';
            self.reader.consume(end + 1);
            return Ok(Some(line));
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        // A pipe that cannot be read counts as ended.
        self.read().ok()?.map(|line| printable(&line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::CUT;

    #[test]
    fn lines_end_as_a_terminal_shows_them() {
        let lines =
            |text: &str, size| Lines::new(io::BufReader::with_capacity(size, text.as_bytes())).collect::<Vec<_>>();
        for size in 1..20 {
            assert_eq!(lines("10%\r20%\rdone\r\n\nlast", size), ["10%", "20%", "done", "", "last"]);
            assert_eq!(lines("\r\n\r\n\n", size), ["", "", ""]);
            assert_eq!(lines("", size), [""; 0]);
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let endless = io::Read::take(io::repeat(b'x'), 1 << 26);
        let mut lines = Lines::new(io::BufReader::new(io::Read::chain(endless, &b"\nnext"[..])));
        let bytes = lines.read().expect("memory").expect("a line");
        assert!(bytes.capacity() <= 4 * LINE_LIMIT, "{}", bytes.capacity());
        assert!(printable(&bytes).ends_with(CUT));
        assert_eq!(lines.next().as_deref(), Some("next"));
    }
}
