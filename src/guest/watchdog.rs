//! Ends QEMU when a deadline passes or the user asks to stop.
//!
//! A call of libguestfs blocks as long as the guest wants, and cannot be cancelled. It ends at once if QEMU ends. So a thread
//! here ends QEMU.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::interrupt::Interrupt;

/// Time between two searches for the process to end, while the guest is launched.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The reason why QEMU was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A call took longer than this.
    Deadline(Duration),
    /// The user asked to stop.
    Interrupted,
}

/// The thread that watches one guest.
#[derive(Debug)]
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Text that only this guest's QEMU has on its command line.
    mark: String,
}

#[derive(Debug, Default)]
struct State {
    /// A descriptor of the process instead of its number, which another process may have by now.
    qemu: Option<OwnedFd>,
    deadline: Option<(Instant, Duration)>,
    cause: Option<Cause>,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watchdog {
    /// Watches a guest that will be launched, with `mark` on its QEMU's command line.
    pub(super) fn start(mark: &str, interrupt: &Interrupt) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), mark: mark.to_owned() });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("guest watchdog".to_owned()).spawn(move || watch(&theirs))?;
        let weak: Weak<Shared> = Arc::downgrade(&shared);
        interrupt.on_raise(move || {
            if let Some(shared) = weak.upgrade() {
                shared.lock().cause.get_or_insert(Cause::Interrupted);
                shared.changed.notify_all();
            }
        });
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Sets the process of QEMU.
    pub(super) fn launched(&self, qemu: i32) -> rustix::io::Result<()> {
        let pid = Pid::from_raw(qemu).ok_or(rustix::io::Errno::SRCH)?;
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        self.shared.lock().qemu = Some(process);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Ends QEMU unless [`Watchdog::disarm`] is called within `limit`.
    pub(super) fn arm(&self, limit: Duration) {
        self.shared.lock().deadline = Some((Instant::now() + limit, limit));
        self.shared.changed.notify_all();
    }

    /// Removes the deadline.
    pub(super) fn disarm(&self) {
        // The thread may continue to sleep: it checks the deadline again before it acts.
        self.shared.lock().deadline = None;
    }

    /// Returns the reason why QEMU was stopped, if it was.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.shared.lock().cause
    }

    /// Returns whether QEMU has ended for any reason, or ends within `timeout`.
    pub(super) fn qemu_has_ended(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        loop {
            let ended = self.shared.lock().qemu.as_ref().is_some_and(has_ended);
            if ended || Instant::now() >= until {
                return ended;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Ends QEMU now.
    pub(super) fn kill(&self) {
        if let Some(qemu) = &self.shared.lock().qemu {
            // It may have ended already, which is fine.
            let _ = pidfd_send_signal(qemu, Signal::KILL);
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns whether a process has ended: then its descriptor is readable.
fn has_ended(process: &OwnedFd) -> bool {
    let mut poll = [rustix::event::PollFd::new(process, rustix::event::PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut poll, Some(&now)).is_ok_and(|ready| ready > 0)
}

fn watch(shared: &Shared) {
    let mut state = shared.lock();
    while !state.ended {
        if let Some((at, limit)) = state.deadline
            && Instant::now() >= at
        {
            state.cause.get_or_insert(Cause::Deadline(limit));
        }
        let sleep = match (state.cause, &state.qemu) {
            (Some(_), Some(qemu)) => {
                // It may have ended already, which is fine.
                let _ = pidfd_send_signal(qemu, Signal::KILL);
                None
            }
            (Some(_), None) => {
                kill_launching(&shared.mark);
                Some(LOOK_AGAIN)
            }
            (None, _) => state.deadline.map(|(at, _)| at.saturating_duration_since(Instant::now())),
        };
        state = match sleep {
            Some(time) => shared.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0,
            None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

/// Ends the process that the launch waits for: `supermin`, which makes the appliance, or QEMU. libguestfs does not name these
/// processes before the launch ends, so we search our children.
fn kill_launching(mark: &str) {
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        // Opened before it is checked: so the killed process is the checked one.
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if is_launching(&process.path(), mark) {
            let _ = pidfd_send_signal(&descriptor, Signal::KILL);
        }
    }
}

fn is_launching(process: &Path, mark: &str) -> bool {
    let read = |name| std::fs::read(process.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (Ok(stat), Ok(command_line)) = (read("stat"), read("cmdline")) else { return false };
    // The name, in parentheses, may contain anything; the fields after it are state and parent.
    let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
    let program = command_line.split('\0').next().unwrap_or_default();
    parent == Some(std::process::id()) && (command_line.contains(mark) || program.ends_with("supermin"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Child, ChildStdin, Command};

    /// Starts a process that ends when the other end of its standard input is closed, as [`Child::wait`] would do.
    fn sleeper(mark: &str) -> (Child, ChildStdin) {
        let mut command = Command::new("sh");
        let mut child =
            command.args(["-c", "read forever; :", mark]).stdin(std::process::Stdio::piped()).spawn().expect("sh");
        let stdin = child.stdin.take().expect("it is a pipe");
        (child, stdin)
    }

    #[test]
    fn an_interrupt_ends_a_qemu_that_is_not_known_yet() {
        let interrupt = Interrupt::new();
        let watchdog = Watchdog::start("mark-of-launch", &interrupt).expect("a thread");
        let ((mut ours, _open), (mut other, _too)) = (sleeper("mark-of-launch"), sleeper("another"));
        interrupt.raise();
        assert_eq!(ours.wait().expect("a child").signal(), Some(9));
        assert_eq!(watchdog.cause(), Some(Cause::Interrupted));
        assert!(other.try_wait().expect("a child").is_none(), "a child of somebody else lives on");
        other.kill().expect("a child");
        other.wait().expect("a child");
    }

    #[test]
    fn a_deadline_ends_qemu_only_if_it_is_not_disarmed() {
        let watchdog = Watchdog::start("mark-of-deadline", &Interrupt::new()).expect("a thread");
        let (mut child, _open) = sleeper("mark-of-deadline");
        watchdog.launched(child.id().cast_signed()).expect("it runs");
        watchdog.arm(Duration::from_secs(3600));
        watchdog.disarm();
        assert_eq!((watchdog.cause(), watchdog.qemu_has_ended(Duration::ZERO)), (None, false));
        watchdog.arm(Duration::ZERO);
        assert_eq!(child.wait().expect("a child").signal(), Some(9));
        assert_eq!(watchdog.cause(), Some(Cause::Deadline(Duration::ZERO)));
        assert!(watchdog.qemu_has_ended(Duration::ZERO));
    }
}
