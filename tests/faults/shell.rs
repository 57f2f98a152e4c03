//! `--on-failure`, as a person at a terminal sees it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::bench::Bench;

/// Longest wait for anything on the screen.
const PATIENCE: Duration = Duration::from_secs(120);

/// Wait for an answer before a question is asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// A terminal with a program on it.
struct Terminal {
    child: Child,
    keys: File,
    output: Receiver<Vec<u8>>,
    /// Everything shown, and how much of it was looked at.
    shown: String,
    seen: usize,
}

impl Terminal {
    fn open(bench: &Bench, words: &str) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        tcsetwinsize(&controller, Winsize { ws_col: 100, ws_row: 30, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let terminal: OwnedFd = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap().into();
        let end = || Stdio::from(terminal.try_clone().unwrap());
        // A session of its own, so that the terminal's Ctrl-C reaches the program.
        let mut command = bench.command("setsid");
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_goldsmith")]).args(words.split_whitespace());
        command.arg("--cache").arg(bench.path("cache")).env("TERM", "xterm-256color");
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
    fn see(&mut self, text: &str) {
        assert!(self.sees(text, PATIENCE), "`{text}` was not shown after what was seen before:\n{}", self.all_shown());
    }

    /// Waits for a text after the last that was waited for, no longer than so long.
    fn sees(&mut self, text: &str, patience: Duration) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return true;
            }
            match self.output.recv_timeout(patience.saturating_sub(begun.elapsed())) {
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
    fn enter_until(&mut self, command: &str, result: &str) {
        assert!(!command.contains(result), "what is typed is shown too");
        let begun = Instant::now();
        loop {
            self.enter(command);
            if self.sees(result, PAUSE) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "`{command}` was not answered:\n{}", self.all_shown());
        }
    }

    /// Everything on the screen, with a mark where the part begins that nothing was found in.
    fn all_shown(&self) -> String {
        format!("{}<<<seen>>>{}", &self.shown[..self.seen], &self.shown[self.seen..])
    }

    fn enter(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_shell_opens_at_the_failed_step_and_the_step_can_be_tried_again() {
    let bench = Bench::with_base();
    bench.recipe("fails", "steps: { configure: [{ run: { inline: 'echo made >/made; echo so far; false' } }] }\n");
    let mut terminal = Terminal::open(&bench, "build fails.yaml --on-failure shell");
    terminal.see("step `configure fails` failed");
    terminal.see("| so far");
    terminal.see("Leave it with `exit`");
    terminal.see("# ");
    // What is typed is shown too, but not what it comes to.
    terminal.enter("cat /made; touch /mine; echo size $(stty size) tty $(tty)\r");
    terminal.see("made\r\n");
    terminal.see("size 30 100 tty /dev/");
    // Ctrl-C is for what runs in the shell, not for the build.
    terminal.enter("sh -c 'echo up $((40 + 2)); cat'\r");
    terminal.see("up 42");
    terminal.enter("\u{3}");
    terminal.enter_until("echo back $((6 * 7))\r", "back 42");
    terminal.enter("exit 3\r");
    terminal.see("[a]gain");
    terminal.enter("what\r");
    terminal.see("[a]gain");
    terminal.enter("a\r");
    terminal.see("| so far");
    terminal.see("# ");
    terminal.enter("ls /mine\r");
    terminal.see("cannot access '/mine'");
    terminal.enter("exit\r");
    terminal.see("[e]nd");
    terminal.enter("e\r");
    terminal.see("step `configure fails` failed");
    assert_eq!(terminal.end(), Some(12));
    bench.assert_clean();
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn the_disk_of_a_failed_step_can_be_kept() {
    let bench = Bench::with_base();
    bench.recipe("kept", "steps: { configure: [{ run: { inline: 'echo evidence-of-the-test >/found; false' } }] }\n");
    let (code, stderr) = bench.run("build kept.yaml --on-failure keep");
    assert_eq!(code, Some(12), "{stderr}");
    assert!(stderr.contains("guestfish --ro -i -a out/kept/kept.failed.qcow2"), "{stderr}");
    bench.assert_clean();
    // Where it is, what it stands on is found.
    let raw = bench.path("kept.raw");
    let mut convert = bench.command("qemu-img");
    let kept = bench.path("out/kept/kept.failed.qcow2");
    assert!(convert.args(["convert", "-O", "raw"]).arg(&kept).arg(&raw).status().unwrap().success());
    let mut search = bench.command("grep");
    assert!(search.args(["-q", "-a", "-F", "evidence-of-the-test"]).arg(&raw).status().unwrap().success());
}
