//! Launches the appliance of [`LibguestfsGuest`].

use std::fs::File;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::appliance::saved;
use super::appliance::supermin::Appliance;
use super::channel::Channel;
use super::ffi::Handle;
use super::libguestfs::{LibguestfsGuest, NETWORK, text};
use super::script::{self, LOG_PORT, WAKE_PORT};
use super::watchdog::{Cause, Watchdog};
use super::{Accel, GuestConfig, GuestError};
use crate::event::{Event, Reporter};
use crate::interrupt::Interrupt;
use crate::machine::gate::{Gate, Policy};
use crate::machine::qmp::Qmp;
use crate::recipe::verify::NetworkAccess;

/// Limit for resuming a saved state, which takes a second on an idle machine.
const RESUME_DEADLINE: Duration = Duration::from_secs(120);

/// Number of the guest in its network: QEMU gives the first machine this address (`dhcpstart`, qemu-system manual).
const ADDRESS: u32 = 0x20f;

/// Limit for the launch. The appliance boots in seconds; after this time it counts as hanging.
const LAUNCH_DEADLINE: Duration = Duration::from_secs(600);

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

/// How a guest starts.
#[derive(Debug, Clone, Copy)]
enum Start<'a> {
    /// The appliance boots.
    Boot,
    /// The machine continues from this saved state.
    Resume(&'a Path),
}

/// What each start of a guest needs.
struct Launch<'a> {
    config: &'a GuestConfig,
    reporter: &'a Arc<dyn Reporter>,
    interrupt: &'a Interrupt,
}

impl LibguestfsGuest {
    /// Launches the appliance, without a disk.
    ///
    /// If there is a saved state of the same machine, the guest resumes it. Otherwise the appliance boots, and its state is saved
    /// for the next guest. Where a guest cannot start in one way, the log says why, and it starts in the next slower one.
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
        let mut guest = Launch { config, reporter: &reporter, interrupt }.fastest()?;
        if let Some(emulator) = &config.emulator {
            guest.emulate(emulator)?;
        }
        Ok(guest)
    }
}

/// Prepares Goldsmith's appliance on this host, or says why it cannot be used.
fn appliance() -> Result<Appliance, String> {
    let handle = Handle::create().map_err(|failure| failure.text)?;
    let search = handle.get_path().map_err(|failure| failure.text)?;
    let cache = handle.get_cachedir().map_err(|failure| failure.text)?;
    Appliance::prepare(&search, Path::new(&cache)).map_err(|error| error.to_string())
}

impl Launch<'_> {
    fn note(&self, message: String) {
        self.reporter.report(&Event::Detail { message });
    }

    /// Starts a guest in the fastest way that works.
    fn fastest(&self) -> Result<LibguestfsGuest, GuestError> {
        let appliance = match appliance() {
            Ok(appliance) => appliance,
            Err(reason) => {
                self.note(format!("the guest boots the appliance of libguestfs: {reason}"));
                return self.start(None, Start::Boot);
            }
        };
        let qemu = Handle::create().and_then(|handle| handle.get_hv()).map(PathBuf::from);
        let qemu = qemu.map_err(|failure| GuestError::Launch(failure.text))?;
        let before = appliance.state(&qemu, self.config);
        if let Some(state) = before.as_deref().filter(|state| saved::is_there(state)) {
            let resumed = self.start(Some(&appliance), Start::Resume(state)).and_then(|guest| {
                // If libguestfs has made its appliance again, the state does not belong to the disk that QEMU has now.
                if appliance.state(&qemu, self.config).as_deref() == Some(state) {
                    Ok(guest)
                } else {
                    Err(GuestError::Launch("the appliance was made again".to_owned()))
                }
            });
            match resumed {
                Ok(mut guest) => {
                    self.note("the guest resumed a saved state".to_owned());
                    saved::touch(state);
                    guest.state = before;
                    return Ok(guest);
                }
                Err(GuestError::Interrupted) => return Err(GuestError::Interrupted),
                Err(error) => {
                    self.note(format!("the saved state of the guest is removed, because it does not resume: {error}"));
                    let _ = std::fs::remove_file(state); // one that stays is tried and replaced again
                }
            }
        }
        let mut guest = match self.start(Some(&appliance), Start::Boot) {
            Ok(guest) => guest,
            Err(GuestError::Interrupted) => return Err(GuestError::Interrupted),
            Err(error) => {
                self.note(format!(
                    "the guest boots the appliance of libguestfs, because its own does not start: {error}"
                ));
                return self.start(None, Start::Boot);
            }
        };
        if let Some(state) = appliance.state(&qemu, self.config) {
            let saved = guest.save(&state)?;
            self.note(match saved {
                Ok(()) => {
                    guest.state = Some(state);
                    "the state of the guest is saved for the next one".to_owned()
                }
                Err(reason) => format!("the state of the guest is not saved: {reason}"),
            });
        }
        Ok(guest)
    }

    /// Starts a guest with Goldsmith's appliance, or with that of libguestfs if it is `None`.
    fn start(&self, appliance: Option<&Appliance>, start: Start<'_>) -> Result<LibguestfsGuest, GuestError> {
        let config = self.config;
        let socket =
            |name: &str| text(&config.socket_dir.join(name)).map(|path| format!("path={path},server=on,wait=off"));
        let qmp_path = text(&config.socket_dir.join("qmp"))?;
        let qmp_socket = format!("unix:{qmp_path},server=on,wait=off");
        let watchdog =
            Watchdog::start(&qmp_socket, self.interrupt).map_err(|error| GuestError::Launch(error.to_string()))?;
        watchdog.arm(match start {
            Start::Boot => LAUNCH_DEADLINE,
            Start::Resume(_) => RESUME_DEADLINE,
        });
        let handle = Handle::create().map_err(|failure| GuestError::Launch(failure.text))?;
        let memory = i32::try_from(config.memory.get() / crate::units::ByteSize::MIB).unwrap_or(i32::MAX);
        let temporary = text(&config.socket_dir)?;
        let (log, terminal) = (socket("log")?, socket("tty")?);
        let own = appliance.map(|appliance| text(appliance.dir())).transpose()?;
        let wake = Wake::create(&config.socket_dir, start)
            .map_err(|error| GuestError::Launch(format!("cannot make the pipe that wakes it: {error}")))?;
        // The gate must listen before QEMU starts, because QEMU must connect to it.
        let gate = config.network.map(|access| Gate::listening(policy(access), &config.socket_dir)).transpose();
        let gate = gate.map_err(|error| GuestError::Launch(format!("cannot watch its network: {error}")))?;
        let (gate, filter) = match gate {
            Some((gate, devices)) => (Some(gate), Gate::options(NETWORK, &devices)),
            None => (None, Vec::new()),
        };
        let mut options = vec![
            ("-qmp", qmp_socket.clone()),
            ("-chardev", format!("socket,id=goldlog,{log}")),
            ("-device", format!("virtserialport,chardev=goldlog,name={LOG_PORT}")),
            ("-chardev", format!("socket,id=goldtty,{terminal}")),
            ("-device", "virtconsole,chardev=goldtty".to_owned()),
        ];
        options.extend(filter);
        if own.is_some() && saved::supported(config.accel) {
            options.push(("-chardev", format!("pipe,id=goldwake,path={}", text(&wake.path)?)));
            options.push(("-device", format!("virtserialport,chardev=goldwake,name={WAKE_PORT}")));
            options.push(("-device", saved::GENERATION_DEVICE.to_owned()));
        }
        if let Start::Resume(state) = start {
            options.push(("-incoming", format!("exec:cat {}", script::quote(&text(state)?))));
        }
        let begin = |g: &Handle| {
            // Set here, so that the host's environment decides nothing but the place of the appliance.
            g.set_verbose(false)?;
            g.set_trace(false)?;
            g.set_backend("direct")?;
            g.set_backend_settings(&[match config.accel {
                Accel::Kvm => "force_kvm",
                Accel::Tcg => "force_tcg",
            }])?;
            if let Some(dir) = &own {
                g.set_path(Some(dir))?;
                g.set_cachedir(Some(dir))?;
            }
            g.set_append(Some(&parameters(config)))?;
            g.set_memsize(memory)?;
            g.set_smp(i32::try_from(config.cpus).unwrap_or(1))?;
            g.set_network(config.network.is_some())?;
            g.set_pgroup(true)?; // Ctrl-C is for us to handle
            g.set_recovery_proc(true)?; // ends QEMU if we are killed
            g.set_autosync(true)?;
            g.set_tmpdir(Some(&temporary))?;
            // libguestfs needs a drive.
            g.add_drive_scratch(1 << 20)?;
            for (option, value) in &options {
                g.config(option, Some(value))?;
            }
            g.launch()?;
            g.get_pid()
        };
        let launched = begin(&handle);
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
        let channel = Channel::connect(&config.socket_dir.join("log"), Arc::clone(self.reporter))
            .map_err(|error| failed(&error))?;
        let mut guest = LibguestfsGuest {
            handle,
            channel,
            qmp,
            watchdog,
            socket_dir: config.socket_dir.clone(),
            gate,
            disk: None,
            mounted: Vec::new(),
            nodes: 0,
            state: None,
            complete: false,
        };
        match start {
            Start::Boot => guest.appliance("prepare the guest", script::PREPARE)?,
            Start::Resume(_) => guest.appliance("set the clock of the guest", &script::set_clock(SystemTime::now()))?,
        };
        if guest.gate.is_some() {
            // From now on, a program must ask for the network.
            guest.set_link(false)?;
        }
        Ok(guest)
    }
}

/// The pipe that wakes a resumed guest. QEMU's `pipe` device opens two: one to the guest, and one from it, which is not used.
#[derive(Debug)]
struct Wake {
    /// The path without its endings.
    path: PathBuf,
    /// Keeps what was written, until QEMU has opened the pipe.
    _file: File,
}

impl Wake {
    fn create(dir: &Path, start: Start<'_>) -> io::Result<Self> {
        let path = dir.join("wake");
        for ending in ["in", "out"] {
            let pipe = path.with_extension(ending);
            // One of an earlier start may hold a word.
            let _ = std::fs::remove_file(&pipe);
            rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
        }
        // Open for reading as well, so that it does not wait for a reader.
        let mut file = File::options().read(true).write(true).open(path.with_extension("in"))?;
        if matches!(start, Start::Resume(_)) {
            file.write_all(b"go\n")?;
        }
        Ok(Self { path, _file: file })
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        // QEMU has opened both, or has ended.
        for ending in ["in", "out"] {
            let _ = std::fs::remove_file(self.path.with_extension(ending));
        }
    }
}

/// Returns the parameters of the guest's kernel that Goldsmith adds.
fn parameters(config: &GuestConfig) -> String {
    let mut parameters = Vec::new();
    if config.accel == Accel::Tcg {
        parameters.push(FOR_TCG.to_owned());
    }
    if let Some(access) = config.network {
        let Policy { network: (network, prefix), gateway, resolver, .. } = policy(access);
        let address = Ipv4Addr::from_bits(network.to_bits() + ADDRESS);
        // libguestfs writes each comma twice.
        parameters.push(format!("goldsmith_network={address}/{prefix}:{gateway}:{resolver}"));
    }
    parameters.join(" ")
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
