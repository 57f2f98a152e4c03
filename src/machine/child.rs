//! QEMU's process: ends it when this program ends, and keeps its exit status and last messages.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use rustix::io::FdFlags;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::interrupt::Interrupt;
use crate::process::{TAIL_LINES, die_with_parent};
use crate::text::{LINE_LIMIT, printable};

/// Longest wait for the last messages of a process that has ended. Its children may keep the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A running program. It is killed when this value is dropped, when the interrupt is raised, and when this process dies.
#[derive(Debug)]
pub(super) struct Child {
    process: Arc<Process>,
    /// Number of the process.
    pub(super) pid: u32,
}

#[derive(Debug)]
struct Process {
    /// Identifies the process even after its end, when its number may belong to another one.
    handle: OwnedFd,
    killed: AtomicBool,
    last_lines: Mutex<VecDeque<String>>,
    status: Mutex<Option<ExitStatus>>,
    ended: Condvar,
}

impl Process {
    fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        // It may have ended already.
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
    }
}

impl Child {
    /// Starts a program that inherits these files, with their numbers.
    ///
    /// The kernel kills the program when the *thread* that started it ends. So a separate thread starts it and waits for its
    /// end, and this value may move to any thread.
    pub(super) fn start(mut command: Command, inherited: Vec<OwnedFd>, interrupt: &Interrupt) -> io::Result<Self> {
        let (sender, started) = mpsc::channel();
        std::thread::Builder::new().name("qemu".to_owned()).spawn(move || keep(&mut command, inherited, &sender))?;
        let (process, pid) = started.recv().map_err(io::Error::other)??;
        let weak = Arc::downgrade(&process);
        interrupt.on_raise(move || {
            if let Some(process) = weak.upgrade() {
                process.kill();
            }
        });
        Ok(Self { process, pid })
    }

    /// Returns the exit status; `None` while the program runs.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        *self.process.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the program's end, at most for `timeout`.
    pub(super) fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        let status = self.process.status.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.process.ended.wait_timeout_while(status, timeout, |status| status.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Kills the program at once.
    pub(super) fn kill(&self) {
        self.process.kill();
    }

    /// Returns whether this program killed it, also because of an interrupt.
    pub(super) fn was_killed(&self) -> bool {
        self.process.killed.load(Ordering::SeqCst)
    }

    /// Returns the last lines that the program wrote to standard error.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.process.last_lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        // A killed process ends at once, unless it hangs in the kernel. Then its thread waits for it.
        self.wait(Duration::from_secs(5));
    }
}

/// Starts a program, sends the result, and waits for the program's end.
fn keep(command: &mut Command, inherited: Vec<OwnedFd>, sender: &mpsc::Sender<io::Result<(Arc<Process>, u32)>>) {
    let mut child = match spawn(command, inherited) {
        Ok(child) => child,
        Err(error) => {
            let _ = sender.send(Err(error)); // its receiver waits for it
            return;
        }
    };
    let handle = match Pid::from_raw(child.id().cast_signed()).map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
        Some(Ok(handle)) => handle,
        failed => {
            let error = failed.and_then(Result::err).map_or_else(|| io::Error::other("no process"), io::Error::from);
            // No other code can end it.
            let _ = child.kill();
            let _ = child.wait();
            let _ = sender.send(Err(error));
            return;
        }
    };
    let process = Arc::new(Process {
        handle,
        killed: AtomicBool::new(false),
        last_lines: Mutex::default(),
        status: Mutex::default(),
        ended: Condvar::new(),
    });
    let (silent, silence) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        let process = Arc::clone(&process);
        std::thread::spawn(move || {
            listen(&mut BufReader::new(stderr), &process.last_lines);
            let _ = silent.send(()); // nobody may wait any more
        });
    }
    // If the receiver is gone, this handle is dropped while the child runs, and this thread still waits for the child.
    let _ = sender.send(Ok((Arc::clone(&process), child.id())));
    let status = child.wait();
    let _ = silence.recv_timeout(LAST_WORDS);
    // Waiting for a child of this thread cannot fail. If it did, the program would count as ended.
    *process.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(status.unwrap_or_default());
    process.ended.notify_all();
}

fn spawn(command: &mut Command, inherited: Vec<OwnedFd>) -> io::Result<std::process::Child> {
    // SAFETY: fcntl is a system call without memory effects, allowed between fork and exec. In this process
    // the files stay closed to other children.
    unsafe {
        command.pre_exec(move || {
            for file in &inherited {
                rustix::io::fcntl_setfd(file, FdFlags::empty())?;
            }
            Ok(())
        });
    }
    die_with_parent(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
}

/// Keeps the last lines of standard error.
fn listen(stderr: &mut impl io::BufRead, last_lines: &Mutex<VecDeque<String>>) {
    let mut line = Vec::new();
    while let Ok(read) = (&mut *stderr).take(LINE_LIMIT as u64).read_until(b'\n', &mut line)
        && read > 0
    {
        let mut last_lines = last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        if last_lines.len() == TAIL_LINES {
            last_lines.pop_front();
        }
        last_lines.push_back(printable(&line));
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const TIMEOUT: Duration = Duration::from_secs(20);

    #[test]
    fn its_end_and_its_last_words_are_told() {
        let script = "for i in $(seq 50); do echo line $i >&2; done; exit 3";
        let child = Child::start(shell(script), Vec::new(), &Interrupt::new()).expect("a shell");
        assert_eq!(child.wait(TIMEOUT).and_then(|status| status.code()), Some(3));
        assert_eq!(child.last_lines().len(), TAIL_LINES);
        assert_eq!(child.last_lines().last().map(String::as_str), Some("line 50"));
        assert!(!child.was_killed());
        let error = Child::start(Command::new("/nonexistent"), Vec::new(), &Interrupt::new()).expect_err("no program");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn it_outlives_the_thread_that_asked_for_it_but_not_its_value_and_no_interrupt() {
        let start = |interrupt: Interrupt| {
            std::thread::spawn(move || Child::start(shell("sleep 1000 & wait"), Vec::new(), &interrupt))
                .join()
                .expect("no panic")
                .expect("a shell")
        };
        let child = start(Interrupt::new());
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(child.status(), None);
        let proc = std::path::PathBuf::from(format!("/proc/{}", child.pid));
        assert!(proc.exists());
        let begun = Instant::now();
        drop(child);
        assert!(!proc.exists(), "it lives");
        let interrupt = Interrupt::new();
        let child = start(interrupt.clone());
        interrupt.raise();
        assert!(child.wait(TIMEOUT).is_some(), "it lives");
        assert!(child.was_killed());
        assert!(begun.elapsed() < TIMEOUT);
    }

    #[test]
    fn files_are_inherited_under_their_numbers() {
        use std::io::{Read as _, Write as _};
        use std::os::fd::AsRawFd as _;
        let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
        ours.write_all(b"given").expect("room");
        let script = format!("head -c 5 <&{0} >&{0}", theirs.as_raw_fd());
        let child = Child::start(shell(&script), vec![theirs.into()], &Interrupt::new()).expect("a shell");
        assert!(child.wait(TIMEOUT).is_some_and(|status| status.success()), "{:?}", child.last_lines());
        let mut answer = String::new();
        drop(child);
        ours.read_to_string(&mut answer).expect("the other end is closed");
        assert_eq!(answer, "given");
    }
}
