//! The option `--on-failure`: discards or keeps the disk of a failed step, opens a shell in it, or lets other programs work in it.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::build::actions::ActionError;
use crate::build::{AfterFailure, OnFailure};
use crate::guest::Guest;
use crate::interrupt::Interrupt;
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
    /// Keep the guest running, for commands by `goldsmith exec`
    Wait,
}

/// A handler of failed steps, which does what the user chose.
pub(super) struct Handler<'a> {
    pub(super) wish: OnFailureOption,
    /// Path for the disk of a failed step.
    pub(super) kept: PathBuf,
    /// Path for the socket of a guest that waits.
    pub(super) socket: PathBuf,
    /// Ends the wait.
    pub(super) interrupt: &'a Interrupt,
    /// Function that hides the progress display while a person types.
    pub(super) suspend: &'a dyn Fn(&mut dyn FnMut()),
}

impl OnFailure for Handler<'_> {
    fn failed(&mut self, step: &StepId, error: &ActionError, guest: &mut dyn Guest) -> AfterFailure {
        match self.wish {
            OnFailureOption::Clean => AfterFailure::Clean,
            OnFailureOption::Keep => AfterFailure::Keep(self.kept.clone()),
            OnFailureOption::Wait => {
                let mut after = AfterFailure::Clean;
                (self.suspend)(&mut || after = wait(step, error, guest, &self.socket, self.interrupt));
                after
            }
            OnFailureOption::Shell if !std::io::stdin().is_terminal() => AfterFailure::Clean,
            OnFailureOption::Shell => {
                let mut after = AfterFailure::Clean;
                (self.suspend)(&mut || after = shell(step, error, guest));
                after
            }
        }
    }
}

/// Prints a text. A person who cannot see it cannot answer either: then the build ends.
fn say(text: &str) {
    let mut stderr = std::io::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Says what has failed.
fn report(step: &StepId, error: &ActionError) {
    say(&format!("step `{step}` failed: {error}\n"));
    for line in error.tail() {
        say(&format!("  | {line}\n"));
    }
}

/// Lets other programs work in the guest, until one of them says how to go on.
fn wait(
    step: &StepId,
    error: &ActionError,
    guest: &mut dyn Guest,
    socket: &Path,
    interrupt: &Interrupt,
) -> AfterFailure {
    report(step, error);
    say("\nThe guest waits, with the image as the failed step left it. In another terminal:\n\n  \
         goldsmith exec -- COMMAND   runs a command in the image\n  \
         goldsmith exec --retry      runs the step again from its beginning\n  \
         goldsmith exec --end        ends the build, as Ctrl-C does here\n\n");
    crate::build::wait(guest, socket, interrupt).unwrap_or_else(|error| {
        say(&format!("the wait ended: {error}\n"));
        AfterFailure::Clean
    })
}

/// Lets a person look around in the guest, then asks how to go on.
fn shell(step: &StepId, error: &ActionError, guest: &mut dyn Guest) -> AfterFailure {
    report(step, error);
    say("\nThis is a shell in the image, as the failed step left it. Leave it with `exit`.\n\n");
    if let Err(error) = crate::cli::terminal::guest_shell(guest) {
        say(&format!("the shell ended: {error}\n"));
        return AfterFailure::Clean;
    }
    loop {
        say("\nrun the step [a]gain from its beginning, or [e]nd the build? ");
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
