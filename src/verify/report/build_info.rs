//! Facts about an image that only its build knows.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{Event, Reporter};
use crate::export::Artifact;

/// The history of an image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuildInfo {
    /// File name of the recipe.
    pub recipe: String,
    /// The description in the recipe.
    pub description: Option<String>,
    /// The base: `debian bookworm, bootstrapped`.
    pub base: String,
    /// Time when the final disk was made (RFC 3339).
    pub created: String,
    /// Programs of the build, and their versions.
    pub tools: BTreeMap<String, String>,
    /// The parts of the work, in order.
    pub work: Vec<Work>,
    /// Where the layers of the last build came from; `None` if unknown.
    pub layers: Option<Layers>,
    /// Files that the build made.
    pub artifacts: Vec<Artifact>,
}

/// Where the layers of a build came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Layers {
    /// Layers that the build made.
    pub made: usize,
    /// Layers of the cache of its machine.
    pub cache: usize,
    /// Layers of the remote cache.
    pub remote: usize,
}

impl Layers {
    /// Returns the part of the layers that came from caches, from 0 to 1.
    pub fn hit_rate(&self) -> f64 {
        let Self { made, cache, remote } = self;
        (cache + remote) as f64 / (made + cache + remote).max(1) as f64
    }
}

/// A part of the work.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// The name: `configure sshd`, `export debian-12.qcow2`.
    pub name: String,
    /// Seconds from the beginning of the build to its own; `None` if unknown.
    pub started: Option<f64>,
    /// Seconds it took. For a cached step: the time when its layer was made, if known.
    pub seconds: f64,
    /// Whether its layer was in the cache, so nothing was done.
    pub cached: bool,
    /// Whether it was fetched from the remote cache then.
    pub remote: bool,
}

/// The part of a manifest that the report shows.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    description: Option<String>,
    recipe: Recipe,
    #[serde(default)]
    base: Value,
    steps: Vec<Step>,
    artifacts: Vec<Artifact>,
    created: String,
    #[serde(default)]
    tools: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Recipe {
    file: String,
}

#[derive(Deserialize)]
struct Step {
    step: String,
    seconds: f64,
}

impl BuildInfo {
    /// Reads the text of a `manifest.json`; `None` if it is no manifest.
    pub fn of_manifest(text: &[u8]) -> Option<Self> {
        let manifest: Manifest = serde_json::from_slice(text).ok()?;
        let work = manifest.steps.into_iter().map(|Step { step: name, seconds }| Work {
            name,
            started: None,
            seconds,
            cached: false,
            remote: false,
        });
        Some(Self {
            recipe: manifest.recipe.file,
            description: manifest.description,
            base: base(&manifest.base),
            created: manifest.created,
            tools: manifest.tools,
            work: work.collect(),
            layers: None,
            artifacts: manifest.artifacts,
        })
    }

    /// Returns the same with the work of one build instead of only the times of steps. Keeps the old times of cached steps.
    #[must_use]
    pub fn timed(mut self, recorder: &Recorder) -> Self {
        let mut work = recorder.work();
        let hits = work.iter().filter(|work| work.cached).count();
        let remote = work.iter().filter(|work| work.remote).count();
        self.layers =
            Some(Layers { made: self.work.len().saturating_sub(hits), cache: hits.saturating_sub(remote), remote });
        for cached in work.iter_mut().filter(|work| work.cached) {
            cached.seconds =
                self.work.iter().find(|known| known.name == cached.name).map_or(0.0, |known| known.seconds);
        }
        self.work = work;
        self
    }
}

/// Returns a description of the base.
fn base(base: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(source) = base.pointer("/bootstrap/source") {
        return format!("{} {}, bootstrapped", text(&source["distro"]), text(&source["release"]));
    }
    match base.get("image") {
        Some(image) => format!("{}, sha256 {}", text(&image["source"]), text(&image["sha256"])),
        None => String::new(),
    }
}

/// A reporter that records the times of all work in a build. It runs beside other reporters.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    work: Mutex<Vec<Work>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { began: Instant::now(), work: Mutex::default() }
    }
}

impl Recorder {
    /// Returns the work so far, in the order of its beginning.
    pub fn work(&self) -> Vec<Work> {
        let mut work = self.work.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        work.sort_by(|a, b| a.started.unwrap_or_default().total_cmp(&b.started.unwrap_or_default()));
        work
    }

    /// Records work that just ended.
    /// `cached` is whether the layer of a step that did not run was fetched from the remote cache.
    fn ended(&self, name: String, elapsed: Duration, cached: Option<bool>) {
        let started = self.began.elapsed().saturating_sub(elapsed).as_secs_f64();
        let work = Work {
            name,
            started: Some(started),
            seconds: elapsed.as_secs_f64(),
            cached: cached.is_some(),
            remote: cached == Some(true),
        };
        self.work.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(work);
    }
}

impl Reporter for Recorder {
    fn report(&self, event: &Event) {
        match event {
            Event::ActivityFinished { activity, elapsed } => self.ended(activity.clone(), *elapsed, None),
            Event::StepFinished { step, elapsed } => self.ended(step.to_string(), *elapsed, None),
            Event::StepCached { step, remote, .. } => self.ended(step.to_string(), Duration::ZERO, Some(*remote)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{Phase, StepId};

    const MANIFEST: &str = r#"{"format":1,"name":"x","recipe":{"file":"x.yaml","sha256":"0"},
        "base":{"bootstrap":{"source":{"distro":"debian","release":"bookworm"},"repositories":[]}},
        "steps":[{"step":"install sshd","layer":"a","seconds":3.5},{"step":"clean sshd","layer":"b","seconds":1.0}],
        "artifacts":[],"created":"2026-11-21T10:00:00Z","tools":{"goldsmith":"0.1.0"},"packages":null}"#;

    #[test]
    fn a_manifest_says_how_its_image_was_made() {
        let info = BuildInfo::of_manifest(MANIFEST.as_bytes()).expect("it is one");
        assert_eq!((info.recipe.as_str(), info.base.as_str()), ("x.yaml", "debian bookworm, bootstrapped"));
        assert_eq!(info.work.iter().map(|work| work.seconds).collect::<Vec<_>>(), [3.5, 1.0]);
        assert_eq!(BuildInfo::of_manifest(b"[]"), None);
        assert_eq!(base(&serde_json::json!({"image": {"source": "a", "sha256": "b"}})), "a, sha256 b");
    }

    #[test]
    fn recorded_work_takes_the_place_of_the_manifests_times() {
        let recorder = Recorder::default();
        let step = |phase| StepId { phase, element: "sshd".to_owned() };
        recorder.report(&Event::StepCached { step: step(Phase::Install), number: 1, remote: true });
        std::thread::sleep(Duration::from_millis(20));
        recorder.report(&Event::StepFinished { step: step(Phase::Clean), elapsed: Duration::from_millis(5) });
        recorder.report(&Event::ActivityFinished {
            activity: "start the guest".to_owned(),
            elapsed: Duration::from_millis(10),
        });
        let info = BuildInfo::of_manifest(MANIFEST.as_bytes()).expect("it is one").timed(&recorder);
        let names: Vec<_> = info.work.iter().map(|work| work.name.as_str()).collect();
        assert_eq!(names, ["install sshd", "start the guest", "clean sshd"]);
        let layers = info.layers.expect("this build knows");
        assert_eq!((layers, layers.hit_rate()), (Layers { made: 1, cache: 0, remote: 1 }, 0.5));
        assert!(info.work[0].cached && info.work[0].remote && info.work[0].seconds == 3.5, "{:?}", info.work[0]);
        assert!(!info.work[2].cached && info.work[2].started > Some(0.01), "{:?}", info.work[2]);
    }
}
