//! The settings for booting an image, and the results.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Boot, Finding, ImageFacts, Profile, Subject};
use super::room::Room;
use crate::digest::Sha256;
use crate::element::schema::Check;
use crate::event::Reporter;
use crate::guest::Accel;
use crate::image::local::Local;
use crate::interrupt::Interrupt;
use crate::recipe::Arch;
use crate::recipe::verify::Verify;

/// Default difference between the size of the disk and of the image, in bytes.
pub const GROWTH: u64 = 2 << 30;

/// Time between two checks of a machine.
pub(super) const POLL: Duration = Duration::from_millis(200);

/// Bytes of a GiB, the unit of a flavor's disk.
pub(super) const GIB: u64 = 1 << 30;

/// The settings for booting an image.
pub struct Settings<'a> {
    /// The original image file. Its bytes must not change.
    pub image: &'a Path,
    /// The same disk in a form that QEMU can open safely.
    pub local: &'a Local,
    /// The settings of the recipe.
    pub verify: &'a Verify,
    /// Ways to boot the image, at least one.
    pub profiles: &'a [Profile],
    /// Checks of elements; those of the disk are ignored.
    pub checks: &'a [(String, Check)],
    /// The facts that the image states about itself.
    pub subject: &'a Subject,
    /// Architecture of the machine.
    pub arch: Arch,
    /// The accelerator of its processor.
    pub accel: Accel,
    /// Program that connects its standard input and output to a Unix socket, whose path is its last argument.
    pub relay: &'a [String],
    /// A private directory with room for the data of instances.
    pub work: &'a Path,
    /// A private directory with a short name, for sockets.
    pub sockets: &'a Path,
    /// Room for its machines.
    pub room: &'a Room,
    /// Receives events.
    pub reporter: &'a Arc<dyn Reporter>,
    /// Ends everything when it is raised.
    pub interrupt: &'a Interrupt,
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("image", &self.image).field("profiles", &self.profiles).finish_non_exhaustive()
    }
}

/// The results of booting.
#[derive(Debug, Clone, PartialEq)]
pub struct Booted {
    /// Every profile, in the order asked for.
    pub boots: Vec<Boot>,
    /// Findings about the image that belong to no single profile.
    pub findings: Vec<Finding>,
    /// The facts that were found.
    pub facts: ImageFacts,
    /// Digest of the image file.
    pub sha256: Sha256,
}

/// Returns the size of the disk for instances.
pub(super) fn disk_size(settings: &Settings<'_>) -> u64 {
    settings.verify.disk.map_or(settings.local.size + GROWTH, |size| size.get().max(settings.local.size))
}
