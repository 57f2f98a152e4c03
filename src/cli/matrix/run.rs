//! `goldsmith matrix run`: submits the jobs of a matrix, follows them, and ends as a build on one machine would.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::args::MatrixRun;
use super::follow::{Followed, follow};
use super::{collect, workflow};
use crate::cli::build::{Outcomes, failures, print_rows, write_junit};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::settings::Global;
use crate::cli::signals;
use crate::cli::view::View;
use crate::digest::Sha256;
use crate::engines::slurm::{self, SlurmError, Submitted};
use crate::engines::{Engine, Workflow};
use crate::fsx::{IoContext as _, PathError, write_atomic};

/// File with the jobs of a run.
const STATE: &str = "slurm.json";

/// Longest time until cancelled jobs are gone.
const CANCELLED: Duration = Duration::from_secs(90);

/// The jobs of a run, for a process that comes later.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    run: String,
    /// Digest of the script that submitted them.
    script: String,
    /// The jobs; `None` while they are being submitted.
    jobs: Option<Vec<Submitted>>,
}

/// Submits the jobs or finds those of an earlier process, and follows them to their end.
pub(super) fn run(args: &MatrixRun, grammar: &clap::Command, global: &Global) -> Result<(), Failure> {
    let interrupt = signals::interrupt()?;
    let most = slurm::largest_array().map_err(|error| of_slurm(&error))?;
    let workflow = workflow::of(&args.build, Engine::Slurm, None, grammar, global)?;
    let script = Engine::Slurm.write(&workflow, most).map_err(|error| Failure::new(FailureKind::Usage, &error))?;
    let out = Path::new(&workflow.out);
    let outcomes = Outcomes::below(out);
    let place = outcomes.file(STATE);
    let view = View::new(global);
    let state = match found(&place, &script)? {
        Some(state) => {
            view.note(&format!("the jobs of run {} were submitted before, and are followed now", state.run));
            state
        }
        None => submit(&script, &outcomes, &place)?,
    };
    let State { run, jobs, .. } = state;
    let jobs = jobs.unwrap_or_default();
    let followed = follow(&workflow, &jobs, &run, &outcomes, &view, &interrupt);
    view.finish();
    match followed {
        Followed::Ended => {}
        Followed::Interrupted => return interrupted(&run, &jobs, &place),
    }
    let rows = collect::rows(&outcomes, workflow.cells.iter().map(|cell| cell.name.as_str()), Some(&run));
    print_rows(&rows, global);
    write_junit(out, &rows)?;
    let end = outcomes.file(&format!("collected-{run}"));
    let collected = std::fs::read_to_string(&end).ok();
    forget(&place)?;
    for path in [end, outcomes.file(&format!("slurm-{run}.sh"))] {
        // If it stays, it harms nobody.
        let _ = std::fs::remove_file(path);
    }
    let last = last(&workflow, collected.as_deref());
    // Where an image has failed, the last job has failed for that reason.
    if rows.iter().any(|row| row.failure.is_some()) { failures(rows, Ok(()), global) } else { last }
}

/// Returns how the last job has ended, if all images are made.
fn last(workflow: &Workflow, collected: Option<&str>) -> Result<(), Failure> {
    let log = format!("its log is {}/log/collect.log", workflow.out);
    let (kind, message) = match collected.map(str::trim) {
        Some("0") => return Ok(()),
        Some("14") => (FailureKind::Publish, "the images are made, but not all are published".to_owned()),
        Some(code) => {
            (FailureKind::Host, format!("the job that collects the results has failed with exit code {code}"))
        }
        None => (FailureKind::Host, "the job that collects the results has not run to its end".to_owned()),
    };
    Err(Failure::of(kind, message).hint(log))
}

/// Finds the jobs of an earlier process. Jobs of which not all were submitted are cancelled.
fn found(place: &Path, script: &str) -> Result<Option<State>, Failure> {
    let Some(state) = std::fs::read(place).ok().and_then(|text| serde_json::from_slice::<State>(&text).ok()) else {
        return Ok(None);
    };
    let tasks = slurm::tasks(&state.run).map_err(|error| of_slurm(&error))?;
    let same = state.script == digest(script);
    match &state.jobs {
        Some(_) if same => return Ok(Some(state)),
        Some(jobs) if !tasks.is_empty() => {
            let ids: Vec<String> = jobs.iter().map(|job| job.id.to_string()).collect();
            let message = format!("jobs of another plan still run for this directory, by {}", place.display());
            return Err(Failure::of(FailureKind::Usage, message)
                .hint(format!("wait for them, or cancel them: `scancel {}`", ids.join(" "))));
        }
        Some(_) => {}
        None => slurm::cancel(tasks.iter().map(|task| task.id)).map_err(|error| of_slurm(&error))?,
    }
    Ok(None)
}

/// Submits all jobs.
fn submit(script: &str, outcomes: &Outcomes, place: &Path) -> Result<State, Failure> {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
    let run = format!("{now}-{}", std::process::id());
    let path = outcomes.file(&format!("slurm-{run}.sh"));
    write(&path, script)?;
    let mut state = State { run, script: digest(script), jobs: None };
    // Whoever comes after a crash finds the jobs by the name of the run.
    state.write(place)?;
    // The nodes need what the remote cache wants to know of this user.
    let keys = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_"));
    match slurm::submit(&path, &state.run, keys) {
        Ok(jobs) => state.jobs = Some(jobs),
        Err(error) => {
            let begun = slurm::tasks(&state.run).unwrap_or_default();
            let cancelled = slurm::cancel(begun.iter().map(|task| task.id));
            if cancelled.is_ok() {
                forget(place)?;
            }
            return Err(of_slurm(&error));
        }
    }
    state.write(place)?;
    Ok(state)
}

/// Cancels the jobs, and waits until they are gone.
fn interrupted(run: &str, jobs: &[Submitted], place: &Path) -> Result<(), Failure> {
    let ids: Vec<String> = jobs.iter().map(|job| job.id.to_string()).collect();
    let by_hand = format!("cancel them: `scancel {}`", ids.join(" "));
    let stay = |error: &SlurmError| Failure { hints: vec![by_hand.clone()], ..of_slurm(error) };
    slurm::cancel(jobs.iter().map(|job| job.id)).map_err(|error| stay(&error))?;
    let begun = Instant::now();
    while !slurm::tasks(run).map_err(|error| stay(&error))?.is_empty() {
        if begun.elapsed() > CANCELLED {
            return Err(
                Failure::of(FailureKind::Host, "some jobs have not ended although they are cancelled").hint(by_hand)
            );
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    forget(place)?;
    Err(Failure::of(FailureKind::Interrupted, "the user has interrupted the build; its jobs are cancelled"))
}

impl State {
    fn write(&self, place: &Path) -> Result<(), Failure> {
        write(place, &format!("{:#}\n", serde_json::json!(self)))
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: PathError| Failure::new(FailureKind::Host, &error);
    let dir = path.parent().map(PathBuf::from).unwrap_or_default();
    std::fs::create_dir_all(&dir).at(&dir).map_err(failed)?;
    write_atomic(path, text.as_bytes()).map_err(failed)
}

fn forget(place: &Path) -> Result<(), Failure> {
    std::fs::remove_file(place).at(place).map_err(|error| Failure::new(FailureKind::Host, &error))
}

fn digest(script: &str) -> String {
    Sha256::of(script.as_bytes()).to_string()
}

pub(super) fn of_slurm(error: &SlurmError) -> Failure {
    Failure::new(FailureKind::Host, error).hint("`sinfo` shows whether Slurm answers on this machine")
}
