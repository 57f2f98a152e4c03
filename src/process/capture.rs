//! Runs a short program and returns its output.

use std::io::{BufReader, Read as _};
use std::process::{Command, Stdio};

use super::child::{die_with_parent, kill_group};
use super::error::ProcessError;
use super::lines::Lines;
use super::tail::Tail;

/// Size limit of a program's standard output for [`capture`], in bytes: more than the map of any disk.
pub const CAPTURE_LIMIT: usize = 64 << 20;

/// Runs a short program and returns its standard output. More than [`CAPTURE_LIMIT`] bytes are an error.
pub fn capture(command: &mut Command) -> Result<String, ProcessError> {
    capture_within(command, CAPTURE_LIMIT)
}

pub(super) fn capture_within(command: &mut Command, limit: usize) -> Result<String, ProcessError> {
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
