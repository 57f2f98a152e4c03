//! One instance of an image, from power-on to power-off.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::answers::Answers;
use super::down;
use super::guest::Guest;
use super::job::Job;
use super::judge;
use super::login::{Failed, as_root};
use super::probe;
use super::rules::{self, BOOT_TIME, Expected, KEY, PASSWORDS, REBOOT, SECOND_CARD};
use super::settings::POLL;
use super::{BootError, Settings};
use crate::event::Event;
use crate::machine::watch::{Sign, Trouble, Watch};
use crate::machine::{End, Machine, Ssh};
use crate::verify::{Boot, Finding, Milestone, Rule};

/// Limit for a machine to power off: systemd gives services 90 s to stop.
const POWER_OFF: Duration = Duration::from_secs(120);

/// Limit for the first answer of the guest agent.
const AGENT: Duration = Duration::from_secs(20);

/// The command to reboot, as an administrator would do it.
const REBOOT_COMMAND: &str = "if command -v systemctl >/dev/null; then systemctl reboot; else reboot; fi";

/// Lines of the serial log that are evidence of a failure.
const LAST_LINES: usize = 15;

/// Name of the milestone for cloud-init's last line.
const FIRST_BOOT_DONE: &str = "first boot done";

/// The result of one instance.
#[derive(Debug, Clone)]
pub(super) struct Ran {
    pub(super) boot: Boot,
    /// The answers; none if the login failed.
    pub(super) answers: Option<Answers>,
    /// Seconds from power-on to the end of first boot.
    pub(super) seconds: Option<f64>,
    /// Time from power-on until it answered.
    pub(super) up: Option<Duration>,
    /// Whether the guest agent answered, if it was asked.
    pub(super) agent: Option<bool>,
}

/// The observations so far.
#[derive(Default)]
struct Seen {
    findings: Vec<Finding>,
    milestones: Vec<Milestone>,
    /// Number of the watch's signs that are milestones already.
    signs: usize,
    /// Time from power-on until it answered.
    up: Option<Duration>,
    serial: String,
    screenshot: Option<Vec<u8>>,
}

/// Boots an instance for comparison with others. Its only finding is that it did not come up.
pub(super) fn identity(settings: &Settings<'_>, job: &Job) -> Result<Ran, BootError> {
    let guest = Guest::new(settings, job)?;
    let mut seen = Seen::default();
    let mut machine = guest.start(&guest.macs[0])?;
    let ssh = guest.ssh(&machine);
    let ask = |nonce: &str, _| probe::identity(nonce);
    let answers = match guest.log_in(&mut machine, &ssh, &ask, &mut |watch| guest.note(&mut seen, watch))? {
        Ok(answers) => Some(answers),
        Err(failed) => {
            guest.gave_up(&mut machine, failed, &mut seen);
            None
        }
    };
    machine.kill();
    Ok(guest.end(seen, answers, None))
}

/// Boots an instance, checks it, and powers it off.
pub(super) fn run(settings: &Settings<'_>, job: &Job) -> Result<Ran, BootError> {
    let guest = Guest::new(settings, job)?;
    let mut seen = Seen::default();
    let mut agent = None;
    let first = guest.first_boot(&mut seen, &mut agent)?;
    Ok(guest.end(seen, first, agent))
}

impl Guest<'_> {
    /// Removes the instance and returns the observations.
    fn end(&self, seen: Seen, answers: Option<Answers>, agent: Option<bool>) -> Ran {
        // The disk may be large.
        let _ = std::fs::remove_dir_all(&self.work);
        let seconds = seen.milestones.iter().find(|m| m.name == FIRST_BOOT_DONE).map(|milestone| milestone.seconds);
        let Seen { mut findings, milestones, up, serial, screenshot, .. } = seen;
        let profile = self.job.profile.to_string();
        for finding in &mut findings {
            finding.profile = Some(profile.clone());
        }
        let boot = Boot { profile: self.job.profile, findings, milestones, serial, screenshot };
        Ran { boot, answers, seconds, up, agent }
    }

    /// Boots the first time and, if the job says so, a second time. Returns the answers of the first boot.
    fn first_boot(&self, seen: &mut Seen, agent: &mut Option<bool>) -> Result<Option<Answers>, BootError> {
        let power_on = Instant::now();
        let mut machine = self.start(&self.macs[0])?;
        let ssh = self.ssh(&machine);
        let commands = judge::commands(self.settings.checks);
        let ask = |nonce: &str, limit| probe::script(nonce, limit, &commands);
        let answers = match self.log_in(&mut machine, &ssh, &ask, &mut |watch| self.note(seen, watch))? {
            Ok(answers) => answers,
            Err(failure) => {
                self.gave_up(&mut machine, failure, seen);
                return Ok(None);
            }
        };
        let up = machine.started().elapsed();
        seen.up = Some(up);
        let host_now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
        seen.findings.push(judge::boots(&answers, up));
        self.judge(&answers, host_now, &ssh, seen);
        if self.settings.subject.guest_agent {
            let answered = machine.agent().map(|mut agent| agent.ping(AGENT));
            *agent = answered.as_ref().map(Result::is_ok);
            seen.findings.extend(answered.map(|answered| match answered {
                Ok(()) => rules::AGENT.passed(["guest-ping"]),
                Err(error) => rules::AGENT.failed([error.to_string()]),
            }));
        }
        let serial = machine.serial();
        seen.findings.extend(judge::elements(self.settings.checks, &answers, &serial.text()));
        seen.findings.extend(down::console(&serial.lines()));
        if self.job.reboots {
            self.reboot(machine, &ssh, &answers, power_on, seen)?;
        } else {
            self.power_off(&mut machine, power_on, seen)?;
        }
        if seen.serial.is_empty() {
            seen.serial = serial.text();
        }
        Ok(Some(answers))
    }

    fn judge(&self, answers: &Answers, host_now: f64, ssh: &Ssh, seen: &mut Seen) {
        let declared = |number: &u16| format!("tcp/{number}");
        let ports = self.settings.checks.iter().filter_map(|(_, check)| match check {
            crate::element::schema::Check::Booted(crate::element::schema::Booted::Port(port)) => Some(declared(port)),
            _ => None,
        });
        let listen: Vec<_> = self.settings.verify.listen.iter().cloned().chain(ports).collect();
        let expected = Expected {
            boot: self.job.profile.boot,
            metadata: self.job.profile.metadata,
            network: self.settings.verify.network,
            hostname: &self.job.name,
            mac: &self.macs[0],
            mark: &self.mark,
            listen: &listen,
            now: host_now,
            host_resolves: host_resolves(),
        };
        seen.findings.push(KEY.passed([self.user.as_str()]));
        seen.findings.push(match ssh.methods(Duration::from_secs(60)) {
            Ok(methods) if methods == ["publickey"] => PASSWORDS.passed(methods),
            Ok(methods) => PASSWORDS.failed(methods),
            Err(error) => PASSWORDS.skipped(&error.to_string()),
        });
        seen.findings.extend(rules::first_boot(answers, &expected));
        let done = seen.milestones.iter().find(|milestone| milestone.name == FIRST_BOOT_DONE);
        seen.findings.push(match done {
            Some(done) => BOOT_TIME.passed([format!("{:.0} s under {}", done.seconds, self.settings.accel)]),
            // Without cloud-init the first boot ends with the login.
            None if rules::only_key(answers).is_some() => {
                let seconds = seen.up.unwrap_or_default().as_secs();
                BOOT_TIME.passed([format!("{seconds} s until the login under {}", self.settings.accel)])
            }
            None => BOOT_TIME.failed(["the serial console has not shown cloud-init's last line"]),
        });
    }

    /// Adds the new signs as milestones.
    fn note(&self, seen: &mut Seen, watch: &Watch) {
        for (sign, when) in watch.verdict().signs.iter().skip(seen.signs) {
            let name = if *sign == Sign::CloudInitEnd { FIRST_BOOT_DONE.to_owned() } else { sign.to_string() };
            let seconds = (when.as_secs_f64() * 10.0).round() / 10.0;
            let message = format!("{}: {name} after {seconds} s", self.job.name);
            self.settings.reporter.report(&Event::Detail { message });
            seen.milestones.push(Milestone { name, seconds });
            seen.signs += 1;
        }
    }

    /// Adds the findings about an instance that did not come up, with its last output.
    fn gave_up(&self, machine: &mut Machine, failed: Failed, seen: &mut Seen) {
        let serial = machine.serial();
        // Under BIOS, firmware and boot loaders print only on the screen.
        let screen = machine.screen_text().ok().flatten().unwrap_or_default();
        seen.findings.extend(down::findings(&failed, &serial.lines(), &screen));
        seen.screenshot = machine.screenshot().ok();
        seen.serial = serial.text();
        machine.kill();
    }

    /// Reboots the instance with another network card, and then powers it off.
    fn reboot(
        &self,
        mut machine: Machine,
        ssh: &Ssh,
        first: &Answers,
        power_on: Instant,
        seen: &mut Seen,
    ) -> Result<(), BootError> {
        // The connection may break before the result arrives, or the shutdown may end the command.
        if let Ok(refused) = ssh.run(&as_root(REBOOT_COMMAND), Duration::from_secs(30))
            && (1..128).contains(&refused.status)
        {
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            let status = format!("its command ends with status {}", refused.status);
            seen.findings.push(REBOOT.failed(std::iter::once(status.as_str()).chain(said.lines())));
            self.power_off(&mut machine, power_on, seen)?;
            seen.serial = machine.serial().text();
            return Ok(());
        }
        let end = self.wait_for_end(&mut machine, POWER_OFF)?;
        seen.serial = machine.serial().text();
        drop(machine);
        milestone(seen, "reboot", power_on);
        if !matches!(end, Some(End::Reset)) {
            seen.findings.push(
                REBOOT.failed([end.map_or("it does not shut down".to_owned(), |end| Trouble::Ended(end).to_string())]),
            );
            return Ok(());
        }
        let mut machine = self.start(&self.macs[1])?;
        let ssh = self.ssh(&machine);
        match self.log_in(&mut machine, &ssh, &probe::again, &mut |_| {})? {
            Ok(second) => {
                milestone(seen, "second boot done", power_on);
                seen.findings.extend(rules::second_boot(first, &second, [&self.macs[0], &self.macs[1]]));
                self.power_off(&mut machine, power_on, seen)?;
            }
            Err(failed) => {
                let lines = machine.serial().lines();
                let last = lines[lines.len().saturating_sub(LAST_LINES)..].iter().cloned();
                // Only the card changed. So a machine that runs but cannot be reached has lost its network.
                let rule: &Rule =
                    if matches!(failed, Failed::Boot(_) | Failed::Late(_)) { &REBOOT } else { &SECOND_CARD };
                seen.findings.push(rule.failed(std::iter::once(failed.to_string()).chain(last)));
                seen.screenshot = machine.screenshot().ok();
                machine.kill();
            }
        }
        seen.serial.push_str("\n--- second boot ---\n");
        seen.serial.push_str(&machine.serial().text());
        Ok(())
    }

    fn power_off(&self, machine: &mut Machine, power_on: Instant, seen: &mut Seen) -> Result<(), BootError> {
        let pressed = Instant::now();
        let button = machine.power_button();
        let end = self.wait_for_end(machine, POWER_OFF)?;
        milestone(seen, "power off", power_on);
        seen.findings.push(match (button, end) {
            (Ok(()), Some(End::PoweredOff)) => {
                rules::POWER_OFF.passed([format!("{:.0} s", pressed.elapsed().as_secs_f64())])
            }
            (Ok(()), Some(end)) => rules::POWER_OFF.failed([Trouble::Ended(end).to_string()]),
            (Ok(()), None) => rules::POWER_OFF.failed([format!("it still runs after {} s", POWER_OFF.as_secs())]),
            (Err(error), _) => rules::POWER_OFF.failed([error.to_string()]),
        });
        Ok(())
    }

    fn wait_for_end(&self, machine: &mut Machine, timeout: Duration) -> Result<Option<End>, BootError> {
        let started = Instant::now();
        while started.elapsed() < timeout {
            if self.settings.interrupt.is_raised() {
                return Err(BootError::Interrupted);
            }
            if let Some(end) = machine.ended() {
                return Ok(Some(end));
            }
            std::thread::sleep(POLL);
        }
        Ok(None)
    }
}

fn milestone(seen: &mut Seen, name: &str, power_on: Instant) {
    let seconds = (power_on.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    seen.milestones.push(Milestone { name: name.to_owned(), seconds });
}

/// Returns whether the resolver of this host answers the question that the script asks in the guest.
fn host_resolves() -> bool {
    const QUESTION: &[u8] = b"\x67\x6f\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01";
    let ask = || -> std::io::Result<bool> {
        let config = std::fs::read_to_string(Path::new("/etc/resolv.conf"))?;
        let Some(server) = config.lines().find_map(|line| line.strip_prefix("nameserver")) else { return Ok(false) };
        let Ok(server) = server.trim().parse::<IpAddr>() else { return Ok(false) };
        let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        // From here on, the socket accepts data only from the server.
        socket.connect((server, 53))?;
        socket.set_read_timeout(Some(Duration::from_secs(3)))?;
        socket.send(QUESTION)?;
        let mut answer = [0; 600];
        let length = socket.recv(&mut answer)?;
        Ok(length > 3 && answer[..2] == QUESTION[..2] && matches!(answer[3] & 0x0f, 0 | 3))
    };
    ask().unwrap_or(false)
}
