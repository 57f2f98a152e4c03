//! Rules about running services.

use super::super::answers::{Answers, Listening};
use super::check::{Check, Expected, Judge, Subject};
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, in the order of reports.
pub(super) const SUBJECT: Subject = Subject {
    checks: &[
        Check { rule: &SOCKETS, judge: Judge::First(sockets) },
        Check { rule: &UNITS, judge: Judge::First(units) },
        Check { rule: &CLOCK, judge: Judge::First(clock) },
        Check { rule: &TIME_SYNC, judge: Judge::First(time_sync) },
        Check { rule: &AGENT, judge: Judge::Machine },
    ],
    every: r#"s failed; for u in $(systemctl --failed --plain --no-legend --no-pager 2>/dev/null | awk '{ print $1 }'); do
  echo "$u: $(journalctl -b -u "$u" -p warning -n 1 -o cat --no-pager 2>/dev/null)"; done
for u in /run/openrc/failed/*; do [ ! -e "$u" ] || echo "${u##*/}: OpenRC could not start it"; done
# One whose needs are not met is in no list of failures.
[ ! -d /run/openrc/started ] || for u in /etc/runlevels/sysinit/* /etc/runlevels/boot/* /etc/runlevels/default/*; do u=${u##*/}
  case $u in '*') continue ;; esac
  for d in started failed inactive wasinactive; do [ ! -e "/run/openrc/$d/$u" ] || continue 2; done
  echo "$u: OpenRC has not started it; \`rc-service $u start\` says why"; done
s openrc; [ ! -d /run/openrc/started ] || ls /run/openrc/started
"#,
    first: r#"s sockets; for f in tcp tcp6 udp udp6; do sed "s/^/$f /" /proc/net/$f 2>/dev/null; done
s programs; ss -Hltunp 2>/dev/null
s time-sync; systemctl list-units --plain --no-legend --no-pager --state=active systemd-timesyncd.service chrony.service \
  chronyd.service ntp.service ntpd.service ntpsec.service openntpd.service 2>/dev/null | awk '{ print $1 }'
for u in chronyd ntpd openntpd; do [ ! -e "/run/openrc/started/$u" ] || echo "$u"; done
s starved; dmesg 2>/dev/null | grep 'Out of memory: Kill' | tail -n 3
"#,
    identity: "",
    #[cfg(test)]
    samples: &samples::SAMPLES,
};

pub(in crate::verify::boot) const SOCKETS: Rule = Rule {
    id: "no-undeclared-service",
    group: Group::Services,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "Only services that the recipe declares listen on the network",
    reason: "Nobody updates a service that nobody knows.",
    page: None,
    mend: "disable the service, or declare it: `verify: { listen: [tcp/80] }`",
};

pub(in crate::verify::boot) const UNITS: Rule = Rule {
    id: "no-failed-unit",
    group: Group::Services,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "No unit has failed",
    reason: "A unit that fails at this first boot fails in every instance.",
    page: None,
    mend: "repair or disable the unit",
};

pub(in crate::verify::boot) const CLOCK: Rule = Rule {
    id: "clock",
    group: Group::Services,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The clock shows the right time",
    reason: "With a wrong clock certificates and tokens are invalid.",
    page: None,
    mend: "do not set the hardware clock to local time (/etc/adjtime)",
};

pub(in crate::verify::boot) const TIME_SYNC: Rule = Rule {
    id: "time-sync",
    group: Group::Services,
    stage: Stage::Booted,
    severity: Severity::Warning,
    sentence: "A service synchronises the clock",
    reason: "Clocks of virtual machines drift.",
    page: None,
    mend: "install chrony or systemd-timesyncd: add the element base-system",
};

pub(in crate::verify::boot) const AGENT: Rule = Rule {
    id: "guest-agent-answers",
    group: Group::Services,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The QEMU guest agent answers",
    reason: "Published properties promise the agent, and snapshots wait for its answer.",
    page: None,
    mend: "add the element qemu-guest-agent",
};

/// Largest error of the clock, in seconds.
const CLOCK_TOLERANCE: f64 = 10.0;

/// Services of a network client: DHCP and DHCPv6.
const CLIENT_PORTS: [&str; 2] = ["udp/68", "udp/546"];

fn sockets(answers: &Answers, expected: &Expected<'_>) -> Finding {
    let stray = |socket: &&Listening| {
        !socket.address.is_loopback()
            && socket.service != "tcp/22"
            && !CLIENT_PORTS.contains(&socket.service.as_str())
            && !expected.listen.contains(&socket.service)
    };
    let found = answers.listening();
    let told = |socket: &Listening| {
        let port = socket.service.split('/').nth(1).unwrap_or_default();
        let program = answers.lines("programs").into_iter().find(|line| line.contains(&format!(":{port} ")));
        let users = program.and_then(|line| line.split("users:").nth(1)).unwrap_or_default();
        format!("{} on {} {users}", socket.service, socket.address).trim_end().to_owned()
    };
    let strays: Vec<_> = found.iter().filter(stray).map(told).collect();
    if strays.is_empty() { SOCKETS.passed(found.iter().map(told)) } else { SOCKETS.failed(strays) }
}

fn units(answers: &Answers, _: &Expected<'_>) -> Finding {
    let failed = answers.lines("failed");
    match answers.text("state") {
        "" if failed.is_empty() && answers.lines("openrc").is_empty() => {
            UNITS.skipped("there is neither systemd nor OpenRC that could tell")
        }
        _ => UNITS.unless(failed),
    }
}

fn clock(answers: &Answers, expected: &Expected<'_>) -> Finding {
    let Ok(guest) = answers.text("now").parse::<f64>() else { return CLOCK.failed(["it tells no time"]) };
    let off = guest - expected.now;
    let seen = format!("{off:+.0} s against this host");
    if off.abs() <= CLOCK_TOLERANCE { CLOCK.passed([seen]) } else { CLOCK.failed([seen]) }
}

fn time_sync(answers: &Answers, _: &Expected<'_>) -> Finding {
    let active = answers.lines("time-sync");
    if active.is_empty() { TIME_SYNC.failed(["none is active"]) } else { TIME_SYNC.passed(active) }
}

#[cfg(test)]
mod samples {
    use super::super::check::Samples;

    pub(super) const SAMPLES: Samples = Samples {
        good: &[
            ("state", "running"),
            ("failed", ""),
            ("openrc", ""),
            ("sockets", "tcp 0: 00000000:0016 00000000:0000 0A\nudp 0: 0F0010AC:0044 00000000:0000 07"),
            ("time-sync", "chrony"),
            ("now", "1000"),
        ],
        bad: &[
            ("sockets", "tcp 0: 00000000:0050 00000000:0000 0A", "no-undeclared-service"),
            ("failed", "rsyslog.service: it broke", "no-failed-unit"),
            ("now", "4600", "clock"),
            ("time-sync", "", "time-sync"),
        ],
    };
}
