//! What a pipeline needs of the computer that it runs on.

use std::path::Path;
use std::sync::Arc;

use crate::element::schema::Check;
use crate::event::Reporter;
use crate::fsx::PathError;
use crate::guest::{Guest, GuestError};
use crate::image::local::Local;
use crate::interrupt::Interrupt;
use crate::recipe::verify::Verify;
use crate::verify::Subject;
use crate::verify::boot::{BootError, Booted};

/// Starts guests, and boots images.
pub trait Host {
    /// Starts a guest. `network` says whether its programs may use the network.
    ///
    /// # Errors
    ///
    /// If no guest can be started here.
    fn launch(
        &self,
        network: bool,
        reporter: &Arc<dyn Reporter>,
        interrupt: &Interrupt,
    ) -> Result<Box<dyn Guest>, GuestError>;

    /// Boots an image by every profile that is wanted; `None` if no profile is.
    ///
    /// # Errors
    ///
    /// If the image cannot be booted for a reason that is not the image's.
    fn boot(&self, request: &BootRequest<'_>) -> Result<Option<Booted>, HostError>;
}

/// What to boot.
#[derive(Clone, Copy)]
pub struct BootRequest<'a> {
    /// The image file. Its bytes must not change.
    pub image: &'a Path,
    /// The same disk in a form that QEMU may open.
    pub local: &'a Local,
    /// What is wanted.
    pub verify: &'a Verify,
    /// Checks of elements, each with the element's name.
    pub checks: &'a [(String, Check)],
    /// What the image says of itself.
    pub subject: &'a Subject,
    /// Receives events.
    pub reporter: &'a Arc<dyn Reporter>,
    /// Ends all boots when it is raised.
    pub interrupt: &'a Interrupt,
}

impl std::fmt::Debug for BootRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BootRequest").field("image", &self.image).finish_non_exhaustive()
    }
}

/// A boot that the host could not do.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It is not known how the host provides processors.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// The machine failed for a reason that is not the image's.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// A directory for the machine's files could not be made.
    #[error(transparent)]
    File(#[from] PathError),
}
