//! The tools and settings of a build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{BootstrapError, BootstrapRequest, bootstrap};
use crate::event::Reporter;
use crate::fetch::Network;
use crate::interrupt::Interrupt;
use crate::layer::{Store, StoreError};
use crate::openstack::config::Places;
use crate::remote::{RemoteCache, Sharer};

/// Makes the disk of a bootstrap request, or stops early when the interrupt is raised.
pub type MakeBase =
    dyn Fn(&BootstrapRequest<'_>, &dyn Reporter, &Interrupt) -> Result<(), BootstrapError> + Send + Sync;

/// The tools and settings of a build.
pub struct Workshop {
    /// The layer store.
    pub store: Store,
    /// Makes the disk of a bootstrap.
    pub bootstrap: Box<MakeBase>,
    /// Directory of the store, of packages and of pins.
    pub cache: PathBuf,
    /// A private directory of the host for files on their way into an image.
    pub scratch: PathBuf,
    /// Values of the recipe's secrets.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Deadline of a step without its own.
    pub timeout: Duration,
    /// Receives events.
    pub reporter: Arc<dyn Reporter>,
    /// Ends the build when it is raised.
    pub interrupt: Interrupt,
    /// Proxies and logins for downloads.
    pub network: Network,
    /// Whether playbooks of Ansible may run. They can run programs on this host.
    pub ansible: bool,
    /// Places of cloud configurations, for bases that are images of a cloud.
    pub clouds: Places,
    /// The cache that several machines share.
    pub remote: Option<Arc<RemoteCache>>,
}

/// Default deadline of a step.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

impl Workshop {
    /// Creates a workshop without secrets, with mmdebstrap for bases. `cache` is the directory of the store, `scratch` a private
    /// directory with a short name.
    ///
    /// # Errors
    ///
    /// The store cannot be opened.
    pub fn new(
        cache: &Path,
        scratch: &Path,
        reporter: Arc<dyn Reporter>,
        interrupt: Interrupt,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            store: Store::open(cache)?,
            bootstrap: Box::new(|request, reporter, interrupt| {
                bootstrap::build(request, reporter, interrupt).map(drop)
            }),
            cache: cache.to_owned(),
            scratch: scratch.to_owned(),
            secrets: BTreeMap::new(),
            timeout: TIMEOUT,
            reporter,
            interrupt,
            network: Network::default(),
            ansible: false,
            clouds: Places::default(),
            remote: None,
        })
    }

    /// Returns what shares new layers with other machines, if this build does.
    pub(super) fn sharer(&self) -> Option<Sharer> {
        Sharer::new(self.remote.as_ref()?, &self.reporter, self.secrets.values())
    }
}

impl std::fmt::Debug for Workshop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workshop").finish_non_exhaustive()
    }
}
