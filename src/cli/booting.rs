//! Booting an image to verify it, with what the command line knows of this host.

use std::path::Path;
use std::sync::Arc;

use super::failure::{Failure, FailureKind};
use super::{guest::Launcher, hints};
use crate::base::workdir::WorkDir;
use crate::element::schema::Check;
use crate::event::Reporter;
use crate::image::local::Local;
use crate::interrupt::Interrupt;
use crate::recipe::Arch;
use crate::recipe::verify::Verify;
use crate::verify::Subject;
use crate::verify::boot::{self, BootError, Booted, Settings};

/// The hidden verb that QEMU starts for each connection to the metadata service.
pub(super) const RELAY: &str = "relay";

/// What to boot.
pub(super) struct Request<'a> {
    pub(super) image: &'a Path,
    /// The same disk as QEMU can read it.
    pub(super) local: &'a Local,
    pub(super) verify: &'a Verify,
    pub(super) checks: &'a [(String, Check)],
    pub(super) subject: &'a Subject,
    pub(super) launcher: &'a Launcher,
    pub(super) cache: &'a Path,
    /// A private directory with a short name.
    pub(super) private: &'a Path,
    pub(super) reporter: &'a Arc<dyn Reporter>,
    pub(super) interrupt: &'a Interrupt,
}

/// Boots an image by every profile; nothing if there is none.
pub(super) fn boot(request: &Request<'_>) -> Result<Option<Booted>, Failure> {
    let profiles = boot::profiles(request.verify, request.subject);
    if profiles.is_empty() {
        return Ok(None);
    }
    let arch = request.subject.arch.as_deref().and_then(Arch::of_kernel);
    // A machine of this host's own tells something of any image.
    let arch = arch.or_else(|| Arch::of_kernel(std::env::consts::ARCH)).unwrap_or(Arch::X86_64);
    let (accel, _) =
        request.launcher.accel(request.cache, request.interrupt).map_err(|error| hints::guest_error(&error))?;
    // Instances write gigabytes, which may not fit where small files are.
    let work = WorkDir::create(&request.cache.join("tmp"), "verify-").map_err(|error| hints::file(&error))?;
    let program = std::env::current_exe().map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let settings = Settings {
        image: request.image,
        local: request.local,
        verify: request.verify,
        profiles: &profiles,
        checks: request.checks,
        subject: request.subject,
        arch,
        accel,
        relay: &[program.display().to_string(), RELAY.to_owned()],
        work: work.path(),
        sockets: request.private,
        reporter: request.reporter,
        interrupt: request.interrupt,
    };
    boot::boot(&settings).map(Some).map_err(|error| match &error {
        BootError::Interrupted => Failure::new(FailureKind::Interrupted, &error),
        BootError::Machine(machine) => hints::machine(machine),
        _ => Failure::new(FailureKind::Host, &error),
    })
}
