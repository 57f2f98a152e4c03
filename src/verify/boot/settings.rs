//! What is booted, and how; and what came of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Boot, Finding, ImageFacts, Profile, Subject};
use crate::digest::Sha256;
use crate::element::schema::Check;
use crate::event::Reporter;
use crate::guest::Accel;
use crate::image::local::Local;
use crate::interrupt::Interrupt;
use crate::recipe::Arch;
use crate::recipe::verify::Verify;

/// How much larger than the image the disk is if nobody says, in bytes.
pub const GROWTH: u64 = 2 << 30;

/// Time between two looks at a machine.
pub(super) const POLL: Duration = Duration::from_millis(200);

/// Bytes of a GiB, in which a flavor counts its disk.
pub(super) const GIB: u64 = 1 << 30;

/// What to boot, and how.
pub struct Settings<'a> {
    /// The image file as it was given: its bytes must not change.
    pub image: &'a Path,
    /// The same disk in a form that QEMU may open.
    pub local: &'a Local,
    /// What is wanted.
    pub verify: &'a Verify,
    /// Ways to boot it, at least one.
    pub profiles: &'a [Profile],
    /// Checks of elements; those that are not about a running image are passed over.
    pub checks: &'a [(String, Check)],
    /// What the image says of itself.
    pub subject: &'a Subject,
    /// Architecture of the machine.
    pub arch: Arch,
    /// How its processor is provided.
    pub accel: Accel,
    /// Program that joins its standard input and output to a Unix socket, whose path is its last argument.
    pub relay: &'a [String],
    /// A private directory with room for what instances write.
    pub work: &'a Path,
    /// A private directory with a short name, for sockets.
    pub sockets: &'a Path,
    /// Receives events.
    pub reporter: &'a Arc<dyn Reporter>,
    /// Ends all of it when it is raised.
    pub interrupt: &'a Interrupt,
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("image", &self.image).field("profiles", &self.profiles).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Booted {
    /// Every profile, in the order asked for.
    pub boots: Vec<Boot>,
    /// Findings about the image that no single profile has.
    pub findings: Vec<Finding>,
    /// What was found out.
    pub facts: ImageFacts,
    /// Digest of the image file.
    pub sha256: Sha256,
}

/// Size of the disk that instances get.
pub(super) fn disk_size(settings: &Settings<'_>) -> u64 {
    settings.verify.disk.map_or(settings.local.size + GROWTH, |size| size.get().max(settings.local.size))
}
