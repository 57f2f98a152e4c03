//! Images that nobody would want, judged by `goldsmith verify`: each gets a verdict with what was seen, in time, and
//! nothing is left behind. What the machine alone makes of such disks is in `tests/boot/machine.rs`.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command as Program, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use goldsmith::event::Silent;
use goldsmith::guest::libguestfs::LibguestfsGuest;
use goldsmith::guest::{Accel, Command, Guest as _, GuestConfig};
use goldsmith::inspect;
use goldsmith::interrupt::Interrupt;
use goldsmith::process::capture;
use goldsmith::units::ByteSize;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The deadline of a boot, and how long all may take with the look at the disk, without KVM on a busy machine.
const DEADLINE: &str = "20s";
const ALL: Duration = Duration::from_secs(240);

/// A directory with everything that the program writes.
struct Sandbox {
    dir: tempfile::TempDir,
}

/// What verifying came to.
struct Verified {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    report: Value,
}

impl Sandbox {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["tmp", "home", "tree"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program without this machine's environment.
    fn command(&self, program: &str) -> Program {
        let mut command = Program::new(program);
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        command.current_dir(self.dir.path()).env_clear().env("PATH", path).env("LANG", "C.UTF-8");
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp")).stdin(Stdio::null());
        command.env("LIBGUESTFS_CACHEDIR", std::env::var_os("LIBGUESTFS_CACHEDIR").unwrap_or("/var/tmp".into()));
        command
    }

    fn goldsmith(&self, words: &str) -> Program {
        let mut command = self.command(env!("CARGO_BIN_EXE_goldsmith"));
        command.args(["verify", "disk.raw", "--accel", "tcg", "--report", "report"]);
        if !words.contains("--deadline") {
            command.args(["--deadline", DEADLINE]);
        }
        command.args(words.split_whitespace()).arg("--cache").arg(self.path("cache"));
        command
    }

    /// Verifies the disk, and sees that nothing is left.
    fn verify(&self, words: &str) -> Verified {
        let begun = Instant::now();
        let output = self.goldsmith(words).output().unwrap();
        assert!(begun.elapsed() < ALL, "it took {:?}", begun.elapsed());
        self.assert_clean();
        let report = fs::read(self.path("report/report.json")).unwrap_or_default();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Verified {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            report: serde_json::from_slice(&report).unwrap_or_default(),
        }
    }

    /// Nothing that was started runs, and no temporary file is there.
    fn assert_clean(&self) {
        let mark = self.path("tmp").to_str().unwrap().as_bytes().to_vec();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let ours = environment.windows(mark.len()).any(|part| part == mark);
            assert!(!ours, "{}", fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default());
        }
        for dir in ["tmp", "cache/tmp"] {
            let left: Vec<_> = fs::read_dir(self.path(dir)).unwrap().collect();
            assert!(left.is_empty(), "{dir}: {left:?}");
        }
    }

    /// A boot sector with this program.
    fn boot_sector(&self, program: &[u8]) {
        let mut disk = vec![0; 1 << 20];
        disk[..program.len()].copy_from_slice(program);
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        fs::write(self.path("disk.raw"), disk).unwrap();
    }

    /// A disk of 64 MiB with one partition, which begins at 1 MiB and is in the file `part`.
    fn partitioned(&self, table: &str) {
        fs::File::create(self.path("disk.raw")).unwrap().set_len(64 << 20).unwrap();
        fs::write(self.path("table"), table).unwrap();
        let mut sfdisk = self.command("sfdisk");
        let input = fs::File::open(self.path("table")).unwrap();
        let output = sfdisk.args(["-q", "disk.raw"]).stdin(input).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let words = ["if=part", "of=disk.raw", "bs=1M", "seek=1", "conv=notrunc", "status=none"];
        capture(self.command("dd").args(words)).unwrap();
    }

    /// A file system of 48 MiB with the files in `tree`.
    fn ext4(&self) {
        capture(self.command("mke2fs").args(["-q", "-t", "ext4", "-d", "tree", "part", "48M"])).unwrap();
    }
}

impl Verified {
    /// A finding by its id.
    fn finding(&self, id: &str) -> &Value {
        let findings = self.report["findings"].as_array().unwrap_or_else(|| panic!("no report: {}", self.stderr));
        findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no {id}: {}", self.stdout))
    }

    fn evidence(&self, id: &str) -> String {
        let lines = self.finding(id)["evidence"].as_array().unwrap();
        lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The image is told to be bad, with a picture of its screen.
    fn assert_bad(&self) {
        assert_eq!(self.code, Some(13), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.finding("boots")["outcome"], "failed");
        assert!(self.stdout.len() < 10_000, "too much to read: {}", self.stdout);
        assert!(!self.stdout.contains('\u{1b}'), "{}", self.stdout);
    }
}

#[test]
#[ignore = "needs libguestfs, boots a virtual machine"]
fn what_hangs_in_silence_is_shown_by_its_screen() {
    let sandbox = Sandbox::new();
    // jmp $
    sandbox.boot_sector(&[0xeb, 0xfe]);
    let verified = sandbox.verify("--boot bios");
    verified.assert_bad();
    let evidence = verified.evidence("boots");
    assert!(evidence.contains("the screen shows: Booting from Hard Disk..."), "{evidence}");
    assert!(verified.finding("boots")["mend"].as_str().unwrap().contains("console=ttyS0"));
    assert!(verified.stdout.contains("checks were not made: no operating system was found"), "{}", verified.stdout);
    // A picture of the screen, as PNG is in base64.
    let page = fs::read_to_string(sandbox.path("report/report.html")).unwrap();
    assert!(page.contains("data:image/png;base64,iVBORw0KGgo"), "no picture");
}

#[test]
#[ignore = "needs libguestfs, boots a virtual machine"]
fn garbage_on_the_serial_port_does_not_reach_whoever_reads_of_it() {
    let sandbox = Sandbox::new();
    // mov dx, 3f8h; in al, 40h (the timer); out dx, al; jmp back to `in`
    sandbox.boot_sector(&[0xba, 0xf8, 0x03, 0xe4, 0x40, 0xee, 0xeb, 0xfb]);
    let verified = sandbox.verify("--boot bios");
    verified.assert_bad();
    let controls = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
    assert!(!controls(&verified.stdout), "{:?}", verified.stdout);
    let page = fs::read_to_string(sandbox.path("report/report.html")).unwrap();
    assert!(!controls(&page.replace('\t', "")), "the page has control characters");
}

#[test]
#[ignore = "needs libguestfs, boots a virtual machine"]
fn a_boot_loader_of_another_architecture_is_none() {
    let sandbox = Sandbox::new();
    capture(sandbox.command("mkfs.vfat").args(["-F", "32", "-C", "part", "40960"])).unwrap();
    fs::write(sandbox.path("loader"), "MZ").unwrap();
    capture(sandbox.command("mmd").args(["-i", "part", "::/EFI", "::/EFI/BOOT"])).unwrap();
    capture(sandbox.command("mcopy").args(["-i", "part", "loader", "::/EFI/BOOT/BOOTAA64.EFI"])).unwrap();
    sandbox.partitioned("label: gpt\nstart=2048,size=40MiB,type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n");
    let verified = sandbox.verify("--boot uefi");
    verified.assert_bad();
    let evidence = verified.evidence("boots");
    assert!(evidence.starts_with("the firmware found nothing to boot"), "{evidence}");
    assert!(verified.finding("boots")["mend"].as_str().unwrap().contains("BOOTX64.EFI"));
    assert_eq!(verified.finding("console-kernel-log")["outcome"], "skipped");
}

#[test]
#[ignore = "needs libguestfs, boots a virtual machine"]
fn an_encrypted_disk_is_told_as_such() {
    let sandbox = Sandbox::new();
    // It measures how fast this machine makes keys, and now and then gives up: "Unable to get accurate CPU usage".
    let made = (0..20).find_map(|_| {
        let mut qemu_img = sandbox.command("qemu-img");
        qemu_img.args(["create", "-q", "-f", "luks", "--object", "secret,id=key,data=test"]);
        capture(qemu_img.args(["-o", "key-secret=key,iter-time=10", "part", "40M"])).ok()
    });
    assert!(made.is_some(), "qemu-img makes no encrypted disk");
    sandbox.partitioned("start=2048,type=83\n");
    let verified = sandbox.verify("--boot bios");
    verified.assert_bad();
    let evidence = verified.evidence("operating-system");
    assert!(evidence.contains("partition 1: crypto_LUKS"), "{evidence}");
    assert!(verified.finding("operating-system")["mend"].as_str().unwrap().contains("do not encrypt"));
}

#[test]
#[ignore = "needs libguestfs"]
fn a_system_of_another_architecture_is_not_booted_on_this_one() {
    let sandbox = Sandbox::new();
    // The header of an ELF file for aarch64 (machine 183), and something behind it.
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(16, 0);
    program.extend([2, 0, 183, 0, 1, 0, 0, 0]);
    program.resize(4096, 0);
    for dir in ["bin", "boot", "dev", "etc", "lib", "root", "sbin", "usr", "var"] {
        fs::create_dir(sandbox.path("tree").join(dir)).unwrap();
    }
    for file in ["bin/bash", "bin/ls", "bin/sh", "sbin/init"] {
        fs::write(sandbox.path("tree").join(file), &program).unwrap();
    }
    let release = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n";
    for (file, text) in [("os-release", release), ("debian_version", "12.1\n"), ("fstab", "/dev/vda1 / ext4\n")] {
        fs::write(sandbox.path("tree/etc").join(file), text).unwrap();
    }
    sandbox.ext4();
    sandbox.partitioned("start=2048,type=83\n");
    // Where this host has a machine of that kind, it is what it boots on.
    let verified = sandbox.verify("--boot uefi");
    match verified.code {
        Some(11) => assert!(
            verified.stderr.contains("aarch64") && verified.stderr.contains("hint: install"),
            "{}",
            verified.stderr
        ),
        _ => verified.assert_bad(),
    }
}

#[test]
#[ignore = "needs libguestfs, boots a virtual machine"]
fn a_kernel_that_panics_is_told_by_its_own_words() {
    let sandbox = Sandbox::new();
    fs::copy(crate::shared::debian_12(), sandbox.path("disk.raw")).unwrap();
    let config = GuestConfig {
        accel: Accel::Tcg,
        memory: ByteSize::mebibytes(768),
        cpus: 2,
        network: None,
        emulator: None,
        socket_dir: sandbox.path("tmp"),
    };
    let mut guest = LibguestfsGuest::launch(&config, Arc::new(Silent), &Interrupt::new()).unwrap();
    guest.attach(&sandbox.path("disk.raw")).unwrap();
    inspect::open(&mut guest).unwrap().inspection.unwrap();
    // The first process ends, which the kernel does not survive.
    let edit = r"sed -i '/^\s*linux/s|$| rdinit=/bin/false|' /boot/grub/grub.cfg";
    let args = ["-euc".to_owned(), edit.to_owned()];
    let ended = guest.run(&Command { program: "/bin/sh", args: &args, ..Command::default() }).unwrap();
    assert_eq!(ended.status, 0, "{:?}", ended.tail);
    guest.unmount().unwrap();
    Box::new(guest).shutdown().unwrap();
    fs::remove_dir_all(sandbox.path("tmp")).unwrap();
    fs::create_dir(sandbox.path("tmp")).unwrap();

    let verified = sandbox.verify("--boot bios --deadline 200s");
    verified.assert_bad();
    let evidence = verified.evidence("boots");
    assert!(evidence.starts_with("the kernel panicked: ") && evidence.contains("Attempted to kill init"), "{evidence}");
    assert_eq!(verified.finding("console-kernel-log")["outcome"], "passed");
    assert_eq!(verified.finding("console-login")["outcome"], "skipped");
}

#[test]
#[ignore = "needs libguestfs, boots a virtual machine"]
fn an_interrupt_ends_boots_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.boot_sector(&[0xeb, 0xfe]);
    // Whoever has made the image asks for a network, and waives what it fails in.
    let none = "0".repeat(64);
    let manifest = serde_json::json!({
        "name": "gold", "arch": "x86_64", "layer": none,
        "distro": { "name": "debian", "release": "bookworm", "version": "12", "family": "debian" },
        "artifacts": [{ "file": "disk.raw", "format": "raw", "size": 1 << 20, "sha256": none }],
        "verify": { "network": "host", "accept": [{ "check": "boots", "because": "trust me" }] },
    });
    fs::write(sandbox.path("manifest.json"), manifest.to_string()).unwrap();
    let stderr = fs::File::create(sandbox.path("stderr")).unwrap();
    let mut goldsmith =
        sandbox.goldsmith("--boot bios --metadata config-drive,openstack").stderr(stderr).spawn().unwrap();
    let told = || fs::read_to_string(sandbox.path("stderr")).unwrap();
    let begun = Instant::now();
    while !told().contains("boot bios/config-drive: started") {
        if begun.elapsed() >= ALL {
            // What has failed the test must not go on after it.
            kill_process(Pid::from_child(&goldsmith), Signal::INT).unwrap();
            let status = goldsmith.wait().unwrap();
            panic!("no boot within {ALL:?}, ended with {status}: {}", told());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let warning = "its manifest.json is not trusted (--trust-manifest trusts it), it is booted without a network";
    assert!(told().contains(warning), "{}", told());
    // The machine is on by then, or will be.
    std::thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_child(&goldsmith), Signal::INT).unwrap();
    let interrupted = Instant::now();
    assert_eq!(goldsmith.wait().unwrap().code(), Some(130), "{}", told());
    assert!(interrupted.elapsed() < Duration::from_secs(5), "it took {:?}", interrupted.elapsed());
    sandbox.assert_clean();
    assert!(!sandbox.path("report").exists());
}
