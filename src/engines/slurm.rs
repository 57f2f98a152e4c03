//! Slurm's own programs: submits the jobs of a workflow, asks for their states, and cancels them.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::process::{ProcessError, capture};

/// What a job of a workflow does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// It makes the steps of the stage with this number.
    Stage(usize),
    /// Each of its tasks makes one of the images with these numbers.
    Cells(Vec<usize>),
    /// It collects the results.
    Collect,
}

/// A job that was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// What it does.
    pub work: Work,
    /// Its number.
    pub id: u64,
}

/// A task that waits or runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Number of its job.
    pub id: u64,
    /// Its number in an array.
    pub index: Option<usize>,
    /// Whether it runs, and does not wait for something.
    pub runs: bool,
    /// Why it waits, in Slurm's words.
    pub reason: String,
}

/// An error of Slurm's programs.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// A program failed.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// A program said something else than expected.
    #[error("cannot read what {program} says: {line}")]
    Unreadable {
        /// The program.
        program: &'static str,
        /// What it said.
        line: String,
    },
}

/// Returns the largest array that this Slurm takes.
///
/// # Errors
///
/// If Slurm does not answer.
pub fn largest_array() -> Result<Option<usize>, SlurmError> {
    let text = capture(Command::new("scontrol").args(["show", "config"]))?;
    let value = text.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize")?.split_once('='));
    // The numbers of tasks are below it.
    Ok(value.and_then(|(_, number)| number.trim().parse::<usize>().ok()).map(|number| number.saturating_sub(1).max(1)))
}

/// Submits all jobs by the script of a workflow. `environment` is what they get besides the environment of this process.
///
/// # Errors
///
/// If Slurm refuses a job. Those before it are submitted.
pub fn submit(
    script: &Path,
    run: &str,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<Submitted>, SlurmError> {
    let mut bash = Command::new("bash");
    bash.arg(script).env("GOLDSMITH_MATRIX_RUN", run).envs(environment);
    capture(&mut bash)?.lines().map(submitted).collect()
}

/// Reads a line of the script.
fn submitted(line: &str) -> Result<Submitted, SlurmError> {
    let read = || {
        let (what, id) = line.split_once(": job ")?;
        let mut words = what.split(' ');
        let kind = words.next()?;
        let numbers: Vec<usize> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        let work = match (kind, numbers.as_slice()) {
            ("stage", [number]) => Work::Stage(*number),
            ("cells", [_, ..]) => Work::Cells(numbers),
            ("collect", []) => Work::Collect,
            _ => return None,
        };
        Some(Submitted { work, id: id.parse().ok()? })
    };
    read().ok_or_else(|| SlurmError::Unreadable { program: "sbatch", line: line.to_owned() })
}

/// Returns the tasks of a run that wait or run.
///
/// # Errors
///
/// If Slurm does not answer.
pub fn tasks(run: &str) -> Result<Vec<Task>, SlurmError> {
    let mut squeue = Command::new("squeue");
    squeue.args(["--me", "--noheader", "--array", "--format=%F|%K|%T|%k|%r"]);
    let text = capture(&mut squeue)?;
    text.lines().filter_map(|line| task(line, run)).collect()
}

/// Reads a line of squeue; `None` if the task belongs to something else.
fn task(line: &str, run: &str) -> Option<Result<Task, SlurmError>> {
    let mut parts = line.trim().splitn(5, '|');
    let (id, index, state, comment) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if comment.strip_prefix("goldsmith ") != Some(run) {
        return None;
    }
    let unreadable = || SlurmError::Unreadable { program: "squeue", line: line.to_owned() };
    Some(id.parse().map_err(|_| unreadable()).map(|id| Task {
        id,
        index: index.parse().ok(),
        runs: ["RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"].contains(&state),
        reason: parts.next().unwrap_or_default().to_owned(),
    }))
}

/// Cancels jobs. Those that have ended are no error.
///
/// # Errors
///
/// If Slurm does not answer.
pub fn cancel(ids: impl IntoIterator<Item = u64>) -> Result<(), SlurmError> {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    if !ids.is_empty() {
        capture(Command::new("scancel").arg("--quiet").args(ids))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_programs_are_read() {
        let read = |line| submitted(line).ok();
        assert_eq!(read("stage 1: job 12"), Some(Submitted { work: Work::Stage(1), id: 12 }));
        assert_eq!(read("cells 0 2: job 13"), Some(Submitted { work: Work::Cells(vec![0, 2]), id: 13 }));
        assert_eq!(read("collect: job 14"), Some(Submitted { work: Work::Collect, id: 14 }));
        for line in ["", "stage: job 1", "cells: job 1", "collect 1: job 1", "stage 1: job x", "sbatch: error"] {
            assert_eq!(read(line), None, "{line}");
        }
        let task = |line| task(line, "r1").map(|task| task.expect("a task"));
        let running = Task { id: 13, index: Some(2), runs: true, reason: "None".to_owned() };
        assert_eq!(task("13|2|RUNNING|goldsmith r1|None"), Some(running));
        let waiting = Task { id: 14, index: None, runs: false, reason: "Dependency".to_owned() };
        assert_eq!(task("14|N/A|PENDING|goldsmith r1|Dependency"), Some(waiting));
        assert_eq!(task("15|N/A|PENDING|goldsmith r10|Dependency"), None);
        assert_eq!(task("15|N/A|PENDING|(null)|Priority"), None);
    }
}
