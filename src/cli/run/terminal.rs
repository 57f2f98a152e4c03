//! The terminal of `goldsmith run`: connects it with the machine's console, and explains the machine's end.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::console::{ConsoleSession, Cut, Raw, SHUTDOWN_TIMEOUT, remark};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::image_session::ImageSession;
use crate::cli::jsonl::JsonReporter;
use crate::cli::output::{StandardOutput, line};
use crate::machine::watch::Trouble;
use crate::machine::{End, Machine, Ssh};

/// A reporter of a running machine's events, for programs.
pub(super) type Json = JsonReporter<StandardOutput>;

/// Time between two looks whether the SSH server greets.
const SSH_POLL: Duration = Duration::from_secs(1);

/// Connects the console with this process's terminal, or shows it, until the machine has ended.
pub(super) fn attend(
    machine: &mut Machine,
    ssh: &Ssh,
    json: Option<&Arc<Json>>,
    session: &ImageSession,
) -> Result<(End, Option<Cut>), Failure> {
    let failed = |error: io::Error| Failure::new(FailureKind::Host, &error);
    let console = machine.console().expect("it was lent, and nobody has taken it");
    let stdin = io::stdin();
    let person = json.is_none() && stdin.is_terminal();
    let output = match json {
        Some(_) => None,
        None => Some(File::from(io::stdout().as_fd().try_clone_to_owned().map_err(failed)?)),
    };
    let _raw = if person { Some(Raw::enter(&session.interrupt).map_err(failed)?) } else { None };
    if person {
        // Not earlier: keys that are typed before are lost.
        remark("Ctrl-] leaves this console: it presses the power button, and again, cuts the power", true);
    }
    let ended = Arc::new(AtomicBool::new(false));
    await_ssh(ssh.clone(), Arc::clone(&ended), json.cloned(), person);
    let keys = person.then(|| stdin.as_fd());
    let stayed = ConsoleSession::new(machine, console, output, keys).and_then(ConsoleSession::stay);
    ended.store(true, Ordering::SeqCst);
    stayed.map_err(failed)
}

/// Prints the SSH command when the server greets: until then a boot loader may have cleared the screen.
fn await_ssh(ssh: Ssh, ended: Arc<AtomicBool>, json: Option<Arc<Json>>, person: bool) {
    std::thread::spawn(move || {
        while !ssh.greets() {
            std::thread::sleep(SSH_POLL);
            if ended.load(Ordering::SeqCst) {
                return;
            }
        }
        match json {
            Some(json) => json.line(&json!({ "event": "ssh-answers" })),
            None => remark(&format!("SSH answers: {}", line(ssh.command().iter().map(String::as_str))), person),
        }
    });
}

/// Converts the end of the machine into the result of the command.
pub(super) fn ended(end: &End, cut: Option<Cut>, session: &ImageSession) -> Result<(), Failure> {
    let interrupted = |message: String| Err(Failure::of(FailureKind::Interrupted, message));
    match (end, cut) {
        (End::PoweredOff, _) => Ok(()),
        (End::Killed, Some(Cut::Again)) => interrupted("the power was cut before the system had shut down".to_owned()),
        (End::Killed, Some(Cut::Late)) => interrupted(format!(
            "the power was cut: the system did not shut down within {} s of the power button",
            SHUTDOWN_TIMEOUT.as_secs()
        )),
        (End::Killed, None) if session.interrupt.is_raised() => interrupted("interrupted".to_owned()),
        (End::Killed, None) => Err(Failure::of(FailureKind::Host, "another program ended QEMU")),
        (end, _) => Err(Failure::of(FailureKind::Host, Trouble::Ended(end.clone()).to_string())),
    }
}

/// Prints a text for a person.
pub(super) fn print_to_stderr(text: &str) {
    // Standard error may be closed: then nobody wants the text.
    let _ = io::stderr().write_all(text.as_bytes());
}
