//! The command `goldsmith log`: the log of a build, or of one step of it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::record::all;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::logfile::NAME;
use crate::cli::options::CacheOption;
use crate::cli::output::print;
use crate::cli::settings::Global;
use crate::fsx::IoContext as _;
use crate::text::printable;
use crate::yaml::near;

/// Names of the phases, which begin the names of steps.
const PHASES: [&str; 7] = ["base", "install", "configure", "boot", "finish", "clean", "finalize"];

/// Length of text that is printed at once, in bytes.
const PIECE: usize = 1 << 16;

/// `goldsmith log`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Log {
    /// An image by its name, or a directory of artifacts; without it, the last build with this cache
    #[arg(value_name = "IMAGE|DIR")]
    build: Option<String>,
    /// Only this step: `configure sshd`, or all steps of an element: `sshd`
    #[arg(long, value_name = "NAME")]
    step: Option<String>,
    /// The cache.
    #[command(flatten)]
    pub(in crate::cli) cache: CacheOption,
}

/// Prints the log of a build.
pub(in crate::cli) fn log(args: &Log, global: &Global) -> Result<(), Failure> {
    let path = find(args.build.as_deref(), &global.cache)?;
    let file = File::open(&path).at(&path).map_err(|error| hints::file(&error))?;
    let mut inside = false;
    let (mut found, mut steps) = (false, Vec::<String>::new());
    let mut out = String::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.at(&path).map_err(|error| hints::file(&error))?;
        let line = printable(&line);
        let (time, text) = line.split_once(' ').unwrap_or(("", line.as_str()));
        let event = event(text);
        let mut shown = true;
        if let Some(wanted) = &args.step {
            if let Some((step, ends)) = event {
                let is_it = step == wanted || step.split_once(' ').is_some_and(|(_, element)| element == wanted);
                if !steps.iter().any(|known| known == step) {
                    steps.push(step.to_owned());
                }
                shown = is_it;
                inside = is_it && !ends;
            } else {
                shown = inside;
            }
            found |= shown;
        }
        if shown {
            out.push_str(&if global.json {
                format!("{}\n", json!({ "time": time, "text": text }))
            } else {
                format!("{line}\n")
            });
        }
        if out.len() > PIECE {
            print(&out);
            out.clear();
        }
    }
    print(&out);
    match &args.step {
        Some(wanted) if !found => Err(unknown(wanted, &steps, &path)),
        _ => Ok(()),
    }
}

/// Returns the step that a line is about, and whether the step has ended.
fn event(text: &str) -> Option<(&str, bool)> {
    let (step, what) = text.split_once(": ")?;
    step.split_once(' ').filter(|(phase, _)| PHASES.contains(phase))?;
    let begins = what.starts_with("started") || what.starts_with("waiting for");
    let ends = what == "cached" || what.starts_with("done in") || what.starts_with("failed after");
    (begins || ends).then_some((step, ends))
}

/// Finds the log of a build.
fn find(build: Option<&str>, cache: &Path) -> Result<PathBuf, Failure> {
    let usage = |message: String| Failure::of(FailureKind::Usage, message);
    let records = all(cache);
    if let Some(word) = build {
        let log = Path::new(word).join(NAME);
        if log.is_file() {
            return Ok(log);
        }
        let named: Vec<_> = records.iter().filter(|record| record.name == word).collect();
        if named.is_empty() {
            let failure =
                usage(format!("no image `{word}` was built with this cache, and no directory {word} has a {NAME}"));
            return Err(match near(word, records.iter().map(|record| record.name.as_str())) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`goldsmith ls` lists what was built"),
            });
        }
        return named.iter().map(|record| record.dir.join(NAME)).find(|log| log.is_file()).ok_or_else(|| {
            usage(format!("{} has no {NAME} any more", named[0].dir.display()))
                .hint("a build in which a step runs writes one")
        });
    }
    let Some(last) = records.first() else {
        return Err(usage(format!("no build with the cache {} is recorded", cache.display()))
            .hint("name the directory of the artifacts: `goldsmith log DIR`"));
    };
    match last.dir.join(NAME) {
        log if log.is_file() => Ok(log),
        log => Err(usage(format!("the last build wrote into {}, which has no {NAME}", last.dir.display()))
            .hint(format!("a build in which a step runs writes {}", log.display()))),
    }
}

/// Fails for a step that the log does not have.
fn unknown(wanted: &str, steps: &[String], path: &Path) -> Failure {
    let failure = Failure::of(FailureKind::Usage, format!("{} has no step `{wanted}`", path.display()));
    let elements = steps.iter().filter_map(|step| Some(step.split_once(' ')?.1.to_owned()));
    match near(wanted, steps.iter().cloned().chain(elements)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None if steps.is_empty() => failure.hint("no step ran in this build"),
        None => failure.hint(format!("its steps are: {}", steps.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::describe;
    use crate::event::Event;
    use crate::plan::{Phase, StepId};

    /// The lines are those that the log's writer makes.
    #[test]
    fn lines_about_steps_are_known_from_others() {
        let step = || StepId { phase: Phase::Configure, element: "sshd".to_owned() };
        let elapsed = std::time::Duration::from_secs(3);
        let started = |reason| Event::StepStarted {
            step: step(),
            number: 1,
            steps: 2,
            reason,
            expected: Some(elapsed),
            rest: None,
        };
        for (made, ends) in [
            (started(None), false),
            (started(Some("x: done in".to_owned())), false),
            (Event::Waiting { step: step() }, false),
            (Event::StepCached { step: step(), number: 1, remote: false }, true),
            (Event::StepFinished { step: step(), elapsed }, true),
            (Event::StepFailed { step: step(), elapsed }, true),
        ] {
            assert_eq!(event(&describe(&made)), Some(("configure sshd", ends)), "{made:?}");
        }
        let output = Event::Output { line: "configure sshd: done in 3 s".to_owned() };
        assert_eq!(event(&describe(&output)), None);
        assert_eq!(event("start the guest: started"), None);
        for phase in
            [Phase::Base, Phase::Install, Phase::Configure, Phase::Boot, Phase::Finish, Phase::Clean, Phase::Finalize]
        {
            assert!(PHASES.contains(&phase.name()), "{phase:?}");
        }
    }
}
