//! The machine, on real images: a built one, and disks on which there is nothing to boot.
//!
//! The image is the one of `crate::shared`.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use goldsmith::guest::Accel;
use goldsmith::interrupt::Interrupt;
use goldsmith::machine::watch::{Limits, Sign, Trouble, Watch};
use goldsmith::machine::{Console, End, KeyPair, Machine, MachineConfig, MachineError, Relay, Ssh};
use goldsmith::process::capture;
use goldsmith::recipe::Arch;
use goldsmith::recipe::verify::{Board, BootKind, NetworkAccess};
use goldsmith::units::ByteSize;

/// How long the built image may take to a login.
const DEADLINE: Duration = Duration::from_secs(300);

/// A directory with a machine.
struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self, boot: BootKind) -> MachineConfig {
        MachineConfig {
            accel: Accel::Tcg,
            arch: Arch::X86_64,
            board: Board::Q35,
            boot,
            memory: ByteSize::mebibytes(1024),
            cpus: 2,
            disk: self.path("disk.qcow2"),
            drives: Vec::new(),
            kernel: None,
            disc: None,
            mac: "52:54:00:67:6f:01".to_owned(),
            uuid: "5a8b2c1e-0e0b-4a0a-9a41-52540067f001".to_owned(),
            nova: true,
            network: NetworkAccess::Isolated,
            service: None,
            agent: true,
            work: self.dir.path().to_owned(),
            console: Console::Watched,
        }
    }

    /// An overlay on an image.
    fn overlay(&self, image: &Path) {
        let mut command = Command::new("qemu-img");
        command.args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]).arg(image.canonicalize().unwrap());
        capture(command.arg(self.path("disk.qcow2")).arg("5G")).unwrap();
    }
}

/// A boot sector with this program.
fn boot_sector(program: &[u8]) -> Vec<u8> {
    let mut disk = vec![0; 1 << 20];
    disk[..program.len()].copy_from_slice(program);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

/// Boots a disk on which there is no system. What has stopped it, and the text of the screen.
fn trouble_of(disk: &[u8], boot: BootKind) -> Trouble {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("disk.raw"), disk).unwrap();
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(fixture.path("disk.raw"));
    capture(command.arg(fixture.path("disk.qcow2"))).unwrap();
    let mut machine = Machine::start(&fixture.config(boot), &Interrupt::new()).unwrap();
    let mut watch = Watch::new(Limits { silence: Duration::from_secs(15), output: 8 << 20 });
    let trouble = until("verdict", &mut machine, |machine| machine.watch(&mut watch).trouble.clone());
    let picture = machine.screenshot().unwrap();
    assert_eq!(picture[..4], *b"\x89PNG");
    let process = PathBuf::from(format!("/proc/{}", machine.pid()));
    assert!(process.exists());
    drop(machine);
    assert!(!process.exists(), "QEMU goes on");
    trouble
}

/// Calls again and again until there is something.
fn until<T>(what: &str, machine: &mut Machine, mut look: impl FnMut(&mut Machine) -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look(machine) {
            return found;
        }
        assert_eq!(machine.ended(), None, "before {what}:\n{}", machine.serial().text());
        assert!(begun.elapsed() < DEADLINE, "no {what}:\n{}", machine.serial().text());
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// A disk with a key from which cloud-init is configured.
fn seed(fixture: &Fixture, key: &KeyPair) -> PathBuf {
    let user_data = format!("#cloud-config\nssh_authorized_keys:\n  - {}\n", key.public);
    std::fs::write(fixture.path("user-data"), user_data).unwrap();
    std::fs::write(fixture.path("meta-data"), "instance-id: try-1\nlocal-hostname: try\n").unwrap();
    let disk = fixture.path("seed, of 'it'.img");
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    capture(Command::new("mkfs.vfat").env("PATH", path).args(["-n", "CIDATA", "-C"]).arg(&disk).arg("1440")).unwrap();
    let mut copy = Command::new("mcopy");
    capture(copy.arg("-i").arg(&disk).args([fixture.path("user-data"), fixture.path("meta-data")]).arg("::")).unwrap();
    disk
}

#[test]
#[ignore = "boots a virtual machine"]
fn takes_long_boots_under_uefi_to_a_login_by_ssh_and_shuts_down() {
    let fixture = Fixture::new();
    fixture.overlay(&crate::shared::debian_12());
    let key = KeyPair::make(fixture.dir.path(), "test").unwrap();
    // One program a connection, whose words have all that must be escaped on the way to it.
    // What is left unread at its end resets the connection.
    let answer = r#"read line; while read rest && [ "${#rest}" -gt 1 ]; do :; done; printf 'HTTP/1.0 200 OK\r\n\r\nit'\''s "me", %s' "$line""#;
    let service = Relay { command: ["/bin/sh", "-c", answer].map(str::to_owned).to_vec() };
    let drives = vec![seed(&fixture, &key)];
    let config = MachineConfig { drives, service: Some(service), ..fixture.config(BootKind::Uefi) };
    let mut machine = Machine::start(&config, &Interrupt::new()).unwrap();
    let mut watch = Watch::new(Limits::default());
    until("end of the first boot", &mut machine, |machine| {
        let verdict = machine.watch(&mut watch);
        assert_eq!(verdict.trouble, None);
        verdict.cloud_init.as_ref().map(|_| ())
    });
    let signs: Vec<_> = watch.verdict().signs.iter().map(|(sign, _)| *sign).collect();
    for sign in [Sign::Firmware, Sign::Kernel, Sign::Init, Sign::LoginPrompt] {
        assert!(signs.contains(&sign), "no {sign}: {signs:?}\n{}", machine.serial().text());
    }
    let cloud_init = watch.verdict().cloud_init.clone().unwrap();
    assert!(cloud_init.datasource.starts_with("DataSourceNoCloud") && cloud_init.up > 1.0, "{cloud_init:?}");
    let (host, user) = ("127.0.0.1".to_owned(), "debian".to_owned());
    let ssh = Ssh { host, port: machine.ssh_port(), user, key: key.private };
    let script = "cat /sys/class/dmi/id/product_name; cloud-init status --wait; ip -4 addr show; exit 7";
    let output = until("login", &mut machine, |_| ssh.run(script, Duration::from_secs(120)).ok());
    let text = output.text();
    assert_eq!(output.status, 7, "{text}");
    assert!(text.starts_with("OpenStack Nova\n") && text.contains("status: done"), "{text}");
    assert!(text.contains("inet 172.16.0.15/5"), "{text}");
    let asking =
        "python3 -c 'import urllib.request as r; print(r.urlopen(\"http://169.254.169.254/x\").read().decode())'";
    let answer = ssh.run(asking, Duration::from_secs(60)).unwrap();
    assert_eq!(answer.text(), "it's \"me\", GET /x HTTP/1.1\r\n", "{}", String::from_utf8_lossy(&answer.stderr));
    let outside = ssh.run("timeout 5 bash -c 'echo >/dev/tcp/172.16.0.2/22'", Duration::from_secs(60)).unwrap();
    assert_ne!(outside.status, 0, "the guest reaches the host");
    assert_eq!(ssh.methods(Duration::from_secs(60)).unwrap(), ["publickey"]);
    let told = ssh.run("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub", Duration::from_secs(60)).unwrap().text();
    assert!(ssh.host_keys(Duration::from_secs(60)).unwrap().contains(&told.trim().to_owned()), "{told}");
    assert_eq!(machine.screenshot().unwrap()[..4], *b"\x89PNG");
    let mut agent = machine.agent().expect("it has a port");
    let names: Vec<_> = match agent.interfaces(Duration::from_secs(20)) {
        Ok(interfaces) => interfaces.into_iter().flat_map(|found| found.mac).collect(),
        Err(_) => panic!("the recipe has a guest agent"),
    };
    assert!(names.contains(&config.mac), "{names:?}");
    machine.power_button().unwrap();
    assert_eq!(machine.wait(DEADLINE), Some(End::PoweredOff), "{}", machine.serial().text());
}

#[test]
#[ignore = "boots a virtual machine"]
fn a_disk_of_zeros_is_told_at_once() {
    let begun = Instant::now();
    let bios = trouble_of(&vec![0; 1 << 20], BootKind::Bios);
    assert_eq!(bios, Trouble::NothingToBoot("No bootable device.".to_owned()));
    let uefi = trouble_of(&vec![0; 1 << 20], BootKind::Uefi);
    // Some firmware has a shell to fall back on.
    assert!(matches!(uefi, Trouble::NothingToBoot(_)), "{uefi}");
    assert!(begun.elapsed() < Duration::from_secs(120));
}

#[test]
#[ignore = "boots a virtual machine"]
fn a_boot_sector_that_hangs_is_silent() {
    // jmp $
    match trouble_of(&boot_sector(&[0xeb, 0xfe]), BootKind::Bios) {
        Trouble::Silence { last, .. } => assert_eq!(last, "Booting from Hard Disk..."),
        trouble => panic!("{trouble}"),
    }
}

#[test]
#[ignore = "boots a virtual machine"]
fn a_screen_that_changes_is_not_silent() {
    // mov ax, b800h; mov ds, ax; inc byte [0]; jmp back to `inc`
    not_silent(&[0xb8, 0x00, 0xb8, 0x8e, 0xd8, 0xfe, 0x06, 0x00, 0x00, 0xeb, 0xfa]);
}

#[test]
#[ignore = "boots a virtual machine"]
fn a_guest_that_reads_its_disk_is_not_silent() {
    // mov ax, 0201h; mov cx, 1; mov dx, 80h; mov bx, 8000h; int 13h; jmp back to the first
    let read = [0xb8, 0x01, 0x02, 0xb9, 0x01, 0x00, 0xba, 0x80, 0x00, 0xbb, 0x00, 0x80, 0xcd, 0x13, 0xeb, 0xf0];
    not_silent(&read);
}

/// Boots a program that never prints, for four times as long as silence may last.
fn not_silent(program: &[u8]) {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("disk.raw"), boot_sector(program)).unwrap();
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(fixture.path("disk.raw"));
    capture(command.arg(fixture.path("disk.qcow2"))).unwrap();
    let mut machine = Machine::start(&fixture.config(BootKind::Bios), &Interrupt::new()).unwrap();
    let silence = Duration::from_secs(6);
    let mut watch = Watch::new(Limits { silence, output: 8 << 20 });
    while machine.started().elapsed() < 4 * silence {
        assert_eq!(machine.watch(&mut watch).trouble, None);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(machine.serial().quiet > 2 * silence);
}

#[test]
#[ignore = "boots a virtual machine"]
fn a_boot_sector_that_prints_for_ever_is_a_flood() {
    // mov dx, 3f8h; mov al, 'A'; out dx, al; jmp back to `out`
    let program = [0xba, 0xf8, 0x03, 0xb0, b'A', 0xee, 0xeb, 0xfd];
    let trouble = trouble_of(&boot_sector(&program), BootKind::Bios);
    assert!(matches!(trouble, Trouble::Flood { .. }), "{trouble}");
}

#[test]
#[ignore = "boots a virtual machine"]
fn a_reset_ends_the_machine_and_errors_say_what_is_wrong() {
    let fixture = Fixture::new();
    // By the keyboard controller: mov al, feh; out 64h, al; hlt
    std::fs::write(fixture.path("disk.raw"), boot_sector(&[0xb0, 0xfe, 0xe6, 0x64, 0xf4])).unwrap();
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(fixture.path("disk.raw"));
    capture(command.arg(fixture.path("disk.qcow2"))).unwrap();
    let config = fixture.config(BootKind::Bios);
    let start = |config: &MachineConfig| Machine::start(config, &Interrupt::new());
    assert_eq!(start(&config).unwrap().wait(DEADLINE), Some(End::Reset));

    // A disk with a machine on it is no other's.
    let mut machine = start(&MachineConfig { console: Console::Lent, ..config.clone() }).unwrap();
    let error = start(&config).unwrap_err();
    assert!(matches!(&error, MachineError::DiskInUse { disk } if *disk == config.disk), "{error}");
    assert_eq!(machine.ended(), None, "for whoever is at the console it starts again");
    machine.kill();
    assert_eq!(machine.ended(), Some(End::Killed));
    assert!(machine.screenshot().is_err());

    let error = start(&MachineConfig { memory: ByteSize::mebibytes(64 << 20), ..config.clone() }).unwrap_err();
    assert!(matches!(error, MachineError::NoMemory(_) | MachineError::AtOnce(_)), "{error}");
    let error = start(&MachineConfig { disk: fixture.path("none"), ..config.clone() }).unwrap_err();
    assert!(error.to_string().contains("No such file or directory"), "{error}");
    let error = start(&MachineConfig { board: Board::Pc, boot: BootKind::SecureBoot, ..config.clone() }).unwrap_err();
    assert!(error.to_string().contains("no Secure Boot"), "{error}");
    let interrupt = Interrupt::new();
    let mut machine = Machine::start(&MachineConfig { console: Console::Lent, ..config.clone() }, &interrupt).unwrap();
    interrupt.raise();
    assert_eq!(machine.wait(Duration::from_secs(10)), Some(End::Killed));
    assert!(matches!(Machine::start(&config, &interrupt), Err(MachineError::Interrupted)));
}
