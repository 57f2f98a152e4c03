//! Numbers about builds in a file that the textfile collector of Prometheus' node exporter reads. Counters go on from those in the file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::timeline::{Ending, Kind, Source, Timeline};
use crate::fsx::{Access, FileLock, IoContext as _, NewFile, PathError};

/// First line of the file, by which it is known.
const HEAD: &str = "# Written by goldsmith build --metrics.";

/// Pause between two tries to get the lock, and the longest time for all.
const POLL: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(5);

/// A family of numbers: its name, what it is, and its meaning.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "counter", help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "gauge", help }
}

/// All families, in the order of the file.
const FAMILIES: &[Family] = &[
    counter("goldsmith_builds_total", "Builds by how they ended."),
    counter("goldsmith_build_seconds_total", "Seconds that builds took."),
    counter("goldsmith_stage_seconds_total", "Seconds that stages took which were not broken off."),
    counter("goldsmith_step_seconds_total", "Seconds that steps took which have run and succeeded."),
    counter("goldsmith_step_failures_total", "Failed tries of steps."),
    counter("goldsmith_layers_total", "Layers by where they came from: made, cache or remote."),
    gauge("goldsmith_last_build_success", "Whether the last build made an image that passed its checks."),
    gauge("goldsmith_last_build_timestamp_seconds", "When the last build ended, in seconds since 1970."),
    gauge("goldsmith_last_build_seconds", "Seconds that the last build took."),
    gauge("goldsmith_last_build_cache_hit_ratio", "Part of the layers of the last build that came from caches."),
];

/// A file with numbers about builds.
#[derive(Debug, Clone)]
pub struct Metrics {
    file: PathBuf,
    lock: PathBuf,
}

/// Why numbers could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The file is somebody else's.
    #[error("{} is no file of metrics of goldsmith", .0.display())]
    Other(PathBuf),
    /// Another build is writing it.
    #[error("another build is writing {}", .0.display())]
    Busy(PathBuf),
}

/// The numbers of a file, by the name of the family and the labels.
type Numbers = BTreeMap<(String, String), f64>;

impl Metrics {
    /// Opens a file, which need not exist. Builds that share the directory of the lock, a cache, add to the same file one after the other.
    ///
    /// # Errors
    ///
    /// If the directory of the file is missing, or the file is not one that this has written.
    pub fn open(file: &Path, lock_dir: &Path) -> Result<Self, MetricsError> {
        let file = std::path::absolute(file).at(file)?;
        let dir = file.parent().unwrap_or(&file);
        if !fs::metadata(dir).at(dir)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory)).at(dir).map_err(MetricsError::File);
        }
        let metrics = Self { file, lock: lock_dir.join("metrics.lock") };
        metrics.read()?;
        Ok(metrics)
    }

    fn read(&self) -> Result<Numbers, MetricsError> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Numbers::new()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(MetricsError::Other(self.file.clone()));
            }
            Err(error) => return Err(error).at(&self.file).map_err(MetricsError::File),
        };
        if !text.is_empty() && text.lines().next() != Some(HEAD) {
            return Err(MetricsError::Other(self.file.clone()));
        }
        Ok(text.lines().filter_map(number).collect())
    }

    /// Adds the numbers of the build of an image that has ended now.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn add(&self, timeline: &Timeline, image: &str, ending: Ending) -> Result<(), MetricsError> {
        let _lock = self.lock()?;
        let mut numbers = self.read()?;
        add(&mut numbers, timeline, image, ending);
        // The collector runs as another user.
        let new = NewFile::create(&self.file, Access::Umask)?;
        io::Write::write_all(&mut new.file(), text(&numbers).as_bytes()).at(&self.file)?;
        Ok(new.persist()?)
    }

    fn lock(&self) -> Result<FileLock, MetricsError> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(lock) = FileLock::try_exclusive(&self.lock)? {
                return Ok(lock);
            }
            std::thread::sleep(POLL);
        }
        Err(MetricsError::Busy(self.file.clone()))
    }
}

/// Adds the numbers of a build.
fn add(numbers: &mut Numbers, timeline: &Timeline, image: &str, ending: Ending) {
    let parts = timeline.parts();
    let whole = timeline.elapsed().as_secs_f64();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let labels = |more: Option<(&str, &str)>| {
        let more = more.map(|(name, value)| format!(",{name}=\"{}\"", escaped(value))).unwrap_or_default();
        format!("image=\"{}\"{more}", escaped(image))
    };
    let mut count = |name: &str, more: Option<(&str, &str)>, value: f64| {
        *numbers.entry((name.to_owned(), labels(more))).or_default() += value;
    };
    count("goldsmith_builds_total", Some(("result", ending.word())), 1.0);
    count("goldsmith_build_seconds_total", None, whole);
    // A counter that is there from the beginning shows the first increase.
    count("goldsmith_step_failures_total", None, 0.0);
    for source in [Source::Made, Source::Cache, Source::Remote] {
        let layers = parts.iter().filter(|part| part.source == Some(source)).count();
        count("goldsmith_layers_total", Some(("source", source.word())), layers as f64);
    }
    for part in &parts {
        let seconds = part.length().unwrap_or_default().as_secs_f64();
        match (part.kind, part.source) {
            (Kind::Stage, _) if part.end.is_some() => {
                count("goldsmith_stage_seconds_total", Some(("stage", &part.name)), seconds);
            }
            (Kind::Step, Some(Source::Made)) => {
                count("goldsmith_step_seconds_total", Some(("step", &part.name)), seconds);
            }
            (Kind::Step, None) if part.failed => count("goldsmith_step_failures_total", None, 1.0),
            _ => {}
        }
    }
    let mut set = |name: &str, value: f64| {
        numbers.insert((name.to_owned(), labels(None)), value);
    };
    set("goldsmith_last_build_success", f64::from(u8::from(ending == Ending::Made)));
    set("goldsmith_last_build_timestamp_seconds", now.as_secs_f64());
    set("goldsmith_last_build_seconds", whole);
    let layers = parts.iter().filter_map(|part| part.source);
    let (all, hits) = (layers.clone().count(), layers.filter(|source| *source != Source::Made).count());
    if all > 0 {
        set("goldsmith_last_build_cache_hit_ratio", hits as f64 / all as f64);
    }
}

/// Reads a line with a number of a known family.
fn number(line: &str) -> Option<((String, String), f64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once("} ")?;
    FAMILIES.iter().find(|family| family.name == name)?;
    let value = value.parse::<f64>().ok().filter(|value| value.is_finite())?;
    Some(((name.to_owned(), labels.to_owned()), value))
}

/// Returns the text of a file ("Exposition formats", text-based format).
fn text(numbers: &Numbers) -> String {
    let mut text = format!("{HEAD}\n");
    for Family { name, kind, help } in FAMILIES {
        let of_family: Vec<_> = numbers.iter().filter(|((of, _), _)| of == name).collect();
        if of_family.is_empty() {
            continue;
        }
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        for ((_, labels), value) in of_family {
            text.push_str(&format!("{name}{{{labels}}} {value}\n"));
        }
    }
    text
}

/// Escapes the value of a label.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::timeline::tests::timeline;
    use super::*;

    #[test]
    fn counters_go_on_and_gauges_are_those_of_the_last_build() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("goldsmith.prom");
        let metrics = Metrics::open(&file, dir.path()).expect("there is none");
        metrics.add(&timeline(), "web \"1\"\\x", Ending::Failed).expect("writable");
        metrics.add(&timeline(), "web \"1\"\\x", Ending::Made).expect("writable");
        let text = std::fs::read_to_string(&file).expect("a file");
        let image = r#"image="web \"1\"\\x""#;
        for line in [
            format!("goldsmith_builds_total{{{image},result=\"failed\"}} 1\n"),
            format!("goldsmith_builds_total{{{image},result=\"made\"}} 1\n"),
            format!("goldsmith_layers_total{{{image},source=\"remote\"}} 2\n"),
            format!("goldsmith_layers_total{{{image},source=\"made\"}} 2\n"),
            format!("goldsmith_step_failures_total{{{image}}} 2\n"),
            format!("goldsmith_last_build_success{{{image}}} 1\n"),
            "# TYPE goldsmith_layers_total counter\n".to_owned(),
        ] {
            assert!(text.contains(&line), "{line}{text}");
        }
        assert!(text.contains("goldsmith_last_build_cache_hit_ratio{image=\"web \\\"1\\\"\\\\x\"} 0.66"), "{text}");
    }

    #[test]
    fn the_file_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("other.prom");
        for content in [&b"node_up 1\n"[..], b"\xff\xfe"] {
            std::fs::write(&file, content).expect("writable");
            let refused = Metrics::open(&file, dir.path()).expect_err("it is not ours");
            assert!(matches!(refused, MetricsError::Other(_)), "{refused}");
        }
        assert!(matches!(Metrics::open(&dir.path().join("none/x.prom"), dir.path()), Err(MetricsError::File(_))));
    }
}
