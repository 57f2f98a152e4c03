//! The one wrapper for child processes.

mod environment;
mod lines;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub use environment::{names_credential, withhold};
use lines::{Lines, reader_threads};

use crate::interrupt::Interrupt;

/// How long the wait for a child sleeps between looks at the interrupt flag.
const POLL: Duration = Duration::from_millis(50);

/// How many lines of a failed program's output its error quotes.
pub const TAIL_LINES: usize = 30;

/// Most bytes of a program's standard output that [`capture`] takes: more than the map of any disk.
pub const CAPTURE_LIMIT: usize = 64 << 20;

/// A child process that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program could not be started.
    #[error("cannot run {program}")]
    Start {
        /// Name of the program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program ended with an error.
    #[error("{program} failed ({status}){}", quoted(tail))]
    Failed {
        /// Name of the program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it printed.
        tail: Vec<String>,
    },
    /// The program was ended because its time was over.
    #[error("{program} was stopped after {} s{}", deadline.as_secs(), quoted(tail))]
    Deadline {
        /// Name of the program.
        program: String,
        /// How long it was given.
        deadline: Duration,
        /// The last lines it printed.
        tail: Vec<String>,
    },
    /// The program was ended because it printed too much.
    #[error("{program} was stopped: it printed more than {limit} bytes")]
    TooMuch {
        /// Name of the program.
        program: String,
        /// How much it may print.
        limit: usize,
    },
    /// The program was ended because the user asked for it.
    #[error("interrupted")]
    Interrupted,
}

fn quoted(tail: &[String]) -> String {
    if tail.is_empty() { String::new() } else { format!(":\n  {}", tail.join("\n  ")) }
}

/// Runs a program to its end and passes on each line of its standard output and standard error.
///
/// The child gets no standard input, a process group of its own, and dies with the thread that
/// started it. It and its group are killed when `interrupt` is raised or the deadline passes. It waits while `on_line` is
/// slow; a line longer than [`crate::text::LINE_LIMIT`] is cut.
pub fn run_lines(
    command: &mut Command,
    interrupt: &Interrupt,
    deadline: Option<Duration>,
    on_line: impl FnMut(&str),
) -> Result<(), ProcessError> {
    run_lines_from(command, None, interrupt, deadline, on_line)
}

/// [`run_lines`] of a program that reads a file from its standard input, or nothing.
pub fn run_lines_from(
    command: &mut Command,
    input: Option<File>,
    interrupt: &Interrupt,
    deadline: Option<Duration>,
    mut on_line: impl FnMut(&str),
) -> Result<(), ProcessError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let started = Instant::now();
    let mut child = die_with_parent(command)
        .stdin(input.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| ProcessError::Start { program: program.clone(), source })?;
    let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let lines = reader_threads([stdout, stderr].into_iter().flatten());
    let mut tail = Tail::default();
    let stopped = loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => {
                on_line(&line);
                tail.push(line);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // Both pipes are closed: nothing of the group writes any more.
            Err(mpsc::RecvTimeoutError::Disconnected) => break None,
        }
        if interrupt.is_raised() {
            break Some(ProcessError::Interrupted);
        }
        if let Some(deadline) = deadline.filter(|deadline| started.elapsed() > *deadline) {
            break Some(ProcessError::Deadline { program: program.clone(), deadline, tail: tail.lines() });
        }
    };
    if stopped.is_some() {
        kill_group(&child);
    }
    let status = child.wait().map_err(|source| ProcessError::Start { program: program.clone(), source })?;
    match stopped {
        Some(error) => Err(error),
        None if status.success() => Ok(()),
        None => Err(ProcessError::Failed { program, status, tail: tail.lines() }),
    }
}

/// The last lines of a program.
#[derive(Default)]
struct Tail(VecDeque<String>);

impl Tail {
    fn push(&mut self, line: String) {
        if self.0.len() == TAIL_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

/// Ends a child and all of its group.
fn kill_group(child: &std::process::Child) {
    if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
        // The group may be gone already, which is what is wanted.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// Runs a short program and returns its standard output, of at most [`CAPTURE_LIMIT`] bytes.
pub fn capture(command: &mut Command) -> Result<String, ProcessError> {
    capture_within(command, CAPTURE_LIMIT)
}

fn capture_within(command: &mut Command, limit: usize) -> Result<String, ProcessError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let broken = |source| ProcessError::Start { program: program.clone(), source };
    let mut child = die_with_parent(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(broken)?;
    let stderr = child.stderr.take();
    let listener = std::thread::spawn(move || {
        let mut tail = Tail::default();
        stderr.into_iter().flat_map(|pipe| Lines::new(BufReader::new(pipe))).for_each(|line| tail.push(line));
        tail.lines()
    });
    let mut output = Vec::new();
    let read = child.stdout.take().map_or(Ok(0), |pipe| pipe.take(limit as u64 + 1).read_to_end(&mut output));
    if read.is_err() || output.len() > limit {
        kill_group(&child);
    }
    let status = child.wait().map_err(broken)?;
    read.map_err(broken)?;
    if output.len() > limit {
        return Err(ProcessError::TooMuch { program, limit });
    }
    let tail = listener.join().unwrap_or_default();
    if status.success() {
        return Ok(String::from_utf8_lossy(&output).into_owned());
    }
    Err(ProcessError::Failed { program, status, tail })
}

/// Puts a child into a process group of its own and has the kernel kill it when the thread that starts it ends, however
/// it ends. The child leaves no core dump, in which secrets of the image would be, and does not see the credentials in
/// this process's environment.
pub fn die_with_parent(command: &mut Command) -> &mut Command {
    environment::without_credentials(command);
    command.process_group(0);
    let parent = rustix::process::getpid();
    // SAFETY: prctl, getppid and setrlimit are system calls without memory effects, allowed between fork and exec.
    unsafe { command.pre_exec(move || bind(parent)) }
}

/// In the child: ends with the parent.
fn bind(parent: rustix::process::Pid) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // If the parent has died before, nothing will come of it: another process is the parent now.
    if getppid() != Some(parent) {
        return Err(io::Error::from(rustix::io::Errno::SRCH));
    }
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

#[cfg(test)]
mod tests;
