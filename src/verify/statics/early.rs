//! Finds the modules in the initial RAM disk: those that the kernel has before it mounts the root file system.

use std::collections::BTreeSet;

use super::texts::boot_file;
use crate::inspect::{Kernel, System, Tree, initramfs};

/// Longest initial RAM disk that is read, in bytes.
pub(super) const INITRD_LIMIT: u64 = 256 << 20;

/// The initial RAM disk of the default kernel.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// The initial RAM disk; `None` if the kernel is booted without one.
    pub(super) path: Option<String>,
    pub(super) modules: Modules,
}

/// Modules in an initial RAM disk.
#[derive(Debug)]
pub(super) enum Modules {
    /// Their names.
    Known(BTreeSet<String>),
    /// The kernel cannot unpack it.
    Damaged(String),
    /// The modules could not be read, for another reason.
    Unknown(String),
}

impl Default for Modules {
    fn default() -> Self {
        Self::Known(BTreeSet::new())
    }
}

/// Returns the kernel that boots by default.
pub(super) fn kernel(system: &System) -> Option<&Kernel> {
    let name = |path: &str| path.trim().rsplit('/').next().unwrap_or_default().to_owned();
    let booted = system.boot.default.as_ref().map(|entry| name(&entry.kernel));
    let kernels = &system.boot.kernels;
    kernels.iter().find(|kernel| Some(name(&kernel.path)) == booted).or(kernels.first())
}

/// Returns the initial RAM disk of the default kernel.
pub(super) fn initrd(tree: &Tree, system: &System) -> Option<String> {
    let named = system.boot.default.as_ref().and_then(|entry| entry.initrd.as_deref());
    // An entry may name several; the first may be for microcode.
    let named = named.and_then(|names| names.split_whitespace().filter_map(|name| boot_file(tree, name)).next_back());
    named.or_else(|| kernel(system)?.initrd.clone())
}

/// Reads the names of modules in the initial RAM disk, if its content is in the tree.
pub(super) fn early(tree: &Tree, system: &System) -> Early {
    let Some(path) = initrd(tree, system) else { return Early::default() };
    let modules = match tree.bytes(&path) {
        Err(error) => Modules::Unknown(format!("{path}: {error}")),
        Ok(bytes) => match initramfs::names(bytes.unwrap_or_default()) {
            Ok(names) => Modules::Known(names.iter().filter_map(|name| module(name)).collect()),
            Err(error @ initramfs::Unreadable::Damaged(_)) => Modules::Damaged(format!("{path}: {error}")),
            Err(error) => Modules::Unknown(format!("{path}: {error}")),
        },
    };
    Early { path: Some(path), modules }
}

/// Returns the name of the module in a file: `virtio_blk` of `.../virtio-blk.ko.xz`.
pub(super) fn module(path: &str) -> Option<String> {
    let (name, rest) = path.rsplit('/').next()?.split_once(".ko")?;
    ["", ".gz", ".xz", ".zst"].contains(&rest).then(|| name.replace('-', "_"))
}
