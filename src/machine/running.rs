//! A running machine: starts QEMU, watches the guest, and ends it.

use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::agent::Agent;
use super::child::Child;
use super::config::{Console, MachineConfig};
use super::end::End;
use super::error::MachineError;
use super::firmware::Flash;
use super::gate::Gate;
use super::qmp::{Qmp, QmpError};
use super::serial::SerialLog;
use super::serial::SerialView;
use super::watch::{Sign, Verdict, Watch};
use super::{arguments, screen};
use crate::fsx::{IoContext as _, PathError};
use crate::interrupt::Interrupt;
use crate::recipe::Arch;
use crate::recipe::verify::{Board, BootKind};

/// Most attempts to choose a port if other programs take it before QEMU does.
const PORTS: u32 = 5;

/// Silence of the serial console after which the screen is checked too.
const SILENCE: Duration = Duration::from_secs(3);

/// A running machine. It ends when this value is dropped.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    /// Dropped after the child, which would lose its network.
    _gate: Gate,
    qmp: Qmp,
    serial: SerialLog,
    console: Option<UnixStream>,
    agent: Option<UnixStream>,
    port: u16,
    work: PathBuf,
    watched: bool,
    started: Instant,
    end: Option<End>,
    /// What a guest with a silent console did until the last look, and the time since which this has not changed.
    activity: Option<(Activity, Instant)>,
    /// Reason that QEMU gives for its end.
    reason: Option<String>,
}

/// What a guest has done without its serial console.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Activity {
    /// The screen's text; `None` in graphics mode.
    screen: Option<Vec<String>>,
    /// Number of requests to all disks.
    requests: u64,
}

impl Machine {
    /// Powers a machine on.
    ///
    /// # Errors
    ///
    /// A requirement that this host lacks, or the reason why QEMU ended at once.
    pub fn start(config: &MachineConfig, interrupt: &Interrupt) -> Result<Self, MachineError> {
        let flash = flash(config)?;
        let flash = flash.as_ref().map(|(flash, vars)| (flash, vars.as_path()));
        let kernel = config.kernel.iter().flat_map(|kernel| [&kernel.file, &kernel.initrd]);
        for path in config.drives.iter().chain([&config.disk, &config.work]).chain(&config.disc).chain(kernel) {
            if path.to_str().is_none() {
                return Err(MachineError::Unsupported(format!("the path {} is not UTF-8", path.display())));
            }
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::attempt(config, flash, interrupt) {
                Err(MachineError::Port { .. }) if tries < PORTS => {}
                result => return result,
            }
        }
    }

    fn attempt(
        config: &MachineConfig,
        flash: Option<(&Flash, &Path)>,
        interrupt: &Interrupt,
    ) -> Result<Self, MachineError> {
        if interrupt.is_raised() {
            return Err(MachineError::Interrupted);
        }
        // Another program may take the port before QEMU does.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free.map_err(|source| MachineError::Port { source })?.port();
        let pair = || UnixStream::pair().map_err(MachineError::Sockets);
        let ((qmp, their_qmp), (serial, their_serial)) = (pair()?, pair()?);
        let (agent, their_agent) = if config.agent { pair().map(|(a, b)| (Some(a), Some(b)))? } else { (None, None) };
        let (gate, their_gate) = Gate::inherited(arguments::policy(config)).map_err(MachineError::Sockets)?;
        let sockets = arguments::Sockets {
            gate: their_gate.each_ref().map(|socket| socket.as_raw_fd()),
            qmp: their_qmp.as_raw_fd(),
            serial: their_serial.as_raw_fd(),
            agent: their_agent.as_ref().map(|socket| socket.as_raw_fd()),
        };
        let program = format!("qemu-system-{}", config.arch.name());
        let mut command = Command::new(&program);
        command.args(arguments::arguments(config, flash, port, sockets));
        let inherited: Vec<OwnedFd> = [Some(their_qmp), Some(their_serial), their_agent]
            .into_iter()
            .flatten()
            .chain(their_gate)
            .map(OwnedFd::from)
            .collect();
        let started = Instant::now();
        let child = Child::start(command, inherited, interrupt).map_err(|source| MachineError::NoQemu {
            program,
            arch: config.arch,
            source,
        })?;
        // QEMU greets once all its devices exist.
        let qmp = Qmp::over(qmp).map_err(|error| ended_at_once(config, &child, &error))?;
        let (serial, console) = match config.console {
            Console::Watched => (SerialLog::of(serial), None),
            Console::Lent => (SerialLog::empty(), Some(serial)),
        };
        let (work, watched) = (config.work.clone(), console.is_none());
        Ok(Self {
            child,
            _gate: gate,
            qmp,
            serial,
            console,
            agent,
            port,
            work,
            watched,
            started,
            end: None,
            activity: None,
            reason: None,
        })
    }

    /// Looks at the machine as it is now: at its serial console, its end, and, if the console is silent, at its screen and its
    /// disks. Call it about twice a second.
    pub fn watch<'a>(&mut self, watch: &'a mut Watch) -> &'a Verdict {
        // In this order: once the machine has ended, all that it printed is there, or will be in a moment.
        let end = self.ended();
        let mut serial = self.serial();
        let up = watch.verdict().seen(Sign::LoginPrompt).is_some();
        let silent = !up && serial.quiet > SILENCE && matches!(end, None | Some(End::Panicked));
        let activity = silent.then(|| self.activity());
        if let Some(activity) = &activity {
            if self.activity.as_ref().is_none_or(|(before, _)| before != activity) {
                self.activity = Some((activity.clone(), Instant::now()));
            }
            // A guest that prints to the screen is not silent, nor is one that reads its disks: on a busy host, a good system
            // without a console takes minutes to start.
            let unchanged = self.activity.as_ref().map_or(serial.quiet, |(_, since)| since.elapsed());
            serial.quiet = serial.quiet.min(unchanged);
        }
        watch.look(&serial, end.as_ref(), self.started.elapsed());
        if let Some(lines) = activity.and_then(|activity| activity.screen) {
            watch.look_at_screen(&lines);
        }
        watch.verdict()
    }

    /// Returns what the guest has done so far. A part that QEMU does not tell counts as unchanged.
    fn activity(&mut self) -> Activity {
        let screen = self.screen_text().ok().flatten();
        let disks = self.execute("query-blockstats", &json!({})).unwrap_or_default();
        let requests =
            disks.as_array().into_iter().flatten().flat_map(|disk| {
                ["rd_operations", "wr_operations"].map(|name| disk["stats"][name].as_u64().unwrap_or(0))
            });
        Activity { screen, requests: requests.sum() }
    }

    /// Returns when the machine was powered on.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Returns the output of the serial console so far.
    pub fn serial(&self) -> SerialView {
        self.serial.view()
    }

    /// Returns the serial console itself, once, if it is lent. The caller must read it, or the guest waits.
    pub fn console(&mut self) -> Option<UnixStream> {
        self.console.take()
    }

    /// Returns how the machine ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<End> {
        if self.end.is_none() {
            self.end = self.look();
        }
        self.end.clone()
    }

    /// Waits for the machine's end, at most for `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Option<End> {
        let begun = Instant::now();
        loop {
            if let Some(end) = self.ended() {
                return Some(end);
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return None;
            }
            self.child.wait(left.min(Duration::from_millis(200)));
        }
    }

    fn look(&mut self) -> Option<End> {
        // In this order: once QEMU has ended, all its events are there.
        let status = self.child.status();
        for event in self.qmp.events() {
            match event.get("event").and_then(Value::as_str) {
                Some("GUEST_PANICKED") if self.watched => return Some(End::Panicked),
                Some("SHUTDOWN") => {
                    self.reason = event.pointer("/data/reason").and_then(Value::as_str).map(str::to_owned);
                }
                _ => {}
            }
        }
        let status = status?;
        Some(match self.reason.as_deref() {
            _ if self.child.was_killed() => End::Killed,
            Some("guest-shutdown") => End::PoweredOff,
            Some("guest-reset") => End::Reset,
            Some("guest-panic") => End::Panicked,
            Some(_) => End::Killed,
            None => End::QemuFailed(super::error::words(&self.child.last_lines(), status)),
        })
    }

    /// Presses the power button. A well-behaved guest shuts down.
    pub fn power_button(&mut self) -> Result<(), MachineError> {
        self.execute("system_powerdown", &json!({})).map(drop)
    }

    /// Returns the screen as a PNG file.
    pub fn screenshot(&mut self) -> Result<Vec<u8>, MachineError> {
        let file = self.work.join("screen.ppm");
        self.execute("screendump", &json!({ "filename": file }))?;
        let picture = std::fs::read(&file).and_then(|picture| screen::png_of(&picture)).at(&file);
        // The directory is deleted with the machine.
        let _ = std::fs::remove_file(&file);
        Ok(picture?)
    }

    /// Returns the screen as text if the graphics card is in text mode. Under BIOS it is, until a kernel with graphics starts.
    pub fn screen_text(&mut self) -> Result<Option<Vec<String>>, MachineError> {
        let file = self.work.join("screen.text");
        let (address, size) = screen::TEXT_MEMORY;
        self.execute("pmemsave", &json!({ "val": address, "size": size, "filename": file }))?;
        let memory = std::fs::read(&file).at(&file);
        let _ = std::fs::remove_file(&file);
        Ok(screen::text_of(&memory?))
    }

    /// Returns the port of 127.0.0.1 that leads to the guest's SSH server.
    pub fn ssh_port(&self) -> u16 {
        self.port
    }

    /// Returns the number of QEMU's process.
    pub fn pid(&self) -> u32 {
        self.child.pid
    }

    /// Returns a connection to the guest agent, whether one runs or not; `None` if the machine has no port for it, or if the
    /// connection was taken before.
    pub fn agent(&mut self) -> Option<Agent> {
        self.agent.take().map(Agent::over)
    }

    /// Cuts the power.
    pub fn kill(&mut self) {
        // Events until now may say that it has ended by itself.
        self.ended();
        self.child.kill();
        self.child.wait(Duration::from_secs(5));
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, MachineError> {
        self.qmp.execute(command, arguments).map_err(|error| match self.ended() {
            Some(End::QemuFailed(words)) => MachineError::Gone(words),
            Some(_) if !matches!(error, QmpError::Refused { .. }) => MachineError::Gone("it has ended".to_owned()),
            _ => MachineError::Gone(error.to_string()),
        })
    }
}

/// Finds the firmware of a machine, and copies its variables for this machine; `None` for BIOS.
fn flash(config: &MachineConfig) -> Result<Option<(Flash, PathBuf)>, MachineError> {
    match (config.arch, config.board) {
        (arch, _) if config.boot == BootKind::Bios && !arch.has_bios() => {
            return Err(MachineError::Unsupported(format!("machines of {} have no BIOS", arch.name())));
        }
        (Arch::X86_64, Board::Pc) if config.boot == BootKind::SecureBoot => {
            return Err(MachineError::Unsupported("the board `pc` has no Secure Boot; `q35` has".to_owned()));
        }
        _ => {}
    }
    if config.boot == BootKind::Bios {
        return Ok(None);
    }
    let board = super::firmware::board(config.arch, config.board);
    let flash = super::firmware::find(config.boot, config.arch, board)
        .ok_or(MachineError::NoFirmware { boot: config.boot, arch: config.arch })?;
    let vars = config.work.join(format!("{}-vars.{}", config.boot, flash.vars_format));
    if !vars.exists() {
        copy_writable(&flash.vars, &vars)?;
    }
    Ok(Some((flash, vars)))
}

/// Copies a file of the host, which may be read-only, into a writable file.
fn copy_writable(from: &Path, to: &Path) -> Result<(), PathError> {
    let content = std::fs::read(from).at(from)?;
    std::fs::write(to, content).at(to)
}

/// Returns the reason why a QEMU that was just started does not greet.
fn ended_at_once(config: &MachineConfig, child: &Child, error: &QmpError) -> MachineError {
    let status = child.wait(Duration::from_secs(5));
    match status {
        _ if child.was_killed() => MachineError::Interrupted,
        Some(status) => super::error::at_once(config, &child.last_lines(), status),
        None => MachineError::Gone(error.to_string()),
    }
}
