//! A terminal, and what a person sees there.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use super::sandbox::Sandbox;

/// Longest wait for anything on the screen.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Wait for an answer before a question is asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// A terminal with a program on it.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    output: Receiver<Vec<u8>>,
    /// Everything shown, and how much of it was looked at.
    shown: String,
    seen: usize,
}

impl Terminal {
    pub(crate) fn open(sandbox: &Sandbox, words: &str) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        tcsetwinsize(&controller, Winsize { ws_col: 100, ws_row: 30, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let terminal: OwnedFd = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap().into();
        let end = || Stdio::from(terminal.try_clone().unwrap());
        // A session of its own, so that the terminal's Ctrl-C reaches the program.
        let mut command = sandbox.command("setsid");
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_goldsmith")]).args(words.split_whitespace());
        command.arg("--cache").arg(sandbox.path("cache")).env("TERM", "xterm-256color");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keys = File::from(controller);
        let mut screen = keys.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of the last program on the terminal is an error of reading.
            while let Ok(read) = screen.read(&mut buffer) {
                if read == 0 || sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, output, shown: String::new(), seen: 0 }
    }

    /// Waits for a text after the last that was waited for.
    pub(crate) fn see(&mut self, text: &str) {
        assert!(self.sees(text, TIMEOUT), "`{text}` was not shown after what was seen before:\n{}", self.all_shown());
    }

    /// Waits for a text after the last that was waited for, no longer than so long.
    pub(crate) fn sees(&mut self, text: &str, timeout: Duration) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return true;
            }
            match self.output.recv_timeout(timeout.saturating_sub(begun.elapsed())) {
                // Escape sequences are ASCII, and what they are in the middle of is not looked for.
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the program ended before `{text}` was shown:\n{}", self.all_shown())
                }
            }
        }
    }

    /// Enters a command again and again until what it comes to is shown.
    ///
    /// A terminal that is interrupted throws away what was typed and printed but not yet read, and the shell's prompt
    /// may come before the echo of the key: no text on the screen says that the shell reads again.
    pub(crate) fn enter_until(&mut self, command: &str, result: &str) {
        assert!(!command.contains(result), "what is typed is shown too");
        let begun = Instant::now();
        loop {
            self.enter(command);
            if self.sees(result, PAUSE) {
                return;
            }
            assert!(begun.elapsed() < TIMEOUT, "`{command}` was not answered:\n{}", self.all_shown());
        }
    }

    /// Everything on the screen, with a mark where the part begins that nothing was found in.
    fn all_shown(&self) -> String {
        format!("{}<<<seen>>>{}", &self.shown[..self.seen], &self.shown[self.seen..])
    }

    pub(crate) fn enter(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Everything shown so far.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Input, output and local modes: what raw mode changes.
    pub(crate) fn modes(&self) -> [u64; 3] {
        let modes = tcgetattr(&self.keys).unwrap();
        [modes.input_modes.bits(), modes.output_modes.bits(), modes.local_modes.bits()].map(u64::from)
    }

    /// Sends the program a signal: `setsid`, which is no leader of a group, has become it.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the program's end; its exit code, and the modes that it leaves the terminal in.
    pub(crate) fn end(mut self) -> (Option<i32>, [u64; 3]) {
        (self.child.wait().unwrap().code(), self.modes())
    }
}
