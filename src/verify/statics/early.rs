//! What the kernel finds before there is a root file system: the initial RAM disk.

use std::collections::BTreeSet;

use super::texts::boot_file;
use crate::inspect::{Kernel, System, Tree, initramfs};

/// Longest initial RAM disk that is read, in bytes.
pub(super) const INITRD_LIMIT: u64 = 256 << 20;

/// What the kernel finds before there is a root file system.
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
    /// It is not one that a kernel can unpack.
    Damaged(String),
    /// They are not known, which is not its fault.
    Unknown(String),
}

impl Default for Modules {
    fn default() -> Self {
        Self::Known(BTreeSet::new())
    }
}

/// The kernel that is booted if nobody chooses.
pub(super) fn kernel(system: &System) -> Option<&Kernel> {
    let name = |path: &str| path.trim().rsplit('/').next().unwrap_or_default().to_owned();
    let booted = system.boot.default.as_ref().map(|entry| name(&entry.kernel));
    let kernels = &system.boot.kernels;
    kernels.iter().find(|kernel| Some(name(&kernel.path)) == booted).or(kernels.first())
}

/// Its initial RAM disk.
pub(super) fn initrd(tree: &Tree, system: &System) -> Option<String> {
    let named = system.boot.default.as_ref().and_then(|entry| entry.initrd.as_deref());
    // An entry may name several; microcode has one of its own.
    let named = named.and_then(|names| names.split_whitespace().filter_map(|name| boot_file(tree, name)).next_back());
    named.or_else(|| kernel(system)?.initrd.clone())
}

/// Reads the names in the initial RAM disk, if its content is in the tree.
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

/// The module that a file is: `virtio_blk` of `.../virtio-blk.ko.xz`.
pub(super) fn module(path: &str) -> Option<String> {
    let (name, rest) = path.rsplit('/').next()?.split_once(".ko")?;
    ["", ".gz", ".xz", ".zst"].contains(&rest).then(|| name.replace('-', "_"))
}
