//! Follows jobs of Slurm with the display of a local build.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::cli::build::Outcomes;
use crate::cli::failure::Failure;
use crate::cli::view::View;
use crate::engines::Workflow;
use crate::engines::slurm::{self, Submitted, Task, Work};
use crate::event::Event;
use crate::interrupt::Interrupt;
use crate::text::printable_lines;

/// Time between two questions to Slurm, and the least time between two looks for an interrupt.
const PAUSE: Duration = Duration::from_secs(1);
const BRIEFLY: Duration = Duration::from_millis(100);

/// Lines of the log of a job that has failed.
const TAIL: usize = 15;

/// How following has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// All jobs have ended.
    Ended,
    /// The user asked to stop.
    Interrupted,
}

/// A job, or a task of an array.
struct Watched {
    id: u64,
    index: Option<usize>,
    what: What,
    activity: &'static str,
    log: PathBuf,
    view: View,
    started: Option<Instant>,
    ended: bool,
}

enum What {
    Stage(usize),
    Cell(String),
    Collect,
}

/// Shows what jobs do until all have ended.
pub(super) fn follow(
    workflow: &Workflow,
    jobs: &[Submitted],
    run: &str,
    outcomes: &Outcomes,
    view: &View,
    interrupt: &Interrupt,
) -> Followed {
    let mut all = watched(workflow, jobs, view);
    let waiting = "wait for Slurm".to_owned();
    let (begun, mut waits, mut silent) = (Instant::now(), true, false);
    view.reporter().report(&Event::ActivityStarted { activity: waiting.clone() });
    loop {
        match slurm::tasks(run) {
            Ok(tasks) => {
                silent = false;
                if waits && (tasks.is_empty() || tasks.iter().any(|task| task.runs)) {
                    waits = false;
                    let (activity, elapsed) = (waiting.clone(), begun.elapsed());
                    view.reporter().report(&Event::ActivityFinished { activity, elapsed });
                }
                let tasks: BTreeMap<(u64, Option<usize>), &Task> =
                    tasks.iter().map(|task| ((task.id, task.index), task)).collect();
                all.iter_mut().for_each(|one| one.look(tasks.get(&(one.id, one.index)).copied(), run, outcomes));
                if tasks.is_empty() {
                    return Followed::Ended;
                }
            }
            Err(error) if !silent => {
                silent = true;
                let message = format!("Slurm does not answer, and is asked again: {error}");
                view.reporter().report(&Event::Warning { message });
            }
            Err(_) => {}
        }
        let asked = Instant::now();
        while asked.elapsed() < PAUSE {
            if interrupt.is_raised() {
                return Followed::Interrupted;
            }
            std::thread::sleep(BRIEFLY);
        }
    }
}

fn watched(workflow: &Workflow, jobs: &[Submitted], view: &View) -> Vec<Watched> {
    let longest = workflow.cells.iter().map(|cell| cell.name.chars().count()).max().unwrap_or(0).max(8);
    let logs = PathBuf::from(&workflow.out).join("log");
    let one = |id, index, what: What, activity, log: String| {
        let label = match &what {
            What::Stage(number) => format!("stage {number}"),
            What::Cell(name) => name.clone(),
            What::Collect => "all".to_owned(),
        };
        let view = view.of_image(&label, longest);
        Watched { id, index, what, activity, log: logs.join(log), view, started: None, ended: false }
    };
    let (mut all, mut pieces) = (Vec::new(), 0);
    for Submitted { work, id } in jobs {
        match work {
            Work::Stage(number) => {
                let log = format!("stage-{number}.log");
                all.push(one(*id, None, What::Stage(*number), "make the steps that images share", log));
            }
            Work::Cells(numbers) => {
                for (index, number) in numbers.iter().enumerate() {
                    let name = workflow.cells.iter().find(|cell| cell.number == *number).map(|cell| cell.name.clone());
                    let (name, log) = (name.unwrap_or_default(), format!("cells-{pieces}-{index}.log"));
                    all.push(one(*id, Some(index), What::Cell(name), "build the image", log));
                }
                pieces += 1;
            }
            Work::Collect => all.push(one(*id, None, What::Collect, "collect the results", "collect.log".to_owned())),
        }
    }
    all
}

impl Watched {
    /// Shows what has changed.
    fn look(&mut self, task: Option<&Task>, run: &str, outcomes: &Outcomes) {
        match task {
            _ if self.ended => {}
            Some(task) if task.runs => self.start(),
            // Slurm has put it back into the queue, because its node was lost.
            Some(_) if self.started.take().is_some() => {
                self.view.finish();
                self.view.note("is in the queue again: Slurm has lost its node");
            }
            Some(_) => {}
            None => self.end(run, outcomes),
        }
    }

    fn start(&mut self) {
        if self.started.is_none() {
            self.started = Some(Instant::now());
            self.view.reporter().report(&Event::ActivityStarted { activity: self.activity.to_owned() });
        }
    }

    fn end(&mut self, run: &str, outcomes: &Outcomes) {
        self.ended = true;
        let (known, failure) = match &self.what {
            What::Stage(number) => {
                let failed = outcomes.failed_stages(Some(run)).into_iter().find(|stage| stage.number == *number);
                (outcomes.has_stage(*number, run), failed.map(|stage| stage.failure))
            }
            What::Cell(name) => {
                let row = outcomes.find(name, Some(run));
                (row.is_some(), row.and_then(|row| row.failure))
            }
            What::Collect => (outcomes.file(&format!("collected-{run}")).exists(), None),
        };
        match (known, failure) {
            (true, None) => {
                let elapsed = self.started.map(|started| started.elapsed()).unwrap_or_default();
                let activity = self.activity.to_owned();
                self.view.reporter().report(&Event::ActivityFinished { activity, elapsed });
            }
            (_, Some(failure)) => self.failed(&failure),
            // One that has not begun was cancelled, because what it rests on has failed.
            (false, None) if self.started.is_some() => {
                self.view.finish();
                self.view.note("ended without a result");
                self.show_log();
            }
            (false, None) => {}
        }
    }

    fn failed(&self, failure: &Failure) {
        self.view.finish();
        self.view.note(&format!("failed: {}", failure.message));
        self.show_log();
    }

    /// Shows the end of the log.
    fn show_log(&self) {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = printable_lines(&String::from_utf8_lossy(&text));
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(TAIL)..] {
            self.view.note(&format!("  | {line}"));
        }
        self.view.note(&format!("the whole log is {}", self.log.display()));
    }
}
