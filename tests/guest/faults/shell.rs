//! `--on-failure`, as a person at a terminal sees it.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::sandbox::Sandbox;
use super::terminal::Terminal;

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_shell_opens_at_the_failed_step_and_the_step_can_be_tried_again() {
    let sandbox = Sandbox::with_base();
    sandbox.recipe("fails", "steps: { configure: [{ run: { inline: 'echo made >/made; echo so far; false' } }] }\n");
    let mut terminal = Terminal::open(&sandbox, "build fails.yaml --on-failure shell");
    terminal.see("step `configure fails` failed");
    terminal.see("| so far");
    terminal.see("Leave it with `exit`");
    terminal.see("# ");
    // What is typed is shown too, but not what it comes to.
    terminal.enter("cat /made; touch /mine; echo size $(stty size) tty $(tty)\r");
    terminal.see("made\r\n");
    terminal.see("size 30 100 tty /dev/");
    // Ctrl-C is for what runs in the shell, not for the build.
    // What answers is at work: a signal between `sh` and what it is about to start would be lost.
    terminal.enter("tr a-z A-Z\r");
    terminal.enter_until("awake\r", "AWAKE");
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
    assert_eq!(terminal.end().0, Some(12));
    sandbox.assert_clean();
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn other_programs_work_in_a_guest_that_waits() {
    let sandbox = Sandbox::with_base();
    assert_eq!(exec(&sandbox, &["--", "true"], b"").0, Some(2), "no build waits");
    sandbox.recipe("waits", "steps: { configure: [{ run: { inline: 'echo made >/made; test -e /retried' } }] }\n");
    let run = sandbox.start("build waits.yaml --on-failure wait");
    let began = Instant::now();
    while exec(&sandbox, &["--", "true"], b"").0 == Some(2) {
        assert!(began.elapsed() < Duration::from_secs(120), "it does not wait");
        std::thread::sleep(Duration::from_millis(200));
    }
    let words = ["--", "sh", "-c", "cat /made; echo \"it's $1\" >&2; exit 7", "sh", "a  b"];
    assert_eq!(exec(&sandbox, &words, b""), (Some(7), "made\n".to_owned(), "it's a  b\n".to_owned()));
    let copy = ["--stdin", "--", "sh", "-c", "cat >/copied; wc -c </copied"];
    assert_eq!(exec(&sandbox, &copy, &[0; 100_000]).1.trim(), "100000");
    let json = exec(&sandbox, &["--json", "--", "no-such-program"], b"");
    assert!(json.0 == Some(127) && json.1.contains("\"status\":127") && json.1.contains("not found"), "{json:?}");
    // The step begins anew, on the layer before it, fails again, and the guest waits again.
    assert_eq!(exec(&sandbox, &["--retry"], b"").0, Some(0));
    let began = Instant::now();
    let gone = ["--", "sh", "-c", "test -e /made && ! test -e /copied"];
    while exec(&sandbox, &gone, b"").0 != Some(0) {
        assert!(began.elapsed() < Duration::from_secs(120), "it does not wait again");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(exec(&sandbox, &["--end"], b"").0, Some(0));
    let ended = run.end();
    assert_eq!(ended.code, Some(12), "{:?}", ended.events);
    sandbox.assert_clean();
}

/// Runs `goldsmith exec`. Returns its exit code, output and errors.
fn exec(sandbox: &Sandbox, words: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_goldsmith"));
    command.arg("exec").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    // Who does not read its input may be gone.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let output = child.wait_with_output().expect("it ends");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
    (output.status.code(), stdout, stderr)
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn the_disk_of_a_failed_step_can_be_kept() {
    let sandbox = Sandbox::with_base();
    sandbox.recipe("kept", "steps: { configure: [{ run: { inline: 'echo evidence-of-the-test >/found; false' } }] }\n");
    let (code, stderr) = sandbox.run("build kept.yaml --on-failure keep");
    assert_eq!(code, Some(12), "{stderr}");
    assert!(stderr.contains("guestfish --ro -i -a out/kept/kept.failed.qcow2"), "{stderr}");
    sandbox.assert_clean();
    // Where it is, what it stands on is found.
    let raw = sandbox.path("kept.raw");
    let mut convert = sandbox.command("qemu-img");
    let kept = sandbox.path("out/kept/kept.failed.qcow2");
    assert!(convert.args(["convert", "-O", "raw"]).arg(&kept).arg(&raw).status().unwrap().success());
    let mut search = sandbox.command("grep");
    assert!(search.args(["-q", "-a", "-F", "evidence-of-the-test"]).arg(&raw).status().unwrap().success());
}
