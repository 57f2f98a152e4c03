//! The properties of a disk that writers need.

use std::fs::File;
use std::sync::Arc;

use crate::image::Extents;
use crate::vocabulary::Firmware;

/// A disk, with all that writers must know before the first byte.
#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    /// The size, in bytes.
    pub size: u64,
    /// The ranges with data.
    pub extents: &'a Extents,
    /// The seed of identifiers in the files: the same disk and the same seed give the same files.
    pub seed: &'a [u8; 32],
    /// The virtual machine that the disk is for.
    pub machine: Machine<'a>,
    /// An earlier file of the same encoding, if there is one. Writers may take over its compressed blocks.
    pub earlier: Option<&'a Earlier>,
}

/// An earlier file, whose disk is partly the same.
#[derive(Debug)]
pub struct Earlier {
    /// The file.
    pub file: File,
    /// The ranges of the disk that the file has, too.
    pub same: Arc<Extents>,
}

/// A virtual machine, with all that formats which describe one must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine<'a> {
    /// Name of the image. VMDK files contain it, and the machine of an OVA file has this name.
    pub name: &'a str,
    /// The architecture, as `uname -m` prints it.
    pub arch: &'a str,
    /// The only firmware that the machine boots under; `None` if it boots under either.
    pub firmware: Option<Firmware>,
}

impl Default for Machine<'_> {
    /// Returns a PC that boots under either firmware, with the name `disk`.
    fn default() -> Self {
        Self { name: "disk", arch: "x86_64", firmware: None }
    }
}
