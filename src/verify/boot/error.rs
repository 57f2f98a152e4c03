//! Errors of booting that are not the image's fault.

use crate::disk::qemu_img::QemuImgError;
use crate::fsx::PathError;
use crate::machine::{KeyError, MachineError, SshError};
use crate::metadata::MetadataError;

/// An error of booting that is not the image's fault.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The machine cannot be started.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// No key pair can be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The program that logs in is missing.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// The metadata cannot be made.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// No overlay can be made.
    #[error(transparent)]
    Overlay(#[from] QemuImgError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}
