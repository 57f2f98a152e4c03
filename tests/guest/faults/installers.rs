//! Installers that do not come to a good end, in real machines: one asks, one is too slow, one installs nothing, and two are stopped
//! from outside. Each is a kernel of this host with one program, which shows what it was told and then does what the test wants.

use std::fs;
use std::process::Stdio;

use rustix::process::Signal;

use super::sandbox::Sandbox;

/// Shows the answer file, and does what its first letter says: asks, powers off, or waits.
const INIT: &str = r#"
static long call(long number, long a, long b, long c, long d) {
    register long fourth __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
    return result;
}
static const char asked[] = "Choose a language\n  1: C\nPrompt: '?' for help> \n";
void _start(void) {
    char text[512];
    long file = call(2, (long)"/preseed.cfg", 0, 0, 0);
    long length = call(0, file, (long)text, sizeof text, 0);
    call(1, 1, (long)text, length, 0);
    if (text[0] == 'a') call(1, 1, (long)asked, sizeof asked - 1, 0);
    if (text[0] == 'o') call(169, 0xfee1dead, 672274793, 0x4321fedc, 0);
    for (;;) call(34, 0, 0, 0, 0);
}
"#;

const SECRET: &str = "hunter2-of-the-test";

/// Makes an installer, and a recipe that starts it with a word of its answer file and more keys.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut kernels: Vec<_> = fs::read_dir("/boot").unwrap().map(|entry| entry.unwrap().path()).collect();
    kernels.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("vmlinuz-"));
    kernels.sort();
    fs::copy(kernels.last().expect("the guest of these tests needs a kernel too"), sandbox.path("kernel")).unwrap();
    fs::write(sandbox.path("init.c"), INIT).unwrap();
    let script = "cc -Os -static -nostdlib -no-pie -fno-stack-protector -o init init.c && echo init | cpio --quiet -o -H newc >initrd";
    assert!(sandbox.command("sh").args(["-ec", script]).status().unwrap().success());
    fs::write(sandbox.path("secret"), format!("{SECRET}\n")).unwrap();
    sandbox
}

fn recipe(sandbox: &Sandbox, name: &str, word: &str, more: &str) {
    fs::write(sandbox.path(&format!("{name}.cfg")), format!("{word} {{{{ secrets.root }}}} end\n")).unwrap();
    let text = format!(
        "name: {name}\nsecrets: {{ root: {{ file: secret }} }}\nbase:\n  installer:\n    distro: debian\n    release: bookworm\n    \
         kernel: {{ source: kernel }}\n    initrd: {{ source: initrd }}\n    preseed: {name}.cfg\n    arguments: [quiet]\n    \
         memory: 512MiB\n{more}disk: {{ size: 256MiB }}\n"
    );
    fs::write(sandbox.path(&format!("{name}.yaml")), text).unwrap();
}

/// No layer is there, and no file has the secret but the one that it comes from.
fn assert_nothing_is_kept(sandbox: &Sandbox) {
    assert!(sandbox.layers().iter().all(|(_, _, state)| state != "complete"), "{:?}", sandbox.layers());
    let mut search = sandbox.command("grep");
    let found = search.args(["-r", "-l", "-a", "-F", SECRET, "."]).stderr(Stdio::inherit()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "./secret\n");
}

#[test]
#[ignore = "needs QEMU and a kernel of this host"]
fn an_installer_that_asks_or_is_late_is_stopped_and_what_it_shows_is_the_error() {
    let sandbox = sandbox();
    recipe(&sandbox, "asks", "ask", "");
    let (code, stderr) = sandbox.run("build asks.yaml");
    assert_eq!(code, Some(12), "{stderr}");
    for words in [
        "asks a question that the answer file does not answer: Prompt: '?' for help>",
        "| ask *** end",
        "| Choose a language",
        "its screen at that time is out/asks/asks.failed.png",
    ] {
        assert!(stderr.contains(words), "{stderr}");
    }
    assert!(fs::read(sandbox.path("out/asks/asks.failed.png")).unwrap().starts_with(b"\x89PNG\r\n"));
    sandbox.assert_clean();
    assert_nothing_is_kept(&sandbox);

    recipe(&sandbox, "waits", "wait", "    deadline: 25s\n");
    let (code, stderr) = sandbox.run("build waits.yaml");
    assert_eq!(code, Some(12), "{stderr}");
    assert!(stderr.contains("the installer was not done after 25 s") && stderr.contains("| wait *** end"), "{stderr}");
    sandbox.assert_clean();
    assert_nothing_is_kept(&sandbox);
}

#[test]
#[ignore = "needs libguestfs, QEMU and a kernel of this host"]
fn an_end_without_a_system_is_no_success() {
    let sandbox = sandbox();
    recipe(&sandbox, "ends", "off", "");
    let (code, stderr) = sandbox.run("build ends.yaml");
    assert_eq!(code, Some(12), "{stderr}");
    assert!(stderr.contains("the installer came to its end, but no system was found on the disk"), "{stderr}");
    sandbox.assert_clean();
    assert_nothing_is_kept(&sandbox);
}

#[test]
#[ignore = "needs QEMU and a kernel of this host"]
fn an_installer_ends_with_the_program_that_started_it() {
    let sandbox = sandbox();
    recipe(&sandbox, "waits", "wait", "");
    let mut run = sandbox.start("build waits.yaml");
    run.until_output("wait *** end");
    assert!(sandbox.processes().iter().any(|(_, line)| line.contains("qemu-system")));
    run.interrupt(Signal::INT);
    let mut run = sandbox.start("build waits.yaml");
    run.until_output("wait *** end");
    run.signal(Signal::KILL);
    assert_eq!(run.end().code, None);
    sandbox.await_silence();
    assert!(sandbox.layers().iter().all(|(_, _, state)| state != "complete"), "{:?}", sandbox.layers());
}
