//! Finds out whether this host's KVM works, by using it.
//!
//! A device that opens and answers is no proof: inside some virtual machines, QEMU then aborts, or the guest's kernel prints
//! nothing. So this module starts a kernel without a root file system. KVM works if the kernel gets far enough to miss it. The
//! verdict is valid until the host boots again.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Accel;
use crate::fsx::{self, IoContext as _, PathError};
use crate::interrupt::Interrupt;
use crate::process::{ProcessError, run_lines};

/// Limit for the kernel. With a working KVM, it takes about one second.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(8);

const KVM: &str = "/dev/kvm";

/// File of the cache directory with the verdict.
const REMEMBERED: &str = "kvm.json";

/// The user's choice of acceleration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AccelWish {
    /// KVM if it works, else TCG.
    #[default]
    Auto,
    /// KVM, or an error.
    Kvm,
    /// TCG, without a test of KVM.
    Tcg,
}

/// The verdict about KVM on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum KvmVerdict {
    /// A kernel ran.
    Works,
    /// There is a device, but it does not work.
    Unusable {
        /// The evidence, as a clause.
        reason: String,
    },
    /// There is a device, but this user may not open it.
    Denied,
    /// There is no device.
    Absent,
}

/// The reason why no acceleration could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum AccelError {
    /// The user insists on KVM.
    #[error("KVM was asked for, but {0}; use `--accel auto` to go on without it")]
    NoKvm(String),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The verdict could not be stored.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A verdict, with the conditions under which it is valid.
#[derive(Debug, Serialize, Deserialize)]
struct CachedVerdict {
    boot_id: String,
    qemu: PathBuf,
    qemu_modified: u64,
    #[serde(flatten)]
    verdict: KvmVerdict,
}

/// Chooses the acceleration, and explains why it is not KVM, if so. The verdict is stored in `cache_dir`, which must exist.
/// `qemu` is QEMU's program for this host's architecture.
pub fn choose_accel(
    wish: AccelWish,
    qemu: &Path,
    cache_dir: &Path,
    interrupt: &Interrupt,
) -> Result<(Accel, Option<String>), AccelError> {
    if wish == AccelWish::Tcg {
        return Ok((Accel::Tcg, None));
    }
    let reason = match kvm_verdict(qemu, cache_dir, interrupt)? {
        KvmVerdict::Works => return Ok((Accel::Kvm, None)),
        KvmVerdict::Absent => format!("{KVM} does not exist"),
        KvmVerdict::Denied => format!("{KVM} may not be opened by this user, who should be in the group kvm"),
        KvmVerdict::Unusable { reason } => reason,
    };
    match wish {
        AccelWish::Kvm => Err(AccelError::NoKvm(reason)),
        AccelWish::Auto | AccelWish::Tcg => Ok((Accel::Tcg, Some(reason))),
    }
}

/// Returns the verdict for this boot of the host, from the cache or by a probe of at most [`PROBE_DEADLINE`].
pub fn kvm_verdict(qemu: &Path, cache_dir: &Path, interrupt: &Interrupt) -> Result<KvmVerdict, AccelError> {
    if let Some(verdict) = known_verdict(qemu, cache_dir)? {
        return Ok(verdict);
    }
    let file = cache_dir.join(REMEMBERED);
    let (boot_id, qemu_modified) = (boot_id()?, modified(qemu));
    let Some(kernel) = find_kernel() else {
        let reason = "there is no kernel that can be read, in /boot or in the libguestfs appliance, to try KVM with";
        return Ok(KvmVerdict::Unusable { reason: reason.to_owned() });
    };
    let verdict = probe_kvm(qemu, &kernel, PROBE_DEADLINE, interrupt)?;
    let remembered = CachedVerdict { boot_id, qemu: qemu.to_owned(), qemu_modified, verdict };
    let text = serde_json::to_vec_pretty(&remembered).map_err(io::Error::from).at(&file)?;
    fsx::write_private(&file, &text)?;
    Ok(remembered.verdict)
}

/// Returns the verdict as far as it is known without a probe: from the device or from the cache.
pub fn known_verdict(qemu: &Path, cache_dir: &Path) -> Result<Option<KvmVerdict>, PathError> {
    Ok(match std::fs::OpenOptions::new().read(true).write(true).open(KVM) {
        Ok(_) => recall(&cache_dir.join(REMEMBERED), &boot_id()?, qemu, modified(qemu)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(KvmVerdict::Absent),
        // Not stored: the user can fix this without a reboot.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(KvmVerdict::Denied),
        Err(error) => Some(KvmVerdict::Unusable { reason: format!("{KVM} cannot be opened: {error}") }),
    })
}

/// Starts a kernel under KVM, and observes its progress within the deadline.
pub fn probe_kvm(
    qemu: &Path,
    kernel: &Path,
    deadline: Duration,
    interrupt: &Interrupt,
) -> Result<KvmVerdict, AccelError> {
    let mut command = Command::new(qemu);
    command
        .args(["-accel", "kvm", "-machine", "q35", "-cpu", "host", "-m", "256", "-nodefaults", "-no-user-config"])
        .args(["-display", "none", "-no-reboot", "-serial", "file:/dev/stdout", "-kernel"])
        .arg(kernel)
        // After the panic, the kernel wants to reboot. QEMU ends instead.
        .args(["-append", "console=ttyS0 panic=-1"]);
    let mut progress = Progress::default();
    let result = run_lines(&mut command, interrupt, Some(deadline), |line| progress.see(line));
    let reason = match result {
        Err(ProcessError::Interrupted) => return Err(AccelError::Interrupted),
        _ if progress.proved() => return Ok(KvmVerdict::Works),
        Ok(()) if progress.begun => "a kernel that was started with KVM ended early".to_owned(),
        Ok(()) => "a kernel that was started with KVM ended without a word".to_owned(),
        Err(ProcessError::Deadline { .. }) if progress.begun => {
            format!("a kernel that was started with KVM did not get anywhere in {} s", deadline.as_secs())
        }
        Err(ProcessError::Deadline { .. }) => {
            format!("a kernel that was started with KVM said nothing for {} s", deadline.as_secs())
        }
        Err(ProcessError::Failed { tail, status, .. }) => {
            // An error says more than an assertion that fails after it.
            let said = tail.iter().find(|line| line.contains("error")).or(tail.last()).cloned();
            format!("QEMU cannot use KVM: {}", said.unwrap_or_else(|| status.to_string()))
        }
        Err(error @ (ProcessError::Start { .. } | ProcessError::TooMuch { .. })) => error.to_string(),
    };
    Ok(KvmVerdict::Unusable { reason })
}

/// The progress of the kernel, from its output.
#[derive(Debug, Default)]
struct Progress {
    begun: bool,
    finished: bool,
}

impl Progress {
    fn see(&mut self, line: &str) {
        self.begun |= line.contains("Linux version");
        // A kernel without a root file system panics because of that. One with its own initramfs starts it.
        self.finished |= line.contains("Unable to mount root fs") || line.contains("Run /init");
    }

    fn proved(&self) -> bool {
        self.begun && self.finished
    }
}

fn boot_id() -> Result<String, PathError> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(std::fs::read_to_string(path).at(path)?.trim().to_owned())
}

/// Returns the time when a program was installed, in seconds since 1970; 0 if unknown.
fn modified(path: &Path) -> u64 {
    let time = std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
}

/// Returns the stored verdict, if it is for this boot and this QEMU. An unreadable file counts as missing.
fn recall(file: &Path, boot_id: &str, qemu: &Path, qemu_modified: u64) -> Option<KvmVerdict> {
    let remembered: CachedVerdict = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let holds = remembered.boot_id == boot_id && remembered.qemu == qemu && remembered.qemu_modified == qemu_modified;
    holds.then_some(remembered.verdict)
}

/// Finds a kernel of the host or of the appliance that this user can read.
fn find_kernel() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/boot").ok().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut kernels: Vec<_> = installed
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))
        .collect();
    kernels.sort();
    kernels.reverse();
    let user = rustix::process::geteuid().as_raw();
    kernels.push(format!("/var/tmp/.guestfs-{user}/appliance.d/kernel").into());
    kernels.into_iter().find(|kernel| std::fs::File::open(kernel).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// Returns a fake QEMU that runs a shell script.
    fn fake_qemu(dir: &Path, script: &str) -> PathBuf {
        let path = dir.join("qemu");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("writable");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("ours");
        path
    }

    #[test]
    fn only_a_kernel_that_gets_somewhere_is_a_proof() {
        let dir = tempfile::tempdir().expect("a directory");
        let panic = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)";
        for (script, expected) in [
            (format!("echo Linux version 6; echo '{panic}'"), None),
            ("echo Linux version 6; echo Run /init as init process".to_owned(), None),
            (format!("echo '{panic}'"), Some("without a word")),
            ("echo Linux version 6".to_owned(), Some("ended early")),
            ("exec sleep 60".to_owned(), Some("said nothing for 1 s")),
            ("echo Linux version 6; exec sleep 60".to_owned(), Some("did not get anywhere")),
            ("echo 'error: failed to set MSR' >&2; echo Aborted >&2; exit 1".to_owned(), Some("failed to set MSR")),
        ] {
            let qemu = fake_qemu(dir.path(), &script);
            let verdict = probe_kvm(&qemu, Path::new("k"), Duration::from_secs(1), &Interrupt::new());
            match (verdict.expect("not interrupted"), expected) {
                (KvmVerdict::Works, None) => {}
                (KvmVerdict::Unusable { reason }, Some(expected)) => assert!(reason.contains(expected), "{reason}"),
                (verdict, _) => panic!("{script}: {verdict:?}"),
            }
        }
        let verdict = probe_kvm(&dir.path().join("none"), Path::new("k"), PROBE_DEADLINE, &Interrupt::new());
        assert!(matches!(verdict, Ok(KvmVerdict::Unusable { .. })), "{verdict:?}");
    }

    #[test]
    fn a_verdict_holds_for_one_boot_and_one_qemu() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join(REMEMBERED);
        let verdict = KvmVerdict::Unusable { reason: "seen".to_owned() };
        let remembered =
            CachedVerdict { boot_id: "b".to_owned(), qemu: "/q".into(), qemu_modified: 7, verdict: verdict.clone() };
        std::fs::write(&file, serde_json::to_vec(&remembered).expect("JSON")).expect("writable");
        assert_eq!(recall(&file, "b", Path::new("/q"), 7), Some(verdict));
        for (boot_id, qemu, modified) in [("c", "/q", 7), ("b", "/r", 7), ("b", "/q", 8)] {
            assert_eq!(recall(&file, boot_id, Path::new(qemu), modified), None);
        }
        std::fs::write(&file, "{").expect("writable");
        assert_eq!(recall(&file, "b", Path::new("/q"), 7), None);
    }

    /// On a host with a device, the probe ends in time with any verdict, which is stored.
    #[test]
    fn the_verdict_of_this_host_is_found_once() {
        let qemu = Path::new("/usr/bin/qemu-system-x86_64");
        if !qemu.exists() || !Path::new(KVM).exists() {
            return;
        }
        let cache = tempfile::tempdir().expect("a directory");
        let first = kvm_verdict(qemu, cache.path(), &Interrupt::new()).expect("not interrupted");
        let remembered = cache.path().join(REMEMBERED).exists();
        assert!(remembered || !matches!(first, KvmVerdict::Works), "{first:?}");
        assert_eq!(kvm_verdict(qemu, cache.path(), &Interrupt::new()).expect("not interrupted"), first);
        let chosen = choose_accel(AccelWish::Kvm, qemu, cache.path(), &Interrupt::new());
        assert_eq!(chosen.is_ok(), first == KvmVerdict::Works, "{chosen:?}");
    }

    #[test]
    fn tcg_is_taken_without_looking() {
        let nowhere = Path::new("/nonexistent");
        let chosen = choose_accel(AccelWish::Tcg, nowhere, nowhere, &Interrupt::new());
        assert!(matches!(chosen, Ok((Accel::Tcg, None))), "{chosen:?}");
    }
}
