//! The reporter of `--json`: writes every event as one line of JSON.
//!
//! The first line is `{"event":"goldsmith","version":"...","format":1}`. `format` changes when the new format would mislead a
//! reader of the old one. Every line has `event`. Readers skip unknown events and keys.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::progress::silence::{is_over, watch};
use crate::event::{Event, Reporter};

/// Version of the format of the lines.
pub const FORMAT: u32 = 1;

/// Returns the line with which the output of a program in JSON lines begins.
pub fn first_line() -> serde_json::Value {
    serde_json::json!({ "event": "goldsmith", "version": env!("CARGO_PKG_VERSION"), "format": FORMAT })
}

/// Least time between two lines on the progress of one transfer.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// A reporter that writes events as JSON lines.
pub struct JsonReporter<W: Write + Send> {
    state: Arc<Mutex<State<W>>>,
    /// The image that its lines are about, if the command has several.
    image: Option<String>,
}

/// A line, with the image that it is about.
#[derive(Serialize)]
struct Line<'a, V> {
    #[serde(flatten)]
    value: &'a V,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
}

struct State<W> {
    out: W,
    failure: Option<io::Error>,
    progress: BTreeMap<String, Instant>,
    /// What runs, with its image and when it began.
    running: Vec<(Option<String>, String, Instant)>,
    /// When a line was written last.
    written: Instant,
}

impl<W: Write + Send> JsonReporter<W> {
    /// Makes a reporter, which writes the first line to `out`.
    pub fn new(out: W) -> Self {
        let mut state =
            State { out, failure: None, progress: BTreeMap::new(), running: Vec::new(), written: Instant::now() };
        state.line(&first_line());
        Self { state: Arc::new(Mutex::new(state)), image: None }
    }

    /// From now on tells what runs if nothing was told for long.
    pub fn break_silence(&self)
    where
        W: 'static,
    {
        watch(&self.state, |state| {
            state.still_running();
            state.failure.is_some()
        });
    }

    /// Returns a reporter for one of several images, whose lines have its name as `image`.
    pub fn of_image(&self, name: &str) -> Self {
        Self { state: Arc::clone(&self.state), image: Some(name.to_owned()) }
    }

    /// Writes a line that is no [`Event`]: the result of the command, or its failure. It has an `event` key too.
    pub fn line(&self, value: &impl Serialize) {
        self.write(&mut self.state(), value);
    }

    fn write(&self, state: &mut State<W>, value: &impl Serialize) {
        state.line(&Line { value, image: self.image.as_deref() });
    }

    fn state(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the first error of writing. Nothing was written after it.
    pub fn take_error(&self) -> Option<io::Error> {
        self.state().failure.take()
    }
}

impl<W: Write> State<W> {
    fn line(&mut self, value: &impl Serialize) {
        if self.failure.is_some() {
            return;
        }
        self.written = Instant::now();
        let written = serde_json::to_string(value)
            .map_err(io::Error::from)
            .and_then(|text| writeln!(self.out, "{text}"))
            .and_then(|()| self.out.flush());
        self.failure = written.err();
    }

    /// Remembers what begins and what ends.
    fn follow(&mut self, event: &Event, image: Option<&String>) {
        let name = match event {
            Event::StepStarted { step, .. } | Event::StepFinished { step, .. } | Event::StepFailed { step, .. } => {
                step.to_string()
            }
            Event::ActivityStarted { activity } | Event::ActivityFinished { activity, .. } => activity.clone(),
            _ => return,
        };
        self.running.retain(|(of, running, _)| of.as_ref() != image || *running != name);
        if matches!(event, Event::StepStarted { .. } | Event::ActivityStarted { .. }) {
            self.running.push((image.cloned(), name, Instant::now()));
        }
    }

    /// Tells what runs if nothing was told for long.
    fn still_running(&mut self) {
        let Some((image, activity, begun)) = self.running.last().cloned() else { return };
        let elapsed = begun.elapsed();
        if is_over(self.written.elapsed(), elapsed) {
            self.line(&Line { value: &Event::StillRunning { activity, elapsed }, image: image.as_deref() });
        }
    }

    /// Returns whether a line on this transfer is due: the first, the last, and few between.
    fn is_due(&mut self, activity: &str, complete: bool, now: Instant) -> bool {
        let due = complete || self.progress.get(activity).is_none_or(|last| now - *last >= PROGRESS_INTERVAL);
        if due {
            self.progress.insert(activity.to_owned(), now);
        }
        due
    }
}

impl<W: Write + Send> Reporter for JsonReporter<W> {
    fn report(&self, event: &Event) {
        let mut state = self.state();
        state.follow(event, self.image.as_ref());
        if let Event::Progress { activity, done, total } = event
            && !state.is_due(
                &format!("{} {activity}", self.image.as_deref().unwrap_or_default()),
                Some(*done) == *total,
                Instant::now(),
            )
        {
            return;
        }
        self.write(&mut state, event);
    }
}

impl<W: Write + Send> fmt::Debug for JsonReporter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonReporter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Phase, StepId};

    impl<W: Write + Send> JsonReporter<W> {
        fn into_state(self) -> State<W> {
            Arc::into_inner(self.state).expect("there is no other").into_inner().expect("no thread panicked")
        }
    }

    fn text(reporter: JsonReporter<Vec<u8>>) -> String {
        String::from_utf8(reporter.into_state().out).expect("JSON is UTF-8")
    }

    #[test]
    fn silence_is_broken_by_what_runs() {
        let reporter = JsonReporter::new(Vec::new()).of_image("web");
        reporter.report(&Event::ActivityStarted { activity: "fetch".to_owned() });
        reporter.report(&Event::ActivityStarted { activity: "start the guest".to_owned() });
        reporter.report(&Event::ActivityFinished { activity: "start the guest".to_owned(), elapsed: Duration::ZERO });
        let past = |seconds| Instant::now() - Duration::from_secs(seconds);
        for silence in [5, 15] {
            let mut state = reporter.state();
            state.running[0].2 = past(20);
            state.written = past(silence);
            state.still_running();
        }
        let text = text(reporter);
        assert_eq!(text.matches("still-running").count(), 1, "{text}");
        assert!(text.contains(r#"{"event":"still-running","activity":"fetch","elapsed":20."#), "{text}");
        assert!(text.trim_end().ends_with(r#""image":"web"}"#), "{text}");
    }

    #[test]
    fn every_event_is_a_line_after_the_first() {
        let reporter = JsonReporter::new(Vec::new());
        let step = StepId { phase: Phase::Configure, element: "sshd".to_owned() };
        for event in [
            Event::BuildStarted { name: "debian-12".to_owned(), steps: 9 },
            Event::StepStarted {
                step: step.clone(),
                number: 7,
                steps: 9,
                reason: Some("scripts/harden.sh changed".to_owned()),
                expected: Some(Duration::from_millis(30_500)),
                rest: None,
            },
            Event::Output { line: "a \"quoted\" line".to_owned() },
            Event::StepFinished { step: step.clone(), elapsed: Duration::from_micros(1_234_567) },
            Event::StepFailed { step, elapsed: Duration::from_secs(2) },
        ] {
            reporter.report(&event);
        }
        insta::with_settings!({filters => vec![(env!("CARGO_PKG_VERSION"), "[version]")]}, {
            insta::assert_snapshot!(text(reporter), @r#"
            {"event":"goldsmith","version":"[version]","format":1}
            {"event":"build-started","name":"debian-12","steps":9}
            {"event":"step-started","step":{"phase":"configure","element":"sshd"},"number":7,"steps":9,"reason":"scripts/harden.sh changed","expected":30.5,"rest":null}
            {"event":"output","line":"a \"quoted\" line"}
            {"event":"step-finished","step":{"phase":"configure","element":"sshd"},"elapsed":1.235}
            {"event":"step-failed","step":{"phase":"configure","element":"sshd"},"elapsed":2.0}
            "#);
        });
    }

    #[test]
    fn progress_is_bounded_but_its_start_and_end_are_told() {
        let mut state = JsonReporter::new(Vec::new()).into_state();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for (activity, complete, millis, due) in [
            ("fetch", false, 0, true),
            ("fetch", false, 10, false),
            ("export", false, 10, true),
            ("fetch", false, 499, false),
            ("fetch", false, 500, true),
            ("fetch", true, 501, true),
        ] {
            assert_eq!(state.is_due(activity, complete, at(millis)), due, "{activity} at {millis} ms");
        }
    }

    #[test]
    fn after_an_error_of_writing_it_is_quiet() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let reporter = JsonReporter::new(Closed);
        reporter.report(&Event::Warning { message: "x".to_owned() });
        assert_eq!(reporter.take_error().map(|error| error.kind()), Some(io::ErrorKind::BrokenPipe));
    }
}
