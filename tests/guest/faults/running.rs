//! `goldsmith run`, as a person at a terminal sees it.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use goldsmith::digest::Sha256;
use rustix::process::Signal;

use super::sandbox::Sandbox;
use super::terminal::Terminal;

/// How long an image may take to a login, and to the end, without KVM on a busy machine.
const BOOT: Duration = Duration::from_secs(400);

/// Ctrl-].
const LEAVE: &str = "\u{1d}";

/// Something that listens on all addresses of this host: its port, and how often somebody has connected.
fn listener() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let heard = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            heard.fetch_add(1, Ordering::SeqCst);
            // Whoever has left does not want to know.
            let _ = writeln!(stream, "a service of this host");
        }
    });
    (port, count)
}

/// A disk whose boot sector hangs: `jmp $`.
fn hanging(sandbox: &Sandbox) {
    let mut disk = vec![0; 1 << 20];
    disk[..2].copy_from_slice(&[0xeb, 0xfe]);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(sandbox.path("hangs.raw"), disk).unwrap();
}

#[test]
#[ignore = "boots a virtual machine"]
fn a_person_looks_around_in_an_image_and_leaves_nothing() {
    let (sandbox, image) = (Sandbox::new(), crate::shared::debian_12());
    let before = Sha256::of_file(&image).unwrap();
    std::fs::write(sandbox.path("wishes"), "#cloud-config\nruncmd: [[sh, -c, 'echo ran >/run/wish']]\n").unwrap();
    let words = format!("run {} --user debian --hostname try-it --user-data wishes --network user", image.display());
    let mut terminal = Terminal::open(&sandbox, &words);
    let cooked = terminal.modes();
    terminal.see("  ssh -i ");
    terminal.see("@127.0.0.1");
    let told = terminal.shown().lines().find(|line| line.contains("  ssh -i ")).unwrap().trim().to_owned();
    terminal.see("Ctrl-] leaves");
    assert!(terminal.sees("try-it login: ", BOOT), "{}", terminal.shown());
    assert_ne!(terminal.modes(), cooked);
    // The console is one: the guest asks again.
    terminal.enter("\r");
    terminal.see("try-it login: ");
    let begun = Instant::now();
    let output = loop {
        let script = format!("{told} 'cloud-init status --wait >/dev/null; cat /run/wish; hostname'");
        let output = sandbox.command("sh").args(["-c", &script]).output().unwrap();
        if output.status.success() {
            break output;
        }
        assert!(begun.elapsed() < BOOT, "{output:?}\n{}", terminal.shown());
        std::thread::sleep(Duration::from_secs(1));
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ran\ntry-it\n");
    assert!(!sandbox.path("home/.ssh/known_hosts").exists());
    // QEMU takes its gateway and other addresses of its network for this host's loopback.
    let (port, heard) = listener();
    // All at once, because each is given the same time to answer.
    let asks = ["172.16.0.2", "172.16.0.77", "169.254.169.253", "127.0.0.1"].map(|address| {
        format!("timeout 8 bash -c 'exec 3<>/dev/tcp/{address}/{port} && head -n 1 <&3 | sed s/^/{address}:/' &")
    });
    let script = format!("{} wait; echo ended", asks.join(" "));
    let output = sandbox.command("sh").args(["-c", &format!("{told} \"{script}\"")]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ended\n", "{output:?}");
    assert_eq!(heard.load(Ordering::SeqCst), 0, "the machine reaches what listens on this host");
    terminal.enter(LEAVE);
    terminal.see("the power button is pressed");
    assert!(terminal.sees("Power down", BOOT), "{}", terminal.shown());
    assert!(terminal.shown().contains(&format!("SSH answers: {told}")), "{}", terminal.shown());
    assert_eq!(terminal.end(), (Some(0), cooked));
    sandbox.assert_clean();
    assert_eq!(Sha256::of_file(&image).unwrap(), before);
}

#[test]
#[ignore = "boots a virtual machine"]
fn whatever_ends_it_the_terminal_is_as_it_was_and_nothing_goes_on() {
    let sandbox = Sandbox::new();
    hanging(&sandbox);
    let open = |words: &str| {
        let mut terminal = Terminal::open(&sandbox, &format!("run hangs.raw --accel tcg {words}"));
        let cooked = terminal.modes();
        terminal.see("Ctrl-] leaves");
        (terminal, cooked)
    };
    let (mut terminal, cooked) = open("");
    terminal.enter(LEAVE);
    terminal.see("the power button is pressed");
    terminal.enter(LEAVE);
    terminal.see("the power was cut before the system had shut down");
    assert_eq!(terminal.end(), (Some(130), cooked));
    sandbox.assert_clean();

    let (terminal, cooked) = open("--metadata openstack");
    assert_ne!(terminal.modes(), cooked);
    assert!(sandbox.processes().iter().any(|(_, line)| line.starts_with("qemu-system")), "{:?}", sandbox.processes());
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.end(), (Some(130), cooked));
    sandbox.assert_clean();

    // Programs get no console.
    let mut run = sandbox.start("run hangs.raw --accel tcg --user somebody");
    run.until("its start", |event| event["event"] == "running" && event["user"] == "somebody");
    run.interrupt(Signal::INT);
}

#[test]
#[ignore = "boots a virtual machine"]
fn a_machine_that_is_kept_is_the_same_again() {
    let sandbox = Sandbox::new();
    hanging(&sandbox);
    let started = || {
        let mut run = sandbox.start("run hangs.raw --accel tcg --keep kept");
        run.until("its start", |event| event["event"] == "running");
        run
    };
    let identity = || {
        let read = |name: &str| std::fs::read(sandbox.path("kept").join(name)).unwrap();
        (read("machine.json"), read("id_ed25519"), read("metadata.iso"))
    };
    let run = started();
    let (code, stderr) = sandbox.run("run hangs.raw --accel tcg --keep kept");
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("is running"), "{stderr}");
    let first = identity();
    run.interrupt(Signal::INT);
    started().interrupt(Signal::INT);
    assert_eq!(identity(), first);
    // Were the image another one, the disk that stands on it would be torn.
    std::thread::sleep(Duration::from_millis(20));
    hanging(&sandbox);
    let (code, stderr) = sandbox.run("run hangs.raw --accel tcg --keep kept");
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("has changed since"), "{stderr}");
}
