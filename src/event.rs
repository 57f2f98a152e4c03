//! Events of the work, and the receivers that show or filter them.
//!
//! The code reports facts as events; reporters show them. The library prints nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::text::Redactor;
use crate::vocabulary::StepId;

/// A stage of the work on an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The base is pinned, and the plan made.
    Prepare,
    /// The steps are made, or taken from caches.
    Build,
    /// The artifacts are written.
    Export,
    /// The image is checked.
    Verify,
    /// The image is published.
    Publish,
}

impl Stage {
    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Build => "build",
            Self::Export => "export",
            Self::Verify => "verify",
            Self::Publish => "publish",
        }
    }
}

/// A fact about the work in progress. Its JSON form is one line of `--json`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A build starts.
    BuildStarted {
        /// Name of the image.
        name: String,
        /// Number of steps, including the base and `finalize`.
        steps: usize,
    },
    /// Nothing was told for a while, and this still runs.
    StillRunning {
        /// The activity, or `phase` and `element` of the step.
        activity: String,
        /// Duration so far, in seconds.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// A stage of the work on an image starts.
    StageStarted {
        /// `prepare` (pin and plan), `build`, `export`, `verify` or `publish`.
        stage: Stage,
    },
    /// A stage has succeeded.
    StageFinished {
        /// Name of the stage.
        stage: Stage,
        /// Duration in seconds.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// An activity that is not a step starts, such as a download, the start of the guest or an export.
    ActivityStarted {
        /// Name of the activity, such as `start the guest`.
        activity: String,
    },
    /// An activity has succeeded.
    ActivityFinished {
        /// Name of the activity.
        activity: String,
        /// Duration in seconds.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// Progress of an activity that transfers bytes.
    Progress {
        /// Name of the activity.
        activity: String,
        /// Bytes transferred.
        done: u64,
        /// Bytes in total, or `null`.
        total: Option<u64>,
    },
    /// The cache has the layer of a step, so the step does not run.
    StepCached {
        /// `phase` and `element` of the step.
        step: StepId,
        /// Number of the step, from 1.
        number: usize,
        /// Whether this build has fetched the layer from the remote cache.
        remote: bool,
    },
    /// A step starts to run.
    StepStarted {
        /// `phase` and `element` of the step.
        step: StepId,
        /// Number of the step, from 1.
        number: usize,
        /// Number of all steps.
        steps: usize,
        /// Why the step runs although the cache has layers, or `null`.
        reason: Option<String>,
        /// How long the step took in an earlier build, in seconds, or `null`.
        #[serde(serialize_with = "maybe_seconds")]
        expected: Option<Duration>,
        /// How long all steps that are left took, with this one, in seconds; `null` if one of them has never run.
        #[serde(serialize_with = "maybe_seconds")]
        rest: Option<Duration>,
    },
    /// A program of the build has printed a line.
    Output {
        /// The line in UTF-8, without control characters.
        line: String,
    },
    /// A step has succeeded, and its layer is saved.
    StepFinished {
        /// `phase` and `element` of the step.
        step: StepId,
        /// Duration in seconds.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// A step has failed. The build tries it again or ends.
    StepFailed {
        /// `phase` and `element` of the step.
        step: StepId,
        /// Duration in seconds.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// The build waits for another process that makes the same layer.
    Waiting {
        /// `phase` and `element` of the step.
        step: StepId,
    },
    /// A warning; the build continues.
    Warning {
        /// One sentence.
        message: String,
    },
    /// A detail for the log file.
    Detail {
        /// One sentence.
        message: String,
    },
}

/// A receiver of events from several threads.
pub trait Reporter: Send + Sync {
    /// Handles one event. The work calls it directly, so it must not block for long.
    fn report(&self, event: &Event);
}

/// A reporter that hides secrets in outputs, warnings and details, and passes the events on.
pub struct Redacting {
    reporter: Arc<dyn Reporter>,
    redactor: Redactor,
}

impl Redacting {
    /// Makes a reporter that hides the values of secrets from another one.
    pub fn new<'a>(reporter: Arc<dyn Reporter>, secrets: impl Iterator<Item = &'a Vec<u8>>) -> Self {
        Self { reporter, redactor: Redactor::new(secrets) }
    }
}

impl std::fmt::Debug for Redacting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Redacting").field(&self.redactor).finish()
    }
}

impl Reporter for Redacting {
    fn report(&self, event: &Event) {
        let hide = |text: &str| self.redactor.redact(text);
        match event {
            Event::Output { line } => self.reporter.report(&Event::Output { line: hide(line) }),
            Event::Warning { message } => self.reporter.report(&Event::Warning { message: hide(message) }),
            Event::Detail { message } => self.reporter.report(&Event::Detail { message: hide(message) }),
            event => self.reporter.report(event),
        }
    }
}

/// A reporter that passes events on to several others, in order.
pub struct Tee(pub Vec<Arc<dyn Reporter>>);

impl Reporter for Tee {
    fn report(&self, event: &Event) {
        for reporter in &self.0 {
            reporter.report(event);
        }
    }
}

impl std::fmt::Debug for Tee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tee({} reporters)", self.0.len())
    }
}

/// A reporter that passes events on, but each warning only once.
pub struct Once {
    reporter: Arc<dyn Reporter>,
    said: Mutex<HashSet<String>>,
}

impl Once {
    /// Makes a reporter that removes repeated warnings for another one.
    pub fn new(reporter: Arc<dyn Reporter>) -> Self {
        Self { reporter, said: Mutex::default() }
    }
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Once").finish()
    }
}

impl Reporter for Once {
    fn report(&self, event: &Event) {
        if let Event::Warning { message } = event
            && !self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(message.clone())
        {
            return;
        }
        self.reporter.report(event);
    }
}

/// A reporter that drops every event.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: &Event) {}
}

fn maybe_seconds<S: serde::Serializer>(elapsed: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match elapsed {
        Some(elapsed) => seconds(elapsed, serializer),
        None => serializer.serialize_none(),
    }
}

fn seconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((elapsed.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(Mutex<Vec<String>>);

    impl Reporter for Count {
        fn report(&self, event: &Event) {
            let (Event::Warning { message } | Event::Detail { message } | Event::Output { line: message }) = event
            else {
                return;
            };
            self.0.lock().expect("no panic").push(message.clone());
        }
    }

    #[test]
    fn a_warning_is_said_once_and_has_no_secret() {
        let count = Arc::new(Count(Mutex::default()));
        let secrets = [b"hunter2".to_vec()];
        let reporter = Redacting::new(Arc::new(Once::new(Arc::clone(&count) as _)), secrets.iter());
        for _ in 0..2 {
            reporter.report(&Event::Warning { message: "hunter2 is weak".to_owned() });
            reporter.report(&Event::Detail { message: "run --password aHVudGVyMg==".to_owned() });
        }
        let detail = "run --password ***";
        assert_eq!(*count.0.lock().expect("no panic"), ["*** is weak", detail, detail]);
    }

    #[test]
    fn a_tee_passes_an_event_on_to_all_reporters() {
        let both = [(); 2].map(|()| Arc::new(Count(Mutex::default())));
        let tee = Tee(both.iter().map(|count| Arc::clone(count) as Arc<dyn Reporter>).collect());
        tee.report(&Event::Output { line: "x".to_owned() });
        assert!(both.iter().all(|count| *count.0.lock().expect("no panic") == ["x"]));
    }
}
