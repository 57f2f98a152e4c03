//! How jobs of a matrix have ended, for the job that collects it: each job leaves a file in the directory of the artifacts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::table::Row;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::terminal::Terminal;
use crate::fsx::{IoContext as _, PathError, write_atomic};

/// Directory of the files. No image has this name.
const DIR: &str = "_jobs";

/// The content of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The run of the engine to which the job belongs.
    run: Option<String>,
    result: String,
    seconds: f64,
    checked: bool,
    about: String,
    /// Images that cannot be made after a failure of this job.
    #[serde(default)]
    images: Vec<String>,
    failure: Option<KeptFailure>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptFailure {
    kind: FailureKind,
    message: String,
    /// All of it, for people.
    text: String,
    /// All of it, for programs.
    details: Value,
}

/// The files of jobs.
#[derive(Debug)]
pub(in crate::cli) struct Outcomes {
    dir: PathBuf,
}

/// A stage that has failed.
#[derive(Debug)]
pub(in crate::cli) struct FailedStage {
    pub(in crate::cli) number: usize,
    /// Images that cannot be made for that reason.
    pub(in crate::cli) images: Vec<String>,
    pub(in crate::cli) failure: Failure,
}

impl Outcomes {
    /// Returns the files in a directory of artifacts.
    pub(in crate::cli) fn below(out: &Path) -> Self {
        Self { dir: out.join(DIR) }
    }

    fn cell(&self, image: &str) -> PathBuf {
        self.dir.join(format!("cell-{image}.json"))
    }

    fn stage(&self, number: usize) -> PathBuf {
        self.dir.join(format!("stage-{number}.json"))
    }

    /// Returns the directory for the log of a stage.
    pub(in crate::cli) fn stage_dir(&self, number: usize) -> PathBuf {
        self.dir.join(format!("stage-{number}"))
    }

    /// Removes what an earlier run has left of an image.
    pub(in crate::cli) fn forget_cell(&self, image: &str) -> Result<(), Failure> {
        remove(&self.cell(image))
    }

    /// Removes what an earlier run has left of a stage.
    pub(in crate::cli) fn forget_stage(&self, number: usize) -> Result<(), Failure> {
        remove(&self.stage(number))
    }

    /// Keeps what became of an image.
    pub(in crate::cli) fn keep(&self, row: &Row, run: Option<&str>) -> Result<(), Failure> {
        self.write(&self.cell(&row.name), row, &[], run)
    }

    /// Returns whether something is kept about an image.
    pub(in crate::cli) fn has_cell(&self, image: &str) -> bool {
        self.cell(image).exists()
    }

    /// Returns whether something is kept about a stage of a run.
    pub(in crate::cli) fn has_stage(&self, number: usize, run: &str) -> bool {
        read(&self.stage(number), Some(run)).is_some()
    }

    /// Returns the path of another file about the jobs.
    pub(in crate::cli) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Keeps what became of a stage.
    pub(in crate::cli) fn keep_stage(
        &self,
        number: usize,
        row: &Row,
        images: &[String],
        run: Option<&str>,
    ) -> Result<(), Failure> {
        self.write(&self.stage(number), row, images, run)
    }

    fn write(&self, path: &Path, row: &Row, images: &[String], run: Option<&str>) -> Result<(), Failure> {
        let failure = row.failure.as_ref().map(|failure| KeptFailure {
            kind: failure.kind,
            message: failure.message.clone(),
            text: failure.to_text(Terminal::PLAIN),
            details: failure.to_json(),
        });
        let kept = Kept {
            run: run.map(str::to_owned),
            result: row.result.clone(),
            seconds: row.elapsed.as_secs_f64(),
            checked: row.checked,
            about: row.about.clone(),
            images: images.to_vec(),
            failure,
        };
        let failed = |error: PathError| Failure::new(FailureKind::Host, &error);
        std::fs::create_dir_all(&self.dir).at(&self.dir).map_err(failed)?;
        write_atomic(path, format!("{:#}\n", json!(kept)).as_bytes()).map_err(failed)
    }

    /// Returns what became of an image in a run; `None` if nothing is known. Without a run, the last one counts.
    pub(in crate::cli) fn find(&self, image: &str, run: Option<&str>) -> Option<Row> {
        let kept = read(&self.cell(image), run)?;
        Some(Row {
            name: image.to_owned(),
            result: kept.result,
            elapsed: Duration::try_from_secs_f64(kept.seconds).unwrap_or_default(),
            checked: kept.checked,
            about: kept.about,
            next: Vec::new(),
            failure: kept.failure.map(KeptFailure::into_failure),
        })
    }

    /// Returns the stages that have failed in a run.
    pub(in crate::cli) fn failed_stages(&self, run: Option<&str>) -> Vec<FailedStage> {
        let numbers = std::fs::read_dir(&self.dir).into_iter().flatten().flatten().filter_map(|entry| {
            entry.file_name().to_str()?.strip_prefix("stage-")?.strip_suffix(".json")?.parse::<usize>().ok()
        });
        let mut numbers: Vec<usize> = numbers.collect();
        numbers.sort_unstable();
        let failed = |number| {
            let kept = read(&self.stage(number), run)?;
            Some(FailedStage { number, images: kept.images, failure: kept.failure?.into_failure() })
        };
        numbers.into_iter().filter_map(failed).collect()
    }
}

impl KeptFailure {
    fn into_failure(self) -> Failure {
        let details = json!([self.details]);
        Failure::rendered(self.kind, &self.message, self.text, details)
    }
}

fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let error = PathError { path: path.to_owned(), source: error };
            Err(Failure::new(FailureKind::Host, &error))
        }
        _ => Ok(()),
    }
}

/// Reads a file of a run. One that cannot be read counts as missing, as that of another run.
fn read(path: &Path, run: Option<&str>) -> Option<Kept> {
    let kept: Kept = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (run.is_none() || kept.run.as_deref() == run).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jobs_leave_is_found_again_by_its_run() {
        let dir = tempfile::tempdir().expect("a directory");
        let outcomes = Outcomes::below(dir.path());
        let failure = Failure::of(FailureKind::Build, "step `x` failed");
        let good = Row {
            name: "good".to_owned(),
            result: "built".to_owned(),
            elapsed: Duration::from_secs(3),
            checked: false,
            about: "good.qcow2".to_owned(),
            next: Vec::new(),
            failure: None,
        };
        let bad = Row::failed("bad", "failed", Duration::ZERO, failure);
        outcomes.keep(&good, Some("7")).expect("a file");
        outcomes.keep(&bad, Some("7")).expect("a file");
        outcomes.keep_stage(3, &bad, &["c".to_owned()], Some("7")).expect("a file");
        assert_eq!(outcomes.find("good", Some("7")), Some(good.clone()));
        assert_eq!(outcomes.find("good", None), Some(good));
        assert_eq!(outcomes.find("good", Some("8")), None);
        let found = outcomes.find("bad", Some("7")).and_then(|row| row.failure).expect("it has failed");
        assert_eq!((found.kind, found.message.as_str()), (FailureKind::Build, "step `x` failed"));
        assert!(found.to_text(Terminal::PLAIN).starts_with("error: step `x` failed"), "{found:?}");
        let stages = outcomes.failed_stages(Some("7"));
        assert_eq!((stages[0].number, stages[0].images.as_slice()), (3, &["c".to_owned()][..]));
        outcomes.forget_cell("bad").expect("it is gone");
        outcomes.forget_cell("bad").expect("it is gone already");
        assert!(!outcomes.has_cell("bad") && outcomes.has_cell("good"));
    }
}
