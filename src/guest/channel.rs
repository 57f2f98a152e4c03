//! Reads the output of programs from the guest, line by line.
//!
//! The guest writes to a virtio-serial port, and a thread here reads it. A line with a nonce that the program cannot know ends
//! its output. So nothing that it prints is lost, taken for the end, or counted as output of the next program.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::event::{Event, Reporter};
use crate::process::TAIL_LINES;
use crate::text::{LINE_LIMIT, printable};

/// Limit for the marker, which the guest writes before the call that runs the program returns.
const MARKER_TIMEOUT: Duration = Duration::from_secs(30);

/// The host's end of the port.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    marker: String,
    tail: VecDeque<String>,
    complete: bool,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    /// Connects to QEMU's socket and reports every line from it.
    pub(super) fn connect(socket: &Path, reporter: Arc<dyn Reporter>) -> io::Result<Self> {
        Self::over(UnixStream::connect(socket)?, reporter)
    }

    fn over(stream: UnixStream, reporter: Arc<dyn Reporter>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (source, theirs) = (stream.try_clone()?, Arc::clone(&shared));
        let reader = std::thread::Builder::new().name("guest output".to_owned()).spawn(move || {
            read_lines(source, &theirs, &*reporter);
            theirs.lock().closed = true;
            theirs.changed.notify_all();
        })?;
        Ok(Self { stream, shared, reader: Some(reader) })
    }

    /// Begins the output of a program. Returns the marker that the guest must write after the output, as a separate line after a
    /// line end.
    pub(super) fn begin(&self) -> io::Result<String> {
        let marker = nonce()?;
        *self.shared.lock() = State { marker: marker.clone(), ..State::default() };
        Ok(marker)
    }

    /// Waits for the marker and returns the last lines before it.
    pub(super) fn finish(&self) -> Vec<String> {
        let state = self.shared.lock();
        let (mut state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, MARKER_TIMEOUT, |state| !state.complete && !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.marker.clear();
        state.tail.drain(..).collect()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // This fails only if the other end is gone, which ends the reader as well.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Returns sixteen random bytes in hexadecimal.
fn nonce() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}

fn read_lines(mut source: impl Read, shared: &Shared, reporter: &dyn Reporter) {
    let mut buffer = vec![0; 64 * 1024];
    let mut line = Vec::with_capacity(LINE_LIMIT);
    let mut held_back = 0_usize;
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return, // QEMU is gone; the call that waits for it says so.
        };
        for &byte in &buffer[..read] {
            if byte != b'\n' {
                // Bytes beyond the limit of a line are dropped, so that no program can fill the memory.
                if line.len() < LINE_LIMIT {
                    line.push(byte);
                }
                continue;
            }
            end_line(&line, &mut held_back, shared, reporter);
            line.clear();
        }
    }
}

/// Ends a line. Empty lines are held back, because the line end before the marker may have made the last one.
fn end_line(line: &[u8], held_back: &mut usize, shared: &Shared, reporter: &dyn Reporter) {
    let mut state = shared.lock();
    let is_marker = !state.marker.is_empty() && line == state.marker.as_bytes();
    let empty = if line.is_empty() {
        *held_back += 1;
        if *held_back <= TAIL_LINES {
            return;
        }
        std::mem::replace(held_back, 1) - 1
    } else {
        std::mem::take(held_back).saturating_sub(usize::from(is_marker))
    };
    let shown = std::iter::repeat_n(String::new(), empty);
    let lines: Vec<_> = shown.chain((!is_marker && !line.is_empty()).then(|| printable(line))).collect();
    for line in &lines {
        if state.tail.len() == TAIL_LINES {
            state.tail.pop_front();
        }
        state.tail.push_back(line.clone());
    }
    // The reporter may do anything, so the lock is released before. The marker counts once all lines are reported.
    drop(state);
    for line in lines {
        reporter.report(&Event::Output { line });
    }
    if is_marker {
        shared.lock().complete = true;
        shared.changed.notify_all();
    }
}

/// Access for the fuzz targets.
#[cfg(feature = "testing")]
pub(super) mod seam {
    use super::*;

    struct Counter(Mutex<usize>);

    impl Reporter for Counter {
        fn report(&self, event: &Event) {
            if let Event::Output { line } = event {
                assert!(!line.contains(char::is_control), "a line that may steer a terminal");
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            }
        }
    }

    /// Returns the number of lines in a guest's output.
    pub fn guest_output(bytes: &[u8]) -> usize {
        let shared = Shared::default();
        shared.lock().marker = "0123456789abcdef".to_owned();
        let counter = Counter(Mutex::new(0));
        read_lines(bytes, &shared, &counter);
        assert!(shared.lock().tail.len() <= TAIL_LINES, "the tail has a limit");
        counter.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[derive(Default)]
    struct Recorder(Mutex<Vec<String>>);

    impl Reporter for Recorder {
        fn report(&self, event: &Event) {
            if let Event::Output { line } = event {
                self.0.lock().expect("no panic while locked").push(line.clone());
            }
        }
    }

    fn output_of(written: &[u8]) -> (Vec<String>, Vec<String>) {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        let recorder = Arc::new(Recorder::default());
        let channel = Channel::over(ours, Arc::clone(&recorder) as Arc<dyn Reporter>).expect("a channel");
        let marker = channel.begin().expect("a nonce");
        theirs.write_all(written).expect("the reader reads");
        write!(theirs, "\n{marker}\n").expect("the reader reads");
        let tail = channel.finish();
        let lines = recorder.0.lock().expect("no panic while locked").clone();
        (tail, lines)
    }

    #[test]
    fn every_line_arrives_once_and_the_marker_never_does() {
        for (written, lines) in [
            (&b""[..], &[][..]),
            (b"one\n", &["one"]),
            (b"one", &["one"]),
            (b"one\n\n", &["one", ""]),
            (b"\n\none\n", &["", "", "one"]),
            (b"\x1b[31mred\x1b[m\nend", &["red", "end"]),
            (b"0123456789abcdef0123456789abcdef\n", &["0123456789abcdef0123456789abcdef"]),
        ] {
            let (tail, reported) = output_of(written);
            assert_eq!(tail, lines);
            assert_eq!(reported, lines);
        }
    }

    #[test]
    fn floods_are_cut_and_the_tail_is_short() {
        let (tail, lines) = output_of(&vec![b'x'; LINE_LIMIT * 20]);
        assert_eq!((tail.len(), lines[0].len()), (1, LINE_LIMIT));
        let many: String = (0..1000).map(|n| format!("{n}\n")).collect();
        let (tail, lines) = output_of(many.as_bytes());
        assert_eq!((tail.len(), lines.len()), (TAIL_LINES, 1000));
        assert_eq!(tail.last().map(String::as_str), Some("999"));
        for count in [1, TAIL_LINES - 1, TAIL_LINES, TAIL_LINES + 1, 1000] {
            assert_eq!(output_of(&vec![b'\n'; count]).1.len(), count);
        }
    }

    #[test]
    fn a_guest_that_dies_does_not_keep_anybody_waiting() {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        let channel = Channel::over(ours, Arc::new(crate::event::Silent)).expect("a channel");
        channel.begin().expect("a nonce");
        theirs.write_all(b"last words\n").expect("the reader reads");
        drop(theirs);
        assert_eq!(channel.finish(), ["last words"]);
    }
}
