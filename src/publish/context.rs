//! What publishing is given.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::subject::Subject;
use super::trees::s3::Credentials;
use crate::event::Reporter;
use crate::interrupt::Interrupt;
use crate::openstack::config::Places;
use crate::recipe::SecretSource;

/// What is done at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The image is handed to it.
    Publish,
    /// The image that was promoted before the present one is promoted again.
    RollBack,
    /// What interrupted runs have left there is removed, if it was not touched for so long.
    CleanUp(Duration),
}

/// What all targets are given.
pub struct Context<'a> {
    /// The image.
    pub subject: &'a Subject,
    /// Where clouds are configured. Targets choose among them.
    pub places: Places,
    /// Whether an image may take the place of one that was built later.
    pub allow_older: bool,
    /// Secrets and credentials that targets need.
    pub keys: &'a dyn Keys,
    /// Whom it is told what is done.
    pub reporter: Arc<dyn Reporter>,
    /// The wish to stop.
    pub interrupt: Interrupt,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("subject", self.subject).finish_non_exhaustive()
    }
}

/// What only the caller can know, who has an environment.
pub trait Keys: Sync {
    /// The value of a secret.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn secret(&self, source: &SecretSource) -> Result<String, String>;

    /// Credentials for object stores, from a profile if one is named.
    ///
    /// # Errors
    ///
    /// Why there are none.
    fn s3(&self, profile: Option<&str>) -> Result<Credentials, String>;

    /// A directory for temporary files.
    fn scratch(&self) -> PathBuf;
}
