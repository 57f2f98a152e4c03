//! The host of a pipeline: the interface for starting guests and booting images.

use std::path::Path;
use std::sync::Arc;

use crate::base::{InstallError, InstallRequest};
use crate::element::schema::Check;
use crate::event::Reporter;
use crate::fsx::PathError;
use crate::guest::{Guest, GuestError};
use crate::image::local::Local;
use crate::interrupt::Interrupt;
use crate::recipe::Arch;
use crate::recipe::verify::Verify;
use crate::verify::Subject;
use crate::verify::boot::{BootError, Booted};

/// A computer that starts guests and boots images.
pub trait Host: Sync {
    /// Starts a guest. `arch` is the architecture of the programs that it runs in an image, if it runs any. `network` is whether
    /// they may use the network.
    ///
    /// # Errors
    ///
    /// If no guest can be started on this host.
    fn launch(
        &self,
        arch: Option<Arch>,
        network: bool,
        reporter: &Arc<dyn Reporter>,
        interrupt: &Interrupt,
    ) -> Result<Box<dyn Guest>, GuestError>;

    /// Lets an installer make a disk. The machine has ended when this returns.
    ///
    /// # Errors
    ///
    /// If the host starts no machines for installers, or the installer does not come to its end.
    fn install(
        &self,
        _request: &InstallRequest<'_>,
        _reporter: &Arc<dyn Reporter>,
        _interrupt: &Interrupt,
    ) -> Result<(), InstallError> {
        Err(InstallError::NoHost)
    }

    /// Boots an image with every wanted profile; `None` if no profile is wanted.
    ///
    /// # Errors
    ///
    /// If the host cannot boot the image.
    fn boot(&self, request: &BootRequest<'_>) -> Result<Option<Booted>, HostError>;
}

/// A request to boot an image.
#[derive(Clone, Copy)]
pub struct BootRequest<'a> {
    /// The image file. Its bytes must not change.
    pub image: &'a Path,
    /// The same disk in a format that QEMU may open.
    pub local: &'a Local,
    /// Verification settings.
    pub verify: &'a Verify,
    /// Checks of elements, each with the element's name.
    pub checks: &'a [(String, Check)],
    /// Facts about the image.
    pub subject: &'a Subject,
    /// Receiver of events.
    pub reporter: &'a Arc<dyn Reporter>,
    /// The user's request to stop all boots.
    pub interrupt: &'a Interrupt,
}

impl std::fmt::Debug for BootRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BootRequest").field("image", &self.image).finish_non_exhaustive()
    }
}

/// An error of the host at a boot.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The host cannot run virtual machines.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// The virtual machine failed, for a reason that is not the image's.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// A directory for the machine's files could not be made.
    #[error(transparent)]
    File(#[from] PathError),
}
