//! The machine, on real images: a built one, and disks on which there is nothing to boot.
//!
//! The image is the file that `GOLDSMITH_TEST_IMAGE` names, or is built first.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use goldsmith::guest::Accel;
use goldsmith::interrupt::Interrupt;
use goldsmith::machine::{Console, End, KeyPair, Machine, MachineConfig, Ssh};
use goldsmith::process::capture;
use goldsmith::recipe::Arch;
use goldsmith::recipe::verify::{Board, BootKind, NetworkAccess};
use goldsmith::units::ByteSize;

/// How long the built image may take to a login.
const DEADLINE: Duration = Duration::from_secs(300);

/// A directory with a machine.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
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

fn image(bench: &Bench) -> PathBuf {
    if let Some(image) = std::env::var_os("GOLDSMITH_TEST_IMAGE") {
        return image.into();
    }
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/debian-12.yaml");
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    capture(goldsmith.arg("build").arg(recipe).arg("--out").arg(bench.path("out"))).unwrap();
    bench.path("out/debian-12.qcow2")
}

/// A disk with a key from which cloud-init is configured.
fn seed(bench: &Bench, key: &KeyPair) -> PathBuf {
    let user_data = format!("#cloud-config\nssh_authorized_keys:\n  - {}\n", key.public);
    std::fs::write(bench.path("user-data"), user_data).unwrap();
    std::fs::write(bench.path("meta-data"), "instance-id: try-1\nlocal-hostname: try\n").unwrap();
    let disk = bench.path("seed, of 'it'.img");
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    capture(Command::new("mkfs.vfat").env("PATH", path).args(["-n", "CIDATA", "-C"]).arg(&disk).arg("1440")).unwrap();
    let mut copy = Command::new("mcopy");
    capture(copy.arg("-i").arg(&disk).args([bench.path("user-data"), bench.path("meta-data")]).arg("::")).unwrap();
    disk
}

#[test]
#[ignore = "boots a virtual machine"]
fn an_image_boots_to_a_login_by_ssh_and_shuts_down() {
    let bench = Bench::new();
    bench.overlay(&image(&bench));
    let key = KeyPair::make(bench.dir.path(), "test").unwrap();
    let config = MachineConfig { drives: vec![seed(&bench, &key)], ..bench.config(BootKind::Uefi) };
    let mut machine = Machine::start(&config, &Interrupt::new()).unwrap();
    until("login prompt", &mut machine, |machine| machine.serial().text().contains("try login:").then_some(()));
    let (host, user) = ("127.0.0.1".to_owned(), "debian".to_owned());
    let ssh = Ssh { host, port: machine.ssh_port(), user, key: key.private };
    let script = "cat /sys/class/dmi/id/product_name; cloud-init status --wait; ip -4 addr show; exit 7";
    let output = until("login", &mut machine, |_| ssh.run(script, Duration::from_secs(120)).ok());
    let text = output.text();
    assert_eq!(output.status, 7, "{text}");
    assert!(text.starts_with("OpenStack Nova\n") && text.contains("status: done"), "{text}");
    assert!(text.contains("inet 172.16.0.15/5"), "{text}");
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
