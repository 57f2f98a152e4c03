//! The one wrapper for child processes.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::interrupt::Interrupt;

/// How long the wait for a child sleeps between looks at the interrupt flag.
const POLL: Duration = Duration::from_millis(50);

/// How many lines of a failed program's output its error quotes.
pub const TAIL_LINES: usize = 30;

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
/// started it. It and its group are killed when `interrupt` is raised or the deadline passes.
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
    let lines = reader_threads([
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ]);
    let mut tail = Vec::new();
    let stopped = loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => {
                if tail.len() == TAIL_LINES {
                    tail.remove(0);
                }
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
            break Some(ProcessError::Deadline { program: program.clone(), deadline, tail: tail.clone() });
        }
    };
    if stopped.is_some()
        && let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed())
    {
        // The group may be gone already, which is what is wanted.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let status = child.wait().map_err(|source| ProcessError::Start { program: program.clone(), source })?;
    match stopped {
        Some(error) => Err(error),
        None if status.success() => Ok(()),
        None => Err(ProcessError::Failed { program, status, tail }),
    }
}

/// Runs a short program and returns its standard output.
pub fn capture(command: &mut Command) -> Result<String, ProcessError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = die_with_parent(command)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ProcessError::Start { program: program.clone(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].to_vec();
    Err(ProcessError::Failed { program, status: output.status, tail })
}

/// Puts a child into a process group of its own and has the kernel kill it when the thread that
/// starts it ends, however it ends.
pub fn die_with_parent(command: &mut Command) -> &mut Command {
    command.process_group(0);
    // SAFETY: prctl is a system call without memory effects, allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
                .map_err(io::Error::from)
        })
    }
}

fn reader_threads(pipes: [Option<Box<dyn Read + Send>>; 2]) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    for pipe in pipes.into_iter().flatten() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while let Ok(true) = read_line(&mut reader, &mut line) {
                if sender.send(crate::text::printable(&line)).is_err() {
                    return;
                }
                line.clear();
            }
        });
    }
    receiver
}

/// Reads up to the next line feed or carriage return: a progress display ends its lines with the latter. A line
/// feed after a carriage return belongs to it. False at the end.
fn read_line(reader: &mut impl io::BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(!line.is_empty());
        }
        if line.last() == Some(&b'\r') {
            if buffer[0] == b'\n' {
                reader.consume(1);
            }
            return Ok(true);
        }
        let end = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let taken = end.map_or(buffer.len(), |end| end + 1);
        line.extend_from_slice(&buffer[..taken]);
        reader.consume(taken);
        if line.last() == Some(&b'\n') {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_displays_arrive_line_by_line() {
        let mut command = Command::new("printf");
        command.arg("10%%\\r20%%\\rdone\\r\\n\\nlast");
        let mut lines = Vec::new();
        run_lines(&mut command, &Interrupt::new(), None, |line| lines.push(line.to_owned())).expect("printf");
        assert_eq!(lines, ["10%", "20%", "done", "", "last"]);
    }
}
