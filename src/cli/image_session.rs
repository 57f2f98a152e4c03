//! What a command needs to read image files with a guest: temporary directories, an overlay, and the guest itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::failure::{Failure, FailureKind};
use super::options::AccelOption;
use super::settings::Global;
use super::{hints, signals};
use crate::disk::qemu_img::QemuImg;
use crate::event::{Event, Reporter};
use crate::guest::Guest;
use crate::image::local::{self, Local};
use crate::interrupt::Interrupt;
use crate::pipeline::{Host as _, QemuHost};
use crate::units::ByteSize;
use crate::workdir::WorkDir;

/// The directories of a session, which are removed with it, and the reporter of its events.
pub(super) struct ImageSession {
    /// A private directory with a short name, for sockets.
    pub(super) private: WorkDir,
    /// A directory with room for copies of disks.
    pub(super) work: WorkDir,
    /// Receives the events.
    pub(super) reporter: Arc<dyn Reporter>,
    /// Raised when the user asks to stop.
    pub(super) interrupt: Interrupt,
    cache: PathBuf,
}

impl ImageSession {
    /// Makes the directories. The name of the large one begins with `name`.
    pub(super) fn new(global: &Global, name: &str, reporter: Arc<dyn Reporter>) -> Result<Self, Failure> {
        let interrupt = signals::interrupt()?;
        let private = WorkDir::in_tmp(&std::env::temp_dir()).map_err(|error| {
            Failure::new(FailureKind::Host, &error).hint("TMPDIR names a directory for temporary files")
        })?;
        crate::layer::prepare(&global.cache).map_err(|error| hints::store(&error))?;
        // Files there are as large as the content of images, and may not fit into the directory for small files.
        let work = WorkDir::create(&global.cache.join("tmp"), name).map_err(|error| hints::file(&error))?;
        Ok(Self { private, work, reporter, interrupt, cache: global.cache.clone() })
    }

    /// Prepares an image so that QEMU can read it.
    pub(super) fn prepare(&self, image: &Path, name: &str) -> Result<Local, Failure> {
        let copy = self.work.path().join(format!("{name}.raw"));
        local::prepare(image, &copy, &self.interrupt).map_err(|error| hints::local(&error))
    }

    /// Makes a temporary overlay, so that nothing is written to the image.
    pub(super) fn overlay(&self, local: &Local, name: &str) -> Result<PathBuf, Failure> {
        let overlay = self.work.path().join(format!("{name}.qcow2"));
        let made = QemuImg::default().create_overlay(&overlay, &local.path, local.format, local.size);
        made.map_err(|error| Failure::new(FailureKind::Host, &error))?;
        Ok(overlay)
    }

    /// Returns this computer as the host of guests with this memory.
    pub(super) fn host(&self, accel: AccelOption, memory: ByteSize) -> Result<QemuHost, Failure> {
        accel.host(memory, &self.cache, self.private.path())
    }

    /// Starts a guest without network. It needs no orderly shutdown, because nothing that it writes is kept.
    pub(super) fn launch(&self, host: &QemuHost) -> Result<Box<dyn Guest>, Failure> {
        self.active("start the guest", || {
            let launched = host.launch(None, false, &self.reporter, &self.interrupt);
            launched.map_err(|error| hints::guest_error(&error))
        })
    }

    /// Does a part of the work, and reports its start and end.
    pub(super) fn active<T>(
        &self,
        activity: impl Into<String>,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (activity, started) = (activity.into(), Instant::now());
        self.reporter.report(&Event::ActivityStarted { activity: activity.clone() });
        let result = work()?;
        self.reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
        Ok(result)
    }
}
