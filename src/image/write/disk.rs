//! A disk that is written into a file.

use crate::image::Extents;
use crate::vocabulary::Firmware;

/// A disk as its writers must know it before the first byte.
#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    /// Its size, in bytes.
    pub size: u64,
    /// Where its data is.
    pub extents: &'a Extents,
    /// What identifiers in the files are made of: the same disk and the same seed give the same files.
    pub seed: &'a [u8; 32],
    /// The virtual machine that the disk is for.
    pub machine: Machine<'a>,
}

/// A virtual machine, as far as formats that describe one must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine<'a> {
    /// Name of the image; VMDK files call themselves by it, and OVA files their machine.
    pub name: &'a str,
    /// Its architecture, as `uname -m` has it.
    pub arch: &'a str,
    /// The only firmware that it boots under; `None` if it boots under either.
    pub firmware: Option<Firmware>,
}

impl Default for Machine<'_> {
    /// A PC that boots under either firmware, of no particular name.
    fn default() -> Self {
        Self { name: "disk", arch: "x86_64", firmware: None }
    }
}
