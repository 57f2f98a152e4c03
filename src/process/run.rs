//! Runs a program and passes its output on, line by line.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::child::{die_with_parent, kill_group};
use super::error::ProcessError;
use super::lines::reader_threads;
use super::tail::Tail;
use crate::interrupt::Interrupt;

/// Pause between two checks of the interrupt flag.
const POLL: Duration = Duration::from_millis(50);

/// Runs a program to its end, and passes on each line of its standard output and standard error.
///
/// The child has no standard input and its own process group, and dies with the thread that started it. It and its group are
/// killed when `interrupt` is raised or the deadline passes. It waits while `on_line` is slow. A line longer than
/// [`crate::text::LINE_LIMIT`] is cut.
pub fn run_lines(
    command: &mut Command,
    interrupt: &Interrupt,
    deadline: Option<Duration>,
    on_line: impl FnMut(&str),
) -> Result<(), ProcessError> {
    run_lines_from(command, None, interrupt, deadline, on_line)
}

/// Runs a program like [`run_lines`], with a file as standard input, or none.
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
            // Both pipes are closed, so nothing in the group can write any more.
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
