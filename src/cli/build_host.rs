//! The host that builds a recipe's image: this computer, its directories and programs.

use std::path::PathBuf;
use std::sync::Arc;

use super::cloud::{self, CloudOptions};
use super::failure::{Failure, FailureKind};
use super::options::GuestOptions;
use super::settings::Global;
use super::telemetry::Telemetry;
use super::{hints, network};
use crate::build::Workshop;
use crate::event::Reporter;
use crate::interrupt::Interrupt;
use crate::pipeline::QemuHost;
use crate::remote::RemoteCache;
use crate::workdir::WorkDir;

/// Name of the socket of a guest that waits, in the directory of its process.
pub(super) const SOCKET: &str = "waiting";

/// Directories and programs that a build works with.
pub(super) struct BuildHost {
    /// Sockets and scratch files of this process; removed with it.
    private: WorkDir,
    /// Libguestfs and QEMU.
    pub(super) host: QemuHost,
    /// The cache that several machines share.
    pub(super) remote: Option<Arc<RemoteCache>>,
    /// Where the numbers and spans of the build go.
    pub(super) telemetry: Arc<Telemetry>,
}

impl BuildHost {
    pub(super) fn new(options: &GuestOptions, global: &Global) -> Result<Self, Failure> {
        let private = WorkDir::in_tmp(&std::env::temp_dir()).map_err(|error| {
            Failure::new(FailureKind::Host, &error).hint("TMPDIR names a directory for temporary files")
        })?;
        let host = options.accel.host(options.memory, &global.cache, private.path())?;
        Ok(Self { private, host, remote: None, telemetry: Arc::default() })
    }

    /// Returns the path for the socket of a guest that waits after a failed step.
    pub(super) fn socket(&self) -> PathBuf {
        self.private.path().join(SOCKET)
    }

    /// Makes the workshop of a build.
    pub(super) fn workshop(
        &self,
        reporter: Arc<dyn Reporter>,
        interrupt: &Interrupt,
        cloud: &CloudOptions,
        global: &Global,
    ) -> Result<Workshop, Failure> {
        let made = Workshop::new(&global.cache, self.private.path(), reporter, interrupt.clone());
        let (network, remote) = (network::network(global)?, self.remote.clone());
        let clouds = cloud::places(cloud, global);
        let made = made.map_err(|error| hints::store(&error))?;
        Ok(Workshop { network, remote, clouds, ..made })
    }
}
