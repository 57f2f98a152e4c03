//! Runs an installer and watches it.

use std::path::Path;
use std::time::{Duration, Instant};

use super::super::job::Activities;
use super::console::{Reader, Shown, question};
use super::delivery::prepare;
use super::failure::{InstallError, Stopped};
use super::idle::{self, Idle};
use super::request::InstallRequest;
use crate::event::{Event, Reporter};
use crate::guest::Accel;
use crate::interrupt::Interrupt;
use crate::machine::watch::{Limits, Trouble, Watch};
use crate::machine::{Console, End, Machine, MachineConfig};
use crate::metadata::random_uuid;
use crate::recipe::Firmware;
use crate::recipe::verify::{Board, BootKind, DEFAULT_CPUS};
use crate::text::Redactor;

/// Default limit for an installation. Nobody has measured a whole one without KVM yet.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Default time in which an installer may show nothing and leave its processor idle: a slow mirror may let it wait.
const SILENCE: Duration = Duration::from_secs(5 * 60);

/// Most bytes that an installer may print: some log every file.
const OUTPUT: u64 = 64 << 20;

/// Time between two looks at the machine.
const POLL: Duration = Duration::from_millis(500);

/// Time in which the last output of a machine that has ended arrives.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Lines of the console that show where an installer stopped.
const LINES: usize = 25;

/// Address of the network card, of QEMU's own prefix.
const MAC: &str = "52:54:00:67:69:01";

/// Lets an installer write to the disk of a request, until it shuts down or restarts. `work` is a private directory.
///
/// # Errors
///
/// If the machine cannot be started, if the installer asks a question, stops or fails, or takes too long. The machine has ended in
/// every case.
pub fn install(
    request: &InstallRequest<'_>,
    accel: Accel,
    work: &Path,
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
) -> Result<(), InstallError> {
    let config = machine(request, accel, work)?;
    let redactor = Redactor::new(request.secrets.values());
    let mut activities = Activities::start(reporter, "start the installer");
    let machine = Machine::start(&config, interrupt)?;
    let source = &request.plan.base.source;
    let mut installation = Installation {
        machine,
        // The processor tells more than the console, so its silence counts here and not there.
        watch: Watch::new(Limits { silence: Duration::MAX, output: OUTPUT }),
        idle: Idle::new(Instant::now(), Duration::ZERO),
        silence: source.silence.unwrap_or(SILENCE),
        reader: Reader::new(redactor.clone()),
        redactor,
        interrupt: interrupt.clone(),
    };
    let deadline = source.deadline.unwrap_or(DEADLINE);
    let mut tell = |shown: Shown| match shown {
        Shown::Line(line) => reporter.report(&Event::Output { line }),
        Shown::Part(part) => activities.next(&format!("installer: {part}")),
    };
    loop {
        if interrupt.is_raised() {
            return Err(InstallError::Interrupted);
        }
        if let Some(result) = installation.look(deadline, &mut tell) {
            result?;
            break;
        }
        std::thread::sleep(POLL);
    }
    activities.finish();
    Ok(())
}

/// A running installer. Its machine ends with it.
struct Installation {
    machine: Machine,
    watch: Watch,
    idle: Idle,
    silence: Duration,
    reader: Reader,
    redactor: Redactor,
    interrupt: Interrupt,
}

impl Installation {
    /// Looks at the machine, and tells what is new; `None` while the installer works.
    fn look(&mut self, deadline: Duration, tell: &mut dyn FnMut(Shown)) -> Option<Result<(), InstallError>> {
        let end = self.machine.ended();
        if end.is_some() {
            std::thread::sleep(LAST_WORDS);
        }
        let console = self.machine.serial();
        self.reader.read(&console).into_iter().for_each(tell);
        match end {
            Some(End::PoweredOff | End::Reset) => return Some(Ok(())),
            Some(End::Killed) if self.interrupt.is_raised() => return Some(Err(InstallError::Interrupted)),
            Some(End::Killed) => {
                return Some(self.stopped("QEMU was ended from outside".to_owned(), "build it again"));
            }
            Some(End::QemuFailed(words)) => {
                return Some(self.stopped(format!("QEMU failed: {words}"), "QEMU's words say why; build it again"));
            }
            Some(End::Panicked) | None => {}
        }
        let trouble = self.machine.watch(&mut self.watch).trouble.clone();
        match trouble {
            // The next look sees the end.
            None | Some(Trouble::Ended(_)) => {}
            Some(trouble) => return Some(self.stopped(format!("the installer stopped: {trouble}"), trouble.advice())),
        }
        let idle = self.idle.look(Instant::now(), idle::used(self.machine.pid())).min(console.quiet);
        if let Some(question) = question(&console, idle) {
            let reason = format!("the installer asks a question that the answer file does not answer: {question}");
            let help = "the lines before it say what it asks; answer it in the answer file";
            return Some(self.stopped(reason, help));
        }
        if idle >= self.silence {
            let reason = format!("the installer showed nothing and did nothing for {} s", idle.as_secs());
            let help = "the last lines say what it was doing, and a question that it draws on its screen is in the picture; \
                        `base.installer.silence` gives it longer";
            return Some(self.stopped(reason, help));
        }
        if self.machine.started().elapsed() >= deadline {
            let reason = format!("the installer was not done after {} s", deadline.as_secs());
            let help = "the last lines say how far it came; `base.installer.deadline` gives it longer";
            return Some(self.stopped(reason, help));
        }
        None
    }

    /// Cuts the power, and returns the error with what the installer showed.
    fn stopped(&mut self, reason: String, help: &'static str) -> Result<(), InstallError> {
        let hidden = |lines: &[String]| lines.iter().map(|line| self.redactor.redact(line)).collect::<Vec<_>>();
        let lines = self.machine.serial().lines();
        let lines: Vec<String> = lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
        let console = hidden(&lines[lines.len().saturating_sub(LINES)..]);
        // Without a picture, the lines remain.
        let screen = self.machine.screen_text().ok().flatten().unwrap_or_default();
        let screen = hidden(&screen.into_iter().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>());
        let picture = self.machine.screenshot().ok();
        self.machine.kill();
        let reason = self.redactor.redact(&reason);
        Err(InstallError::Stopped(Box::new(Stopped { reason, help, console, screen, picture })))
    }
}

/// Returns the machine of an installation, and writes what it gets.
fn machine(request: &InstallRequest<'_>, accel: Accel, work: &Path) -> Result<MachineConfig, InstallError> {
    let source = &request.plan.base.source;
    let delivery = prepare(request, work)?;
    Ok(MachineConfig {
        accel,
        arch: request.arch,
        board: Board::Q35,
        boot: match source.firmware(request.arch) {
            Firmware::Bios => BootKind::Bios,
            Firmware::Uefi => BootKind::Uefi,
        },
        memory: source.memory,
        cpus: source.cpus.unwrap_or(DEFAULT_CPUS),
        disk: request.target.to_owned(),
        drives: delivery.drives,
        kernel: delivery.kernel,
        disc: delivery.disc,
        mac: MAC.to_owned(),
        uuid: random_uuid().to_string(),
        nova: false,
        network: source.network,
        service: None,
        agent: false,
        work: work.to_owned(),
        console: Console::Watched,
    })
}
