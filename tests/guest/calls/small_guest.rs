//! A small disk made from programs of the host, and a guest on it.

use goldsmith::event::{Event, Reporter};
use goldsmith::guest::libguestfs::LibguestfsGuest;
use goldsmith::guest::{Accel, Command, Emulator, Ended, Guest, GuestConfig, GuestError, Mount};
use goldsmith::interrupt::Interrupt;
use goldsmith::recipe::verify::NetworkAccess;
use goldsmith::units::ByteSize;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) static ONE_GUEST: Mutex<()> = Mutex::new(());

/// First sector of the root partition of [`SmallGuest::disk`], and its number.
pub(crate) const ROOT_START: u64 = 67584;
pub(crate) const ROOT: u32 = 2;

#[derive(Default)]
pub(crate) struct Recorder(pub(crate) Mutex<Vec<String>>);

impl Reporter for Recorder {
    fn report(&self, event: &Event) {
        if let Event::Output { line } = event {
            self.0.lock().unwrap().push(line.clone());
        }
    }
}

/// A directory with a disk, and what a guest needs.
pub(crate) struct SmallGuest {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) reporter: Arc<Recorder>,
    pub(crate) interrupt: Interrupt,
    pub(crate) _lock: MutexGuard<'static, ()>,
}

impl SmallGuest {
    pub(crate) fn new() -> Self {
        let lock = ONE_GUEST.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::Builder::new().prefix("gold").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("s")).unwrap();
        Self { dir, reporter: Arc::default(), interrupt: Interrupt::new(), _lock: lock }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn launch(&self) -> Result<LibguestfsGuest, GuestError> {
        self.launch_with(NetworkAccess::User)
    }

    pub(crate) fn launch_with(&self, access: NetworkAccess) -> Result<LibguestfsGuest, GuestError> {
        self.launch_as(access, None)
    }

    pub(crate) fn launch_as(
        &self,
        access: NetworkAccess,
        emulator: Option<Emulator>,
    ) -> Result<LibguestfsGuest, GuestError> {
        let config = GuestConfig {
            accel: Accel::Tcg,
            memory: ByteSize::mebibytes(768),
            cpus: 2,
            network: Some(access),
            emulator,
            socket_dir: self.path("s"),
        };
        LibguestfsGuest::launch(&config, Arc::clone(&self.reporter) as Arc<dyn Reporter>, &self.interrupt)
    }

    /// A GPT disk with an empty EFI system partition and a small Linux tree on ext4.
    pub(crate) fn disk(&self) {
        let (disk, tree) = (self.path("disk.raw"), self.path("tree"));
        small_tree(&tree);
        std::fs::File::create(&disk).unwrap().set_len(256 << 20).unwrap();
        let mut sfdisk = tool("sfdisk").arg("--quiet").arg(&disk).stdin(process::Stdio::piped()).spawn().unwrap();
        let table = b"label: gpt\nsize=32MiB, type=uefi\ntype=linux\n";
        sfdisk.stdin.take().unwrap().write_all(table).unwrap();
        assert!(sfdisk.wait().unwrap().success());
        run(tool("mke2fs").args(["-q", "-t", "ext4", "-d"]).arg(&tree).arg("-E").arg(offset()).arg(&disk).arg("150M"));
        run(tool("mkfs.vfat").args(["--offset", "2048"]).arg(&disk).arg("32768"));
        run(tool("qemu-img").args(["convert", "-O", "qcow2"]).arg(&disk).arg(self.path("base.qcow2")));
        self.overlay("base.qcow2", "1.qcow2");
    }

    pub(crate) fn overlay(&self, parent: &str, name: &str) -> PathBuf {
        run(tool("qemu-img")
            .current_dir(self.dir.path())
            .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", parent, name]));
        self.path(name)
    }

    /// Whether the file systems of a layer are clean without any recovery.
    pub(crate) fn assert_clean(&self, layer: &str) {
        let raw = self.path("check.raw");
        run(tool("qemu-img").args(["convert", "-O", "raw", "-U"]).arg(self.path(layer)).arg(&raw));
        run(tool("qemu-img").args(["check", "-q", "-U"]).arg(self.path(layer)));
        let mut bytes = vec![0; 2048];
        let file = std::fs::File::open(&raw).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, ROOT_START * 512 + 1024).unwrap();
        // Superblock: needs_recovery is 0x4 of the incompatible features at 0x60, state at 0x3a.
        assert_eq!((bytes[0x60] & 4, bytes[0x3a]), (0, 1), "{layer}: the ext4 journal is not empty");
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 2048 * 512).unwrap();
        assert_eq!(bytes[0x25] & 1, 0, "{layer}: vfat has its dirty mark");
        run(tool("e2fsck").arg("-fn").arg(format!("{}?{}", raw.display(), offset())));
    }
}

pub(crate) fn offset() -> String {
    format!("offset={}", ROOT_START * 512)
}

/// A program of the host; some live where only root's `PATH` leads.
pub(crate) fn tool(name: &str) -> process::Command {
    let mut command = process::Command::new(name);
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command
}

pub(crate) fn run(command: &mut process::Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file of [`small_tree`] that has an extended attribute.
pub(crate) const MARKED: &str = "etc/os-release";

/// Enough of a Linux for a shell: programs of the host and the libraries they name.
pub(crate) fn small_tree(tree: &Path) {
    for dir in ["bin", "etc", "dev", "proc", "sys", "run", "tmp", "root", "var/log", "boot/efi"] {
        std::fs::create_dir_all(tree.join(dir)).unwrap();
    }
    let programs = [
        "bash", "cat", "dd", "env", "ln", "ls", "mkfifo", "mount", "setsid", "sh", "sleep", "sort", "stat", "stty",
        "touch", "tr",
    ];
    for program in programs {
        let found = String::from_utf8(
            tool("sh").args(["-c", &format!("readlink -f $(command -v {program})")]).output().unwrap().stdout,
        );
        let found = PathBuf::from(found.unwrap().trim());
        std::fs::copy(&found, tree.join("bin").join(program)).unwrap();
        let libraries = String::from_utf8(tool("ldd").arg(&found).output().unwrap().stdout).unwrap();
        for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            let target = tree.join(library.trim_start_matches('/'));
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(library, target).unwrap();
        }
    }
    let release = "ID=debian\nID_LIKE=\"one two\"\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian of the tests\"\nVERSION_CODENAME=bookworm\n";
    for (path, content) in [
        ("etc/os-release", release),
        ("etc/debian_version", "12.0\n"),
        ("etc/fstab", "/dev/sda2 / ext4 defaults 0 1\n/dev/sda1 /boot/efi vfat defaults 0 1\n"),
        ("etc/resolv.conf", "# of the image\n"),
    ] {
        std::fs::write(tree.join(path), content).unwrap();
    }
    rustix::fs::setxattr(tree.join(MARKED), "user.goldsmith", b"kept", rustix::fs::XattrFlags::empty()).unwrap();
}

pub(crate) fn mounts() -> [Mount; 2] {
    [(ROOT, "/"), (1, "/boot/efi")].map(|(partition, path)| Mount::partition(partition, path))
}

/// Runs a line of shell in the image.
pub(crate) fn sh(guest: &mut dyn Guest, line: &str, network: bool) -> Result<Ended, GuestError> {
    let args = ["-c".to_owned(), line.to_owned()];
    let env = BTreeMap::from([("GREETING".to_owned(), "it's a 'test'".to_owned())]);
    let timeout = Some(Duration::from_secs(120));
    guest.run(&Command { program: "/bin/bash", args: &args, env, network, timeout })
}

pub(crate) fn lines(guest: &mut dyn Guest, line: &str) -> Vec<String> {
    let ended = sh(guest, line, false).unwrap();
    assert_eq!(ended.status, 0, "{line}: {ended:?}");
    ended.tail
}

/// The processes that have this small_guest's sockets on their command lines: number and command line.
pub(crate) fn processes_of(small_guest: &SmallGuest) -> Vec<(String, String)> {
    let mark = small_guest.path("s").display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let described = processes.filter_map(|process| {
        let line = std::fs::read_to_string(process.path().join("cmdline")).ok()?;
        Some((process.file_name().into_string().ok()?, line))
    });
    described.filter(|(_, line)| line.contains(&mark)).collect()
}

pub(crate) fn qemu_of(small_guest: &SmallGuest) -> String {
    let found = processes_of(small_guest);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].0.clone()
}

pub(crate) fn assert_nothing_left(small_guest: &SmallGuest) {
    // A process that was killed may be on its way out.
    let until = Instant::now() + Duration::from_secs(5);
    while !processes_of(small_guest).is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(processes_of(small_guest), []);
    let left: Vec<_> =
        std::fs::read_dir(small_guest.path("s")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| ["qmp", "log", "tty"].iter().any(|socket| name == *socket)), "{left:?}");
}
