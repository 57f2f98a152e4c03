//! Logs in to an instance and runs the script with the questions.

use std::time::{Duration, Instant};

use super::BootError;
use super::answers::Answers;
use super::guest::Guest;
use super::probe;
use super::settings::POLL;
use crate::machine::watch::{Limits, Sign, Trouble, Watch};
use crate::machine::{Machine, Ssh, SshError};
use crate::metadata;

/// Shortest limit for the SSH server to accept the key after the login prompt: the account exists by then, or never. A machine
/// that is slow to the prompt, such as one of another architecture on a busy host, gets half of that time.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The same limit after the first boot is complete, when accounts no longer change.
const SETTLED: Duration = Duration::from_secs(20);

/// Shortest limit for the script after the login.
const SHORTEST: Duration = Duration::from_secs(10);

/// Time for the questions themselves, besides the wait for the end of the first boot.
const GRACE: Duration = Duration::from_secs(30);

impl Guest<'_> {
    /// Waits until a login succeeds, and runs the script that `ask` makes from a nonce and the seconds left for the first boot.
    /// Otherwise returns the reason. `note` is called after each look at the console.
    pub(super) fn log_in(
        &self,
        machine: &mut Machine,
        ssh: &Ssh,
        ask: &dyn Fn(&str, u64) -> String,
        note: &mut (dyn FnMut(&Watch) + Send),
    ) -> Result<Result<Answers, Failed>, BootError> {
        let deadline = self.job.deadline;
        let mut watch = Watch::new(Limits::default());
        let (mut prompt, mut done, mut refused, mut listens) = (None, None, None, false);
        loop {
            if self.settings.interrupt.is_raised() {
                return Err(BootError::Interrupted);
            }
            machine.watch(&mut watch);
            note(&watch);
            if let Some(trouble) = stopped(&watch, listens) {
                return Ok(Err(Failed::Boot(Box::new(trouble.clone()))));
            }
            for (since, sign) in [(&mut prompt, Sign::LoginPrompt), (&mut done, Sign::CloudInitEnd)] {
                if since.is_none() && watch.verdict().seen(sign).is_some() {
                    *since = Some((Instant::now(), machine.started().elapsed()));
                }
            }
            let left = deadline.saturating_sub(machine.started().elapsed());
            if left.is_zero() {
                return Ok(Err(Failed::Late(deadline)));
            }
            listens = listens || ssh.greets();
            if listens {
                let limit = left.max(SHORTEST);
                let nonce = metadata::random_uuid().to_string();
                let script = as_root(&ask(&nonce, limit.as_secs()));
                // The console must be read while the script waits for the end of the first boot.
                let output = std::thread::scope(|scope| {
                    let asked = scope.spawn(|| ssh.run(&script, limit + GRACE));
                    while !asked.is_finished() {
                        std::thread::sleep(POLL);
                        machine.watch(&mut watch);
                        if stopped(&watch, listens).is_some() || self.settings.interrupt.is_raised() {
                            // The connection ends with the machine.
                            machine.kill();
                        }
                        note(&watch);
                    }
                    asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                });
                match output {
                    Ok(output) => {
                        return Ok(Answers::parse(&nonce, &output.text()).ok_or_else(|| {
                            let said = String::from_utf8_lossy(&output.stderr);
                            Failed::Answers(said.lines().map(str::to_owned).collect())
                        }));
                    }
                    Err(SshError::Refused(text)) => refused = Some(text),
                    Err(SshError::Failed(_)) => {}
                    Err(error @ SshError::Deadline(_)) => return Ok(Err(Failed::Answers(vec![error.to_string()]))),
                    Err(error @ SshError::Program { .. }) => return Err(BootError::Ssh(error)),
                }
            }
            let over = |since: Option<(Instant, Duration)>, shortest: Duration, part: u32| {
                since.is_some_and(|(since, took)| since.elapsed() > shortest.max(took / part))
            };
            // A system that still starts services on a busy host prints so, and its SSH server may be one of them.
            let settled = |machine: &Machine| listens || machine.serial().quiet >= SETTLED;
            if (over(prompt, TIMEOUT, 2) || over(done, SETTLED, 6)) && settled(machine) {
                let text = refused.unwrap_or_else(|| {
                    let up = machine.started().elapsed();
                    format!("there is a login prompt, and no SSH server that answers after {:.0} s", up.as_secs_f64())
                });
                return Ok(Err(Failed::Login(text)));
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Returns the problem that stopped an instance. A silent console is no problem if the SSH server answers.
fn stopped(watch: &Watch, listens: bool) -> Option<&Trouble> {
    watch.verdict().trouble.as_ref().filter(|trouble| !(listens && matches!(trouble, Trouble::Silence { .. })))
}

/// The reason why an instance could not be asked.
pub(super) enum Failed {
    /// It did not come up.
    Boot(Box<Trouble>),
    /// It did not come up in time.
    Late(Duration),
    /// It came up, and refused the login.
    Login(String),
    /// The login succeeded, but the script had no complete output.
    Answers(Vec<String>),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boot(trouble) => trouble.fmt(f),
            Self::Late(deadline) => write!(f, "it has not come up within {} s", deadline.as_secs()),
            Self::Login(text) => f.write_str(text),
            Self::Answers(said) => write!(f, "the login was not completed: {}", said.join("; ")),
        }
    }
}

/// Returns the script in a form that runs as root if that is allowed.
pub(super) fn as_root(script: &str) -> String {
    let quoted = probe::quote(script);
    format!(
        "s={quoted}\nif [ \"$(id -u)\" != 0 ] && sudo -n true 2>/dev/null; then exec sudo -n sh -c \"$s\"; else exec sh -c \"$s\"; fi\n"
    )
}
