//! The real guest: libguestfs' appliance, controlled by libguestfs and by QEMU's machine protocol (QMP).
//!
//! libguestfs launches the appliance and copies files. It has no calls for attaching a disk after the launch, for freezing a
//! layer while the guest runs, and for the network's link: QMP does these. A handle of libguestfs belongs to the thread that made
//! it, and so does this guest.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::channel::Channel;
use super::ffi::{Failure, Handle};
use super::script;
use super::watchdog::{Cause, Watchdog};
use super::{Emulator, Guest, GuestError};
use crate::machine::gate::Gate;
use crate::machine::qmp::{Qmp, QmpError};

/// Limit for calls that run no program. They end by themselves, but none may hang forever.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(3600);

/// Time to wait for the end of a QEMU that no longer answers.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Name of the network back end in libguestfs' QEMU command line.
pub(super) const NETWORK: &str = "usernet";

/// Returns the version of the library, or the reason why it cannot be used.
pub fn version() -> Result<String, GuestError> {
    let handle = Handle::create().map_err(|failure| GuestError::Launch(failure.text))?;
    let version = handle.version().map_err(|failure| GuestError::Launch(failure.text))?;
    Ok(format!("{}.{}.{}", version.major, version.minor, version.release))
}

/// A running appliance.
#[derive(Debug)]
pub struct LibguestfsGuest {
    // Dropped in this order: closing the handle waits for QEMU, which the watchdog may have to end.
    pub(super) handle: Handle,
    pub(super) channel: Channel,
    pub(super) qmp: Qmp,
    pub(super) watchdog: Watchdog,
    pub(super) socket_dir: PathBuf,
    /// The filter of the guest's network traffic, if it has a network.
    pub(super) gate: Option<Gate>,
    pub(super) disk: Option<Disk>,
    /// Mount points of the disk's file systems in the image.
    pub(super) mounted: Vec<String>,
    /// Number of names that QEMU has for files so far.
    pub(super) nodes: u32,
    /// The file with the state that this guest saved or resumed.
    pub(super) state: Option<PathBuf>,
    pub(super) complete: bool,
}

/// The attached disk.
#[derive(Debug)]
pub(super) struct Disk {
    /// Device in the guest: `/dev/sdc`.
    pub(super) device: String,
    /// QEMU's name for the file that was attached.
    pub(super) first: String,
    /// QEMU's name for the current file, which is written.
    pub(super) current: String,
}

impl LibguestfsGuest {
    /// Makes a call of libguestfs.
    pub(super) fn call<T>(
        &self,
        name: &str,
        call: impl FnOnce(&Handle) -> Result<T, Failure>,
    ) -> Result<T, GuestError> {
        self.within(CALL_DEADLINE, || call(&self.handle)).map_err(|failure| self.explain(name, failure))
    }

    /// Runs a shell script in the appliance, outside the image, and returns its output.
    pub(super) fn appliance(&self, name: &str, script: &str) -> Result<String, GuestError> {
        self.call_appliance(name, script, Some(CALL_DEADLINE))
    }

    /// Returns the file with the state that this guest saved or resumed.
    pub fn saved_state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// Runs a shell script in the appliance, outside the image, for tests that make disks of other systems.
    #[cfg(feature = "testing")]
    pub fn in_appliance(&self, script: &str) -> Result<String, GuestError> {
        self.appliance("make a disk", script)
    }

    pub(super) fn call_appliance(
        &self,
        name: &str,
        script: &str,
        limit: Option<Duration>,
    ) -> Result<String, GuestError> {
        let result = match limit {
            Some(limit) => self.within(limit, || self.handle.appliance(script)),
            None => self.handle.appliance(script),
        };
        result.map_err(|failure| self.explain(name, failure))
    }

    pub(super) fn within<T>(&self, limit: Duration, call: impl FnOnce() -> T) -> T {
        self.watchdog.arm(limit);
        let result = call();
        self.watchdog.disarm();
        result
    }

    /// Returns the reason why a call failed: its own error, or the end of QEMU with its cause.
    pub(super) fn explain(&self, name: &str, failure: Failure) -> GuestError {
        self.why_ended(name, Duration::ZERO).unwrap_or_else(|| {
            if failure.is_no_space() {
                GuestError::NoSpace { call: name.to_owned(), missing: None }
            } else {
                GuestError::Call { call: name.to_owned(), message: failure.text }
            }
        })
    }

    fn why_ended(&self, name: &str, timeout: Duration) -> Option<GuestError> {
        match self.watchdog.cause() {
            Some(Cause::Interrupted) => Some(GuestError::Interrupted),
            Some(Cause::Deadline(limit)) => Some(GuestError::Deadline(limit)),
            None => self.watchdog.qemu_has_ended(timeout).then(|| GuestError::Died(name.to_owned())),
        }
    }

    pub(super) fn qmp(&mut self, name: &str, command: &str, arguments: &Value) -> Result<(), GuestError> {
        let result = self.qmp.execute(command, arguments);
        result.map(drop).map_err(|error| self.explain_qmp(name, &error))
    }

    pub(super) fn explain_qmp(&self, name: &str, error: &QmpError) -> GuestError {
        // A socket closes shortly before the process has ended.
        let timeout = if matches!(error, QmpError::Io(_)) { END_TIMEOUT } else { Duration::ZERO };
        self.why_ended(name, timeout)
            .unwrap_or_else(|| GuestError::Call { call: name.to_owned(), message: error.to_string() })
    }

    /// Makes the appliance run programs of another architecture.
    pub(super) fn emulate(&mut self, emulator: &Emulator) -> Result<(), GuestError> {
        const CALL: &str = "prepare the guest for programs of another architecture";
        let failed = |error: std::io::Error| GuestError::Launch(format!("{}: {error}", emulator.program.display()));
        let size = std::fs::metadata(&emulator.program).map_err(failed)?.len();
        self.with_file(CALL, &emulator.program, |guest, device| {
            guest.appliance(CALL, &script::emulate(device, size, &emulator.rule(script::EMULATOR)))
        })?;
        Ok(())
    }

    pub(super) fn set_link(&mut self, up: bool) -> Result<(), GuestError> {
        self.qmp("switch the network", "set_link", &json!({ "name": NETWORK, "up": up }))
    }

    /// Runs `work`, with the network's link up if `wanted`.
    pub(super) fn with_network<T>(
        &mut self,
        wanted: bool,
        work: impl FnOnce(&mut Self) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        if !wanted {
            return work(self);
        }
        if self.gate.is_none() {
            let message = "the guest was started without a network".to_owned();
            return Err(GuestError::Call { call: "use the network".to_owned(), message });
        }
        self.set_link(true)?;
        let result = work(self);
        // If the work failed because QEMU ended, its error says so and this one adds nothing.
        let down = self.set_link(false);
        result.and_then(|value| down.map(|()| value))
    }

    /// Unmounts everything and shuts the appliance down cleanly.
    pub(super) fn stop(mut self) -> Result<(), GuestError> {
        if !self.mounted.is_empty() {
            self.unmount()?;
        }
        self.call("stop the guest", Handle::shutdown)?;
        self.complete = true;
        Ok(())
    }
}

impl Drop for LibguestfsGuest {
    fn drop(&mut self) {
        if !self.complete {
            // Its state is not needed any more, and a clean shutdown could take time.
            self.watchdog.kill();
        }
    }
}

/// Returns a path as the C library and QEMU need it.
pub(super) fn text(path: &Path) -> Result<String, GuestError> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match absolute.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(GuestError::Call {
            call: format!("use {}", path.display()),
            message: "the path is not UTF-8; choose another one".to_owned(),
        }),
    }
}
