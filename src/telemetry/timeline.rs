//! Records what the build of an image did, and when: its stages, steps and other activities.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::event::{Event, Reporter};

/// The kind of a part of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A stage, such as `export`.
    Stage,
    /// A step of the recipe.
    Step,
    /// Something else that takes time, such as the start of the guest.
    Activity,
}

/// Where the layer of a step came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The step has run.
    Made,
    /// The cache of this machine.
    Cache,
    /// The remote cache.
    Remote,
}

impl Source {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Cache => "cache",
            Self::Remote => "remote",
        }
    }
}

/// How a build has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The image is made, and passed its checks if there were any.
    Made,
    /// The image is made, but did not pass its checks.
    Unfit,
    /// The image could not be made.
    Failed,
    /// The user has stopped the build.
    Interrupted,
}

impl Ending {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Unfit => "unfit",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A part of a build.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name: `build`, `configure sshd`, `start the guest`.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// The part that it belongs to.
    pub parent: Option<usize>,
    /// When it began, from the beginning of the build.
    pub start: Duration,
    /// When it ended; `None` while it runs, and if it was broken off.
    pub end: Option<Duration>,
    /// Whether it has failed.
    pub failed: bool,
    /// Where the layer of a step came from.
    pub source: Option<Source>,
}

impl Part {
    /// Returns how long it took, if it has ended.
    pub fn length(&self) -> Option<Duration> {
        Some(self.end?.saturating_sub(self.start))
    }
}

/// Records the parts of the build of one image. It runs beside other reporters.
#[derive(Debug)]
pub struct Timeline {
    /// When it began, by the clock and by the time that never jumps.
    pub(super) began: (SystemTime, Instant),
    parts: Mutex<Vec<Part>>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { began: (SystemTime::now(), Instant::now()), parts: Mutex::default() }
    }
}

impl Timeline {
    fn locked(&self) -> MutexGuard<'_, Vec<Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the parts so far, in the order of their beginning.
    pub fn parts(&self) -> Vec<Part> {
        self.locked().clone()
    }

    /// Returns the time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.began.1.elapsed()
    }

    fn begin(&self, name: String, kind: Kind) {
        let start = self.elapsed();
        let mut parts = self.locked();
        let running = |kind| parts.iter().rposition(|part| part.kind == kind && part.end.is_none());
        let parent = match kind {
            Kind::Stage => None,
            Kind::Step => running(Kind::Stage),
            Kind::Activity => running(Kind::Step).or_else(|| running(Kind::Stage)),
        };
        parts.push(Part { name, kind, parent, start, end: None, failed: false, source: None });
    }

    fn end(&self, name: &str, kind: Kind, failed: bool, source: Option<Source>) {
        let now = self.elapsed();
        let mut parts = self.locked();
        let open = |part: &&mut Part| part.kind == kind && part.name == name && part.end.is_none();
        if let Some(part) = parts.iter_mut().rev().find(open) {
            (part.end, part.failed, part.source) = (Some(now), failed, source);
        }
    }
}

impl Reporter for Timeline {
    fn report(&self, event: &Event) {
        match event {
            Event::StageStarted { stage } => self.begin(stage.name().to_owned(), Kind::Stage),
            Event::StageFinished { stage, .. } => self.end(stage.name(), Kind::Stage, false, None),
            Event::ActivityStarted { activity } => self.begin(activity.clone(), Kind::Activity),
            Event::ActivityFinished { activity, .. } => self.end(activity, Kind::Activity, false, None),
            Event::StepStarted { step, .. } => self.begin(step.to_string(), Kind::Step),
            Event::StepFinished { step, .. } => self.end(&step.to_string(), Kind::Step, false, Some(Source::Made)),
            Event::StepFailed { step, .. } => self.end(&step.to_string(), Kind::Step, true, None),
            Event::StepCached { step, remote, .. } => {
                self.begin(step.to_string(), Kind::Step);
                let source = if *remote { Source::Remote } else { Source::Cache };
                self.end(&step.to_string(), Kind::Step, false, Some(source));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::Stage;
    use crate::vocabulary::{Phase, StepId};

    /// A build with one step from each place and one that fails.
    pub(in crate::telemetry) fn timeline() -> Timeline {
        let timeline = Timeline::default();
        let step = |phase| StepId { phase, element: "sshd".to_owned() };
        let started = |phase| Event::StepStarted {
            step: step(phase),
            number: 1,
            steps: 4,
            reason: None,
            expected: None,
            rest: None,
        };
        let elapsed = Duration::from_secs(1);
        for event in [
            Event::StageStarted { stage: Stage::Prepare },
            Event::StageFinished { stage: Stage::Prepare, elapsed },
            Event::StageStarted { stage: Stage::Build },
            Event::StepCached { step: step(Phase::Base), number: 1, remote: true },
            Event::StepCached { step: step(Phase::Install), number: 2, remote: false },
            Event::ActivityStarted { activity: "start the guest".to_owned() },
            Event::ActivityFinished { activity: "start the guest".to_owned(), elapsed },
            started(Phase::Configure),
            Event::ActivityStarted { activity: "download".to_owned() },
            Event::ActivityFinished { activity: "download".to_owned(), elapsed },
            Event::StepFinished { step: step(Phase::Configure), elapsed },
            started(Phase::Clean),
            Event::StepFailed { step: step(Phase::Clean), elapsed },
        ] {
            timeline.report(&event);
        }
        timeline
    }

    #[test]
    fn parts_belong_to_the_stage_or_step_that_runs() {
        let parts = timeline().parts();
        let of = |name: &str| parts.iter().find(|part| part.name == name).expect("it is there");
        let parent = |name: &str| of(name).parent.map(|at| parts[at].name.as_str());
        assert_eq!(parent("prepare"), None);
        assert_eq!(parent("base sshd"), Some("build"));
        assert_eq!(parent("start the guest"), Some("build"));
        assert_eq!(parent("configure sshd"), Some("build"));
        assert_eq!(parent("download"), Some("configure sshd"));
        assert_eq!(of("base sshd").source, Some(Source::Remote));
        assert_eq!(of("install sshd").source, Some(Source::Cache));
        assert_eq!(of("configure sshd").source, Some(Source::Made));
        assert!(of("clean sshd").failed && of("clean sshd").source.is_none());
        assert_eq!((of("build").end, of("prepare").end.is_some()), (None, true));
    }
}
