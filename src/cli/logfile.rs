//! The full log of a build: every event and every line of output, with the time.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

use crate::cli::terminal::describe;
use crate::event::{Event, Reporter};
use crate::fsx::{IoContext, PathError};
use crate::text::Redactor;
use crate::text::redact::RedactingWriter;

/// Size after which output lines are left out of a log, in bytes.
pub const LIMIT: u64 = 256 << 20;

/// A log file with every event and its time stamp, in RFC 3339 (UTC, milliseconds).
pub struct LogFile {
    path: PathBuf,
    state: Mutex<State<RedactingWriter<File>>>,
}

struct State<W> {
    out: W,
    written: u64,
    limit: u64,
    left_out: u64,
    failure: Option<io::Error>,
}

impl LogFile {
    /// Makes or empties the file. The redactor keeps secrets out of it.
    pub fn create(path: &Path, redactor: Redactor) -> Result<Self, PathError> {
        // The log may show the content of the image: only its user can read it. Links are not followed.
        let mut options = File::options();
        options.create(true).write(true).truncate(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let out = RedactingWriter::new(options.open(path).at(path)?, redactor);
        Ok(Self { path: path.to_owned(), state: Mutex::new(State::new(out, LIMIT)) })
    }

    /// Path of the file, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the log. Returns the first error of writing, after which nothing was written.
    pub fn finish(&self) -> Result<(), PathError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.close();
        state.failure.take().map_or(Ok(()), Err).at(&self.path)
    }
}

impl<W: Write> State<W> {
    fn new(out: W, limit: u64) -> Self {
        Self { out, written: 0, limit, left_out: 0, failure: None }
    }

    fn event(&mut self, event: &Event, time: &str) {
        // Of a transfer, the log has only the start and the end.
        if matches!(event, Event::Progress { .. }) {
            return;
        }
        if matches!(event, Event::Output { .. }) && self.written >= self.limit {
            if self.left_out == 0 {
                self.line(time, "the log is full: further output is left out of it");
            }
            self.left_out += 1;
            return;
        }
        self.line(time, &describe(event));
    }

    fn close(&mut self) {
        if self.left_out > 0 {
            let note = format!("{} lines of output were left out of this log", self.left_out);
            self.line(&now(), &note);
            self.left_out = 0;
        }
    }

    fn line(&mut self, time: &str, text: &str) {
        if self.failure.is_none() {
            let line = format!("{time} {text}\n");
            self.written += line.len() as u64;
            // No buffer: the log must be whole when the process is killed.
            self.failure = self.out.write_all(line.as_bytes()).err();
        }
    }
}

impl Reporter for LogFile {
    fn report(&self, event: &Event) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).event(event, &now());
    }
}

impl fmt::Debug for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogFile").field(&self.path).finish()
    }
}

fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// A log whose directory is known only after the first events, which are kept until then.
#[derive(Debug, Default)]
pub struct Deferred {
    stage: Mutex<Stage>,
    /// Whether a step or an activity has started.
    worked: AtomicBool,
}

#[derive(Debug)]
enum Stage {
    Kept(Vec<Event>),
    Open(LogFile),
}

impl Default for Stage {
    fn default() -> Self {
        Self::Kept(Vec::new())
    }
}

impl Deferred {
    /// Makes a log without a directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the log in a directory, which is made if necessary. The log has a temporary name until [`Deferred::close`], so
    /// that the log of the previous build stays until then.
    pub fn open(&self, dir: &Path, redactor: Redactor) -> Result<(), PathError> {
        std::fs::create_dir_all(dir).at(dir)?;
        let path = dir.join(NAME);
        if !is_log(&path) {
            let reason = "it is not a log of goldsmith and would be replaced: move it away, or give another --out DIR";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, reason)).at(path);
        }
        let file = LogFile::create(&dir.join(PART), redactor)?;
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Stage::Kept(events) = &*stage {
            events.iter().for_each(|event| file.report(event));
        }
        *stage = Stage::Open(file);
        Ok(())
    }

    /// Ends the log. Returns its final path, or `None` if it could not be written, or was dropped because no step ran: the log
    /// of the build that did the work is more useful.
    pub fn close(&self, dir: &Path) -> Option<PathBuf> {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let Stage::Open(file) = std::mem::take(&mut *stage) else { return None };
        let (part, path) = (dir.join(PART), dir.join(NAME));
        if !self.worked.load(Ordering::Relaxed) || file.finish().is_err() {
            // The next build overwrites a file that stays.
            let _ = std::fs::remove_file(&part);
            return None;
        }
        std::fs::rename(&part, &path).ok().map(|()| path)
    }
}

impl Reporter for Deferred {
    fn report(&self, event: &Event) {
        if matches!(event, Event::StepStarted { .. } | Event::ActivityStarted { .. }) {
            self.worked.store(true, Ordering::Relaxed);
        }
        match &mut *self.stage.lock().unwrap_or_else(PoisonError::into_inner) {
            Stage::Kept(events) => events.push(event.clone()),
            Stage::Open(file) => file.report(event),
        }
    }
}

/// Returns whether a path is free, or has a log, whose first word is the time of the first event.
fn is_log(path: &Path) -> bool {
    if path.symlink_metadata().is_err() {
        return true;
    }
    let mut begin = [0; 24];
    let regular = path.symlink_metadata().is_ok_and(|found| found.is_file());
    let mut read = || File::open(path)?.read_exact(&mut begin);
    regular && read().is_ok() && str::from_utf8(&begin).is_ok_and(|time| time.parse::<jiff::Timestamp>().is_ok())
}

/// Name of a build's log, in the directory of the artifacts.
pub const NAME: &str = "build.log";

/// Name of the log while it is written.
const PART: &str = ".build.log.goldsmith-part";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Phase, StepId};

    fn output(line: &str) -> Event {
        Event::Output { line: line.to_owned() }
    }

    #[test]
    fn output_beyond_the_limit_is_left_out_and_counted() {
        let mut state = State::new(Vec::new(), 60);
        for n in 0..5 {
            state.event(&output(&format!("line {n} of twenty bytes")), "T");
        }
        let step = StepId { phase: Phase::Boot, element: "uefi".to_owned() };
        state.event(&Event::StepFailed { step, elapsed: std::time::Duration::from_secs(3) }, "T");
        state.close();
        let text = String::from_utf8(state.out).expect("text");
        insta::with_settings!({filters => vec![(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "[time]")]}, {
            insta::assert_snapshot!(text, @r#"
            T | line 0 of twenty bytes
            T | line 1 of twenty bytes
            T | line 2 of twenty bytes
            T the log is full: further output is left out of it
            T boot uefi: failed after 3.0 s
            [time] 2 lines of output were left out of this log
            "#);
        });
    }

    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let log = LogFile::create(Path::new("/dev/full"), Redactor::default()).expect("the device is there");
        log.report(&output("x"));
        log.report(&output("y"));
        assert!(log.finish().expect_err("nothing could be written").is_no_space());
    }
}
