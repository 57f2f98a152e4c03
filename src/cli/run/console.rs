//! The serial console of a machine: connects it with the terminal of the user.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::guest::terminal::RawMode;
use crate::interrupt::Interrupt;
use crate::machine::{End, Machine};

/// The key that leaves the console, as in telnet and `virsh console`: Ctrl-].
const LEAVE: u8 = 0x1d;

/// Longest shutdown of the guest after the power button was pressed.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// Time between two looks at the machine.
const POLL: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Keys that wait for the guest to read them. A serial port would not keep as many.
const KEYS: usize = 64 << 10;

/// Escape sequences that undo a guest's changes to the terminal: colours, no line wrap, a hidden cursor (ECMA-48, DEC modes).
const SANE: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h";

/// The reason why the power was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The person did not want to wait.
    Again,
    /// The guest did not shut down in time.
    Late,
}

/// A terminal in raw mode, which is restored even if a signal ends the process before this value is dropped.
pub(super) struct Raw(Arc<Mutex<Option<RawMode>>>);

impl Raw {
    /// Puts standard input into raw mode. It fails if standard input is no terminal.
    pub(super) fn enter(interrupt: &Interrupt) -> io::Result<Self> {
        let raw = Arc::new(Mutex::new(Some(RawMode::enter(io::stdin().as_fd())?)));
        let restored = Arc::clone(&raw);
        // A second signal ends the process at once.
        interrupt.on_raise(move || restore(&restored));
        Ok(Self(raw))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore(&self.0);
    }
}

fn restore(raw: &Mutex<Option<RawMode>>) {
    if raw.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
        // Standard output may be a file; standard error is likely the terminal.
        let _ = io::stderr().write_all(SANE);
    }
}

/// The console of a running machine.
pub(super) struct ConsoleSession<'a> {
    machine: &'a mut Machine,
    console: UnixStream,
    output: Option<File>,
    /// Terminal from which keys are read, if a person types.
    keys: Option<BorrowedFd<'a>>,
    /// Keys that the guest has not read yet.
    pending: VecDeque<u8>,
    pressed: Option<Instant>,
    cut: Option<Cut>,
    /// Whether the guest's end of the console is open.
    open: bool,
}

impl<'a> ConsoleSession<'a> {
    /// Makes a session. `output` receives the console's text; without it, nobody sees the text. `keys` is a terminal in raw
    /// mode.
    pub(super) fn new(
        machine: &'a mut Machine,
        console: UnixStream,
        output: Option<File>,
        keys: Option<BorrowedFd<'a>>,
    ) -> io::Result<Self> {
        // A guest that does not read must not keep the person from leaving.
        console.set_nonblocking(true)?;
        let pending = VecDeque::new();
        Ok(Self { machine, console, output, keys, pending, pressed: None, cut: None, open: true })
    }

    /// Waits until the machine has ended. Returns how it ended, and why this program cut the power, if it did.
    pub(super) fn stay(mut self) -> io::Result<(End, Option<Cut>)> {
        loop {
            let (from_guest, to_guest, typed) = self.wait()?;
            // In this order: once the machine has ended, all its output is there.
            let ended = self.machine.ended();
            if from_guest || ended.is_some() {
                self.show(ended.is_some());
            }
            if let Some(end) = ended {
                return Ok((end, self.cut));
            }
            if to_guest {
                self.send();
            }
            if typed {
                self.typed();
            }
            if self.cut.is_none() && self.pressed.is_some_and(|pressed| pressed.elapsed() > SHUTDOWN_TIMEOUT) {
                self.cut(Cut::Late);
            }
        }
    }

    /// Waits for an event. Returns whether the console can be read, whether it can be written to, and whether a key was pressed.
    fn wait(&self) -> io::Result<(bool, bool, bool)> {
        let wish = if self.pending.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut polled = Vec::new();
        polled.extend(self.open.then(|| PollFd::new(&self.console, wish)));
        polled.extend(self.keys.map(|keys| PollFd::from_borrowed_fd(keys, PollFlags::IN)));
        match poll(&mut polled, Some(&POLL)) {
            Err(rustix::io::Errno::INTR) => return Ok((false, false, false)),
            result => result?,
        };
        let mut events = polled.iter().map(PollFd::revents);
        let console = if self.open { events.next().unwrap_or(PollFlags::empty()) } else { PollFlags::empty() };
        let keys = events.next().unwrap_or(PollFlags::empty());
        // A read finds the end of the console.
        let readable = !(console - PollFlags::OUT).is_empty();
        Ok((readable, console.contains(PollFlags::OUT), !keys.is_empty()))
    }

    /// Shows the guest's output; with `last`, all that is left.
    fn show(&mut self, last: bool) {
        let mut buffer = vec![0; 16 << 10];
        loop {
            match self.console.read(&mut buffer) {
                Ok(0) => self.open = false,
                Ok(read) => {
                    let gone = self.output.as_mut().is_some_and(|output| output.write_all(&buffer[..read]).is_err());
                    if gone {
                        // A reader that closes the pipe, as `head` does, has left.
                        self.output = None;
                        self.leave();
                    }
                    if last {
                        continue;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.open = false,
            }
            return;
        }
    }

    fn send(&mut self) {
        let (first, _) = self.pending.as_slices();
        match self.console.write(first) {
            Ok(written) => drop(self.pending.drain(..written)),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // QEMU has ended, which `stay` notices.
            Err(_) => self.pending.clear(),
        }
    }

    fn typed(&mut self) {
        let Some(keys) = self.keys else { return };
        let mut buffer = [0; 4 << 10];
        match rustix::io::read(keys, &mut buffer) {
            Ok(read) if read > 0 => {
                for (number, part) in buffer[..read].split(|key| *key == LEAVE).enumerate() {
                    if number > 0 {
                        self.leave();
                    }
                    self.pending.extend(&part[..part.len().min(KEYS.saturating_sub(self.pending.len()))]);
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // The terminal is gone, and its user too.
            _ => {
                self.keys = None;
                self.leave();
            }
        }
    }

    /// Presses the power button; the second time, cuts the power.
    fn leave(&mut self) {
        if self.pressed.is_some() || self.machine.power_button().is_err() {
            return self.cut(Cut::Again);
        }
        self.pressed = Some(Instant::now());
        if self.keys.is_some() {
            remark("the power button is pressed; Ctrl-] again cuts the power", true);
        }
    }

    fn cut(&mut self, why: Cut) {
        self.cut = Some(why);
        self.machine.kill();
    }
}

/// Prints a remark between the guest's output. `raw` means that a line feed does not return to the first column.
pub(super) fn remark(text: &str, raw: bool) {
    let (before, after) = if raw { ("\r\n", "\r\n") } else { ("", "\n") };
    // One write, because the console prints too. Standard error may be closed: then nobody wants the text.
    let _ = io::stderr().write_all(format!("{before}goldsmith: {text}{after}").as_bytes());
}
