//! The option `--on-failure`: discards or keeps the disk of a failed step, or opens a shell in it.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::ValueEnum;

use crate::build::actions::ActionError;
use crate::build::{AfterFailure, OnFailure};
use crate::guest::Guest;
use crate::plan::StepId;

/// `--on-failure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum OnFailureOption {
    /// Discard the failed step
    Clean,
    /// Keep the disk of the failed step as a file
    Keep,
    /// Open a shell in the guest, in the failed step
    Shell,
}

/// A handler of failed steps, which does what the user chose.
pub(super) struct Handler<'a> {
    pub(super) wish: OnFailureOption,
    /// Path for the disk of a failed step.
    pub(super) kept: PathBuf,
    /// Function that hides the progress display while a person types.
    pub(super) suspend: &'a dyn Fn(&mut dyn FnMut()),
}

impl OnFailure for Handler<'_> {
    fn failed(&mut self, step: &StepId, error: &ActionError, guest: &mut dyn Guest) -> AfterFailure {
        match self.wish {
            OnFailureOption::Clean => AfterFailure::Clean,
            OnFailureOption::Keep => AfterFailure::Keep(self.kept.clone()),
            OnFailureOption::Shell if !std::io::stdin().is_terminal() => AfterFailure::Clean,
            OnFailureOption::Shell => {
                let mut after = AfterFailure::Clean;
                (self.suspend)(&mut || after = shell(step, error, guest));
                after
            }
        }
    }
}

/// Lets a person look around in the guest, then asks how to go on.
fn shell(step: &StepId, error: &ActionError, guest: &mut dyn Guest) -> AfterFailure {
    let mut stderr = std::io::stderr();
    let mut say = |text: String| {
        // A person who cannot see this text cannot answer either: the questions below then end the build.
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    };
    say(format!("step `{step}` failed: {error}\n"));
    for line in error.tail() {
        say(format!("  | {line}\n"));
    }
    say("\nThis is a shell in the image, as the failed step left it. Leave it with `exit`.\n\n".to_owned());
    if let Err(error) = crate::cli::terminal::guest_shell(guest) {
        say(format!("the shell ended: {error}\n"));
        return AfterFailure::Clean;
    }
    loop {
        say("\nrun the step [a]gain from its beginning, or [e]nd the build? ".to_owned());
        let mut answer = String::new();
        match std::io::stdin().lock().read_line(&mut answer) {
            Ok(0) | Err(_) => return AfterFailure::Clean,
            Ok(_) => match answer.trim() {
                "a" | "again" | "r" | "retry" => return AfterFailure::Retry,
                "e" | "end" | "q" => return AfterFailure::Clean,
                _ => {}
            },
        }
    }
}
