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
        let begun = Instant::now();
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            match self.output.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                // Escape sequences are ASCII, and what they are in the middle of is not looked for.
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{text}` was not shown:\n{}", &self.shown[self.seen..])
                }
            }
        }
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
    terminal.see("^C");
    // What is typed before the prompt is there may go with what was interrupted.
    terminal.see("# ");
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
