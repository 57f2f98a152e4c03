//! Saved states of the appliance's machine.
//!
//! A state has the memory and the devices of a guest that has just started and has no disk yet. It belongs to one QEMU, one
//! appliance and one kind of machine, and is worth nothing with any other. It has no secrets: nothing of a recipe has reached the
//! guest when it is saved.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::supermin::Appliance;
use crate::digest::Sha256;
use crate::guest::{Accel, GuestConfig};
use crate::units::ByteSize;

/// Increased when the options of QEMU or the parameters of its kernel change that [`crate::guest::libguestfs`] adds to those of
/// libguestfs.
const FORMAT: u32 = 1;

/// Number of states that are kept, those used last.
const KEPT: usize = 8;

/// Free space that a state must leave on its file system. It takes about 150 MB.
pub(in crate::guest) const SPARE: ByteSize = ByteSize::mebibytes(2048);

/// Directory of the states, below that of the appliance.
const STATES: &str = "states";

/// QEMU's device that tells the guest's kernel that its state was resumed. The kernel then takes new random numbers: without the
/// device, two guests that resume one state would make the same keys.
pub(in crate::guest) const GENERATION_DEVICE: &str = "vmgenid,guid=auto";

/// A script that fails unless the kernel of the guest listens to [`GENERATION_DEVICE`].
pub(in crate::guest) const LISTENS: &str = "ls -d /sys/bus/acpi/drivers/vmgenid/*:*";

/// Returns whether states can be saved for this acceleration on this host.
///
/// QEMU has [`GENERATION_DEVICE`] on x86-64. With KVM the appliance boots in about two seconds, and nobody has tried to resume it.
pub(in crate::guest) fn supported(accel: Accel) -> bool {
    cfg!(target_arch = "x86_64") && accel == Accel::Tcg
}

impl Appliance {
    /// Returns the file of the state for a kind of guest, which may be missing. Returns `None` if states are not supported, or if
    /// libguestfs has not made the appliance yet. `qemu` is the program that libguestfs starts.
    pub(in crate::guest) fn state(&self, qemu: &Path, config: &GuestConfig) -> Option<PathBuf> {
        if !supported(config.accel) {
            return None;
        }
        let program = std::fs::metadata(qemu).ok()?;
        let key = format!(
            "{FORMAT}\n{}\n{} {} {} {}\n{}\n{} {} {}\n{}",
            env!("CARGO_PKG_VERSION"),
            qemu.display(),
            program.ino(),
            program.size(),
            program.mtime(),
            self.identity()?,
            config.memory.get(),
            config.cpus,
            config.network.is_some(),
            processor().unwrap_or_default(),
        );
        Some(self.dir().join(STATES).join(&Sha256::of(key.as_bytes()).to_string()[..32]))
    }
}

/// Returns whether there is a state. QEMU would wait for ever for the content of an empty file, which a full disk may leave.
pub(in crate::guest) fn is_there(state: &Path) -> bool {
    std::fs::metadata(state).is_ok_and(|meta| meta.is_file() && meta.len() > 0)
}

/// Notes that a state is used now, so that others are removed first. A failure has no effect but on that order.
pub(in crate::guest) fn touch(state: &Path) {
    if let Ok(file) = std::fs::File::open(state) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// Removes all but the states used last in the directory of `state`. What cannot be removed stays until the next time.
pub(in crate::guest) fn prune(state: &Path) {
    let Some(dir) = state.parent() else { return };
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    found.sort();
    let surplus = found.len().saturating_sub(KEPT);
    for (_, path) in found.into_iter().take(surplus) {
        let _ = std::fs::remove_file(path);
    }
}

/// Returns the model of this host's processor, if the kernel tells.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    text.lines().find(|line| line.starts_with("model name")).map(str::to_owned)
}
