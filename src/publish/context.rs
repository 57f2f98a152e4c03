//! The request to publish and the context that all targets share: image, credentials, reporter.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::subject::Subject;
use crate::bucket::Credentials;
use crate::event::Reporter;
use crate::interrupt::Interrupt;
use crate::openstack::config::Places;
use crate::recipe::SecretSource;

/// An operation at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Publishes the image.
    Publish,
    /// Reports what publishing would add and remove, and changes nothing.
    DryRun,
    /// Promotes the image before the present one again.
    RollBack,
    /// Removes what interrupted runs have left.
    CleanUp {
        /// Least time since the last change.
        older_than: Duration,
        /// Only report what would be removed.
        dry_run: bool,
    },
}

/// The context that all targets share.
pub struct Context<'a> {
    /// The image.
    pub subject: &'a Subject,
    /// Places of cloud configurations, among which targets choose.
    pub places: Places,
    /// Whether an image may replace one that was built later.
    pub allow_older: bool,
    /// Secrets and credentials that targets need.
    pub keys: &'a dyn Keys,
    /// Receiver of events.
    pub reporter: Arc<dyn Reporter>,
    /// The user's request to stop.
    pub interrupt: Interrupt,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("subject", self.subject).finish_non_exhaustive()
    }
}

/// Access to secrets, credentials and the temporary directory. The caller provides it, because only it reads the environment.
pub trait Keys: Sync {
    /// Returns the value of a secret.
    ///
    /// # Errors
    ///
    /// If there is none, with the reason.
    fn secret(&self, source: &SecretSource) -> Result<String, String>;

    /// Returns credentials for object stores, from a profile if one is named.
    ///
    /// # Errors
    ///
    /// If there are none, with the reason.
    fn s3(&self, profile: Option<&str>) -> Result<Credentials, String>;

    /// Returns a directory for temporary files.
    fn scratch(&self) -> PathBuf;
}
