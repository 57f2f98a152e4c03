//! `--on-failure`, as a person at a terminal sees it.

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
