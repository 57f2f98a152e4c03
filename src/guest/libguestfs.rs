//! The real guest: libguestfs' appliance, controlled by libguestfs and by QEMU's machine protocol (QMP).
//!
//! libguestfs launches the appliance and copies files. It has no calls for attaching a disk after the launch, for freezing a
//! layer while the guest runs, and for the network's link: QMP does these. A handle of libguestfs belongs to the thread that made
//! it, and so does this guest.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::channel::Channel;
use super::ffi::{Failure, Handle};
use super::script::{self, LOG_PORT};
use super::watchdog::{Cause, Watchdog};
use super::{Accel, Guest, GuestConfig, GuestError};
use crate::event::Reporter;
use crate::interrupt::Interrupt;
use crate::machine::gate::{Gate, Policy};
use crate::machine::qmp::{Qmp, QmpError};
use crate::recipe::verify::NetworkAccess;

/// Limit for the launch. The appliance boots in seconds; after this time it counts as hanging.
const LAUNCH_DEADLINE: Duration = Duration::from_secs(600);

/// Limit for calls that run no program. They end by themselves, but none may hang forever.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(3600);

/// Time to wait for the end of a QEMU that no longer answers.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Kernel parameters of the guest if QEMU translates its code.
///
/// QEMU caches translated code by its address. If programs are at the same address each time, it need not translate them again:
/// starting one takes a quarter of the time.
///
/// Feature 297 is x86's "enhanced rep movsb" (`X86_FEATURE_ERMS`, word 9, bit 9 in Linux' `cpufeatures.h`). QEMU's processor
/// claims to have it. The kernel then copies and clears memory by single bytes, which QEMU translates one by one: 0.4 GB/s,
/// without it 3.6. Archiving a tree takes two thirds of the time. Other architectures ignore an unknown parameter.
///
/// On a busy machine the kernel measures the speed of the emulated TSC wrongly, and its clock may run several times too
/// fast: minutes ahead at the end of a build. Times of files must keep the order in which guests, one after the other,
/// write to an image. Without the TSC the kernel takes another clock, which QEMU keeps.
const FOR_TCG: &str = "norandmaps clearcpuid=297 tsc=unstable";

/// Name of the network back end in libguestfs' QEMU command line.
const NETWORK: &str = "usernet";

/// Returns the rules for the network that libguestfs gives its appliance. QEMU chooses the addresses, for IPv6 too.
fn policy(access: NetworkAccess) -> Policy {
    Policy {
        access,
        network: (Ipv4Addr::new(169, 254, 0, 0), 16),
        gateway: Ipv4Addr::new(169, 254, 2, 2),
        resolver: Ipv4Addr::new(169, 254, 2, 3),
        ipv6: true,
        service: false,
    }
}

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
    gate: Option<Gate>,
    pub(super) disk: Option<Disk>,
    /// Mount points of the disk's file systems in the image.
    pub(super) mounted: Vec<String>,
    /// Number of names that QEMU has for files so far.
    pub(super) nodes: u32,
    complete: bool,
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
    /// Launches the appliance, without a disk.
    ///
    /// Reports all output on its log port. When `interrupt` is raised, QEMU is stopped, and the call that waits for it, such as
    /// this one, returns [`GuestError::Interrupted`].
    pub fn launch(
        config: &GuestConfig,
        reporter: Arc<dyn Reporter>,
        interrupt: &Interrupt,
    ) -> Result<Self, GuestError> {
        if interrupt.is_raised() {
            return Err(GuestError::Interrupted);
        }
        check_socket_dir(&config.socket_dir)?;
        let socket =
            |name: &str| text(&config.socket_dir.join(name)).map(|path| format!("path={path},server=on,wait=off"));
        let qmp_path = text(&config.socket_dir.join("qmp"))?;
        let qmp_socket = format!("unix:{qmp_path},server=on,wait=off");
        let watchdog =
            Watchdog::start(&qmp_socket, interrupt).map_err(|error| GuestError::Launch(error.to_string()))?;
        watchdog.arm(LAUNCH_DEADLINE);
        let handle = Handle::create().map_err(|failure| GuestError::Launch(failure.text))?;
        let memory = i32::try_from(config.memory.get() / crate::units::ByteSize::MIB).unwrap_or(i32::MAX);
        let temporary = text(&config.socket_dir)?;
        let (log, terminal) = (socket("log")?, socket("tty")?);
        // The gate must listen before QEMU starts, because QEMU must connect to it.
        let gate = config.network.map(|access| Gate::listening(policy(access), &config.socket_dir)).transpose();
        let gate = gate.map_err(|error| GuestError::Launch(format!("cannot watch its network: {error}")))?;
        let (gate, filter) = match gate {
            Some((gate, devices)) => (Some(gate), Gate::options(NETWORK, &devices)),
            None => (None, Vec::new()),
        };
        let start = |g: &Handle| {
            // Set here, so that the host's environment decides nothing but the place of the appliance.
            g.set_verbose(false)?;
            g.set_trace(false)?;
            g.set_backend("direct")?;
            g.set_backend_settings(&[match config.accel {
                Accel::Kvm => "force_kvm",
                Accel::Tcg => "force_tcg",
            }])?;
            g.set_append(match config.accel {
                Accel::Kvm => None,
                Accel::Tcg => Some(FOR_TCG),
            })?;
            g.set_memsize(memory)?;
            g.set_smp(i32::try_from(config.cpus).unwrap_or(1))?;
            g.set_network(config.network.is_some())?;
            g.set_pgroup(true)?; // Ctrl-C is for us to handle
            g.set_recovery_proc(true)?; // ends QEMU if we are killed
            g.set_autosync(true)?;
            g.set_tmpdir(Some(&temporary))?;
            // libguestfs needs a drive.
            g.add_drive_scratch(1 << 20)?;
            for (option, value) in [
                ("-qmp", qmp_socket.clone()),
                ("-chardev", format!("socket,id=goldlog,{log}")),
                ("-device", format!("virtserialport,chardev=goldlog,name={LOG_PORT}")),
                ("-chardev", format!("socket,id=goldtty,{terminal}")),
                ("-device", "virtconsole,chardev=goldtty".to_owned()),
            ]
            .into_iter()
            .chain(filter)
            {
                g.config(option, Some(&value))?;
            }
            g.launch()?;
            g.get_pid()
        };
        let launched = start(&handle);
        watchdog.disarm();
        let pid = launched.map_err(|failure| match watchdog.cause() {
            Some(Cause::Interrupted) => GuestError::Interrupted,
            Some(Cause::Deadline(limit)) => {
                GuestError::Launch(format!("the appliance did not start within {} s", limit.as_secs()))
            }
            None => GuestError::Launch(launch_hint(&failure.text)),
        })?;
        watchdog.launched(pid).map_err(|error| GuestError::Launch(format!("QEMU ended at once: {error}")))?;
        let failed = |error: &dyn std::fmt::Display| match watchdog.cause() {
            Some(_) => GuestError::Interrupted,
            None => GuestError::Launch(error.to_string()),
        };
        let qmp = Qmp::connect(Path::new(&qmp_path)).map_err(|error| failed(&error))?;
        let channel = Channel::connect(&config.socket_dir.join("log"), reporter).map_err(|error| failed(&error))?;
        let mut guest = Self {
            handle,
            channel,
            qmp,
            watchdog,
            socket_dir: config.socket_dir.clone(),
            gate,
            disk: None,
            mounted: Vec::new(),
            nodes: 0,
            complete: false,
        };
        guest.appliance("prepare the guest", script::PREPARE)?;
        if guest.gate.is_some() {
            // The appliance got its address during boot. From now on, a program must ask for the network.
            guest.set_link(false)?;
        }
        Ok(guest)
    }

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

    fn set_link(&mut self, up: bool) -> Result<(), GuestError> {
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

    pub(super) fn has_network(&self) -> bool {
        self.gate.is_some()
    }

    /// Unmounts everything and shuts the appliance down cleanly.
    pub(super) fn stop(mut self) -> Result<(), GuestError> {
        self.unmount()?;
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

/// Refuses a directory if the names of its sockets would be invalid for the kernel or for QEMU's option parser.
fn check_socket_dir(path: &Path) -> Result<(), GuestError> {
    // sun_path has 108 bytes with its terminator; the names below and those of the gate take 5.
    const LIMIT: usize = 102;
    let text = text(path)?;
    let problem = if text.len() > LIMIT {
        format!("is longer than {LIMIT} bytes")
    } else if text.contains(',') {
        "contains a comma".to_owned()
    } else {
        return Ok(());
    };
    Err(GuestError::Launch(format!("the directory for its sockets, {text}, {problem}; choose another one")))
}

/// Returns libguestfs' message about an appliance that does not start, with advice.
fn launch_hint(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default().trim_end_matches('.');
    let hint = if text.contains("supermin") {
        "the appliance could not be built; is there a kernel that can be read in /boot, and room in /var/tmp?"
    } else {
        "libguestfs-test-tool shows what happens"
    };
    format!("{first}; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_cannot_hold_sockets_are_refused() {
        for (path, good) in [("/run/gold".to_owned(), true), ("/a,b".to_owned(), false), ("/x".repeat(52), false)] {
            assert_eq!(check_socket_dir(Path::new(&path)).is_ok(), good, "{path}");
        }
    }

    #[test]
    fn launch_errors_say_what_to_do() {
        for (text, said) in [
            ("guestfs_launch failed.\nThis usually means", "guestfs_launch failed; libguestfs-test-tool"),
            ("/usr/bin/supermin exited with error status 1.\nTo see", "exited with error status 1; the appliance"),
        ] {
            assert!(launch_hint(text).contains(said), "{}", launch_hint(text));
        }
    }
}
