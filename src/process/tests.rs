use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use super::capture::capture_within;
use super::child::bind;
use super::*;
use crate::interrupt::Interrupt;
use crate::text::{CUT, LINE_LIMIT};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn progress_displays_arrive_line_by_line() {
    let mut command = Command::new("printf");
    command.arg("10%%\\r20%%\\rdone\\r\\n\\nlast");
    let mut lines = Vec::new();
    run_lines(&mut command, &Interrupt::new(), None, |line| lines.push(line.to_owned())).expect("printf");
    assert_eq!(lines, ["10%", "20%", "done", "", "last"]);
}

#[test]
fn a_long_line_is_cut_and_says_so() {
    let mut lines = Vec::new();
    let mut command = shell("head -c 50000000 /dev/zero | tr '\\0' x; echo; echo end");
    run_lines(&mut command, &Interrupt::new(), None, |line| lines.push(line.to_owned())).expect("a shell");
    assert_eq!(lines.len(), 2);
    assert!(lines[0].len() <= LINE_LIMIT && lines[0].ends_with(CUT), "{}", lines[0].len());
    assert_eq!(lines[1], "end");
}

/// Returns the number of bytes that a process has written so far.
fn written(file: &std::path::Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

#[test]
fn a_child_waits_for_who_takes_its_lines() {
    let dir = tempfile::tempdir().expect("a directory");
    let told = dir.path().join("told");
    // The script records every line before it prints it.
    let script = format!("while :; do printf x >>{}; echo {}; done", told.display(), "y".repeat(4000));
    let interrupt = Interrupt::new();
    let mut taken = 0;
    let error = run_lines(&mut shell(&script), &interrupt, None, |_| {
        taken += 1;
        if taken == 1 {
            // This ends when it writes no more, because pipe and channel are full.
            let (mut before, mut still) = (0, 0);
            while still < 20 {
                std::thread::sleep(Duration::from_millis(50));
                let now = written(&told);
                still = if now == before && now > 0 { still + 1 } else { 0 };
                before = now;
            }
            interrupt.raise();
        }
    });
    assert!(matches!(error, Err(ProcessError::Interrupted)), "{error:?}");
    assert!(written(&told) < 1000, "{} lines were not waited for", written(&told));
}

#[test]
fn a_flood_is_ended_at_the_deadline() {
    let started = Instant::now();
    let error = run_lines(&mut shell("yes"), &Interrupt::new(), Some(Duration::from_millis(300)), |_| {});
    assert!(matches!(error, Err(ProcessError::Deadline { .. })), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn what_is_captured_has_a_limit() {
    assert_eq!(capture_within(&mut shell("printf 0123456789"), 10).expect("a shell"), "0123456789");
    let error = capture_within(&mut shell("printf 0123456789x; yes"), 10).expect_err("too much");
    assert_eq!(error.to_string(), "sh was stopped: it printed more than 10 bytes");
    let error = capture_within(&mut shell("seq 100 >&2; yes | head -c 9; exit 3"), 10).expect_err("it fails");
    let ProcessError::Failed { tail, status, .. } = error else { panic!("{error:?}") };
    assert_eq!((tail.len(), tail.last().map(String::as_str), status.code()), (TAIL_LINES, Some("100"), Some(3)));
}

#[test]
fn children_leave_no_core_dump() {
    assert_eq!(capture(&mut shell("ulimit -c; ulimit -Hc")).expect("a shell"), "0\n0\n");
}

#[test]
fn a_child_whose_parent_is_gone_does_not_begin() {
    assert!(bind_in_child(rustix::process::getpid()));
    assert!(!bind_in_child(rustix::process::Pid::INIT), "another process is its parent");
}

/// Returns whether a child that was started for this parent begins.
fn bind_in_child(parent: rustix::process::Pid) -> bool {
    let mut command = Command::new("true");
    // SAFETY: as in `die_with_parent`.
    unsafe { command.pre_exec(move || bind(parent)) };
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::SRCH.raw_os_error()));
            false
        }
    }
}
