//! Judges the answers of a running image by the rules.

use std::collections::BTreeMap;
use std::time::Duration;

use super::probe::{Answers, Card, Listening};
use super::rules::*;
use crate::element::schema::{Booted, Check, check_ids};
use crate::recipe::verify::{BootKind, Datasource, NetworkAccess};
use crate::verify::Finding;
use crate::verify::finding::ELEMENT_CHECK;

/// Largest error of the clock, in seconds.
const CLOCK_TOLERANCE: f64 = 10.0;

/// Bytes after the root partition that growing may leave free, for copies of tables and alignment.
const SLACK: u64 = 64 << 20;

/// Services of a network client: DHCP and DHCPv6.
const CLIENT_PORTS: [&str; 2] = ["udp/68", "udp/546"];

/// The values that the machine was started with, and so the answers that it must give.
#[derive(Debug, Clone)]
pub(super) struct Expected<'a> {
    pub(super) boot: BootKind,
    pub(super) metadata: Datasource,
    pub(super) network: NetworkAccess,
    pub(super) hostname: &'a str,
    pub(super) mac: &'a str,
    pub(super) mark: &'a str,
    /// Services that may listen.
    pub(super) listen: &'a [String],
    /// The host's clock at the time of the guest's answer, in seconds since 1970.
    pub(super) now: f64,
    /// Whether this host's own resolver answers.
    pub(super) host_resolves: bool,
}

/// Judges whether the first boot is complete. `took` is the time until the instance answered.
pub(super) fn boots(answers: &Answers, took: Duration) -> Finding {
    let seconds = took.as_secs();
    match answers.lines("finished")[..] {
        ["no", ref jobs @ ..] => {
            let first = format!("cloud-init has not come to the end of the first boot after {seconds} s");
            BOOTS.failed(std::iter::once(first.as_str()).chain(jobs.iter().copied()))
        }
        _ => BOOTS.passed([format!("{seconds} s")]),
    }
}

/// Judges the answers of a first boot.
pub(super) fn first_boot(answers: &Answers, expected: &Expected<'_>) -> Vec<Finding> {
    let mut findings = vec![
        equal(&HOSTNAME, answers.text("hostname").split('.').next().unwrap_or_default(), expected.hostname),
        equal(&SCRIPT, answers.text("script"), expected.mark),
        equal(&CLOUD_CONFIG, answers.text("cloud-config"), expected.mark),
        sudo(answers),
        datasource(answers, expected.metadata),
        CLEAN_FIRST_BOOT.unless(answers.lines("warnings")),
        root(answers),
        virtio(answers),
        dhcp(answers, expected),
        dns(answers, expected),
        FIREWALL.unless(answers.lines("firewall").into_iter().filter(|line| !is_empty_table(line))),
        sockets(answers, expected.listen),
        units(answers),
        clock(answers, expected.now),
    ];
    let sync = answers.lines("time-sync");
    findings.push(if sync.is_empty() { TIME_SYNC.failed(["none is active"]) } else { TIME_SYNC.passed(sync) });
    if expected.boot == BootKind::SecureBoot {
        findings.push(equal(&SECURE_BOOT, answers.text("secure-boot"), "1"));
    }
    findings
}

fn equal(rule: &crate::verify::Rule, found: &str, expected: &str) -> Finding {
    if found == expected {
        rule.passed([found])
    } else {
        let found = if found.is_empty() { "nothing" } else { found };
        rule.failed([format!("found {found}, expected {expected}")])
    }
}

fn sudo(answers: &Answers) -> Finding {
    match answers.lines("user")[..] {
        [user, "0"] => SUDO.passed([user]),
        _ => SUDO.failed(["`sudo -n` did not give the rights of root"]),
    }
}

/// Judges the source of metadata, which cloud-init names in `result.json`: `DataSourceConfigDrive [net,ver=2][source=/dev/vdb]`.
fn datasource(answers: &Answers, offered: Datasource) -> Finding {
    let result: serde_json::Value = serde_json::from_str(answers.text("datasource")).unwrap_or_default();
    let Some(source) = result.pointer("/v1/datasource").and_then(serde_json::Value::as_str) else {
        return DATASOURCE.failed(["cloud-init has not told any: is it installed and enabled?"]);
    };
    let name = match offered {
        Datasource::ConfigDrive => "DataSourceConfigDrive",
        Datasource::OpenStack => "DataSourceOpenStack",
        Datasource::NoCloud => "DataSourceNoCloud",
    };
    if source.starts_with(name) { DATASOURCE.passed([source]) } else { DATASOURCE.failed([source]) }
}

pub(super) fn root(answers: &Answers) -> Finding {
    let Some(root) = answers.root() else {
        return ROOT_FILLS.failed(["the device of the root file system was not found"]);
    };
    let size = |bytes| crate::units::ByteSize::bytes(bytes).to_string();
    let volume = if root.held.is_empty() { String::new() } else { format!(", volume {}", size(root.size)) };
    let seen = format!(
        "{}: file system {}{volume}, partition {}, disk {}",
        root.device,
        size(root.file_system),
        size(root.partition),
        size(root.disk)
    );
    // A file system tells its size without its own tables: ext4's inodes take a sixtieth of it. Other volumes of a group may
    // have the rest of a partition.
    let fills = root.file_system >= root.size / 100 * 90 && root.held.iter().all(|[taken, of]| *taken >= of / 100 * 90);
    let reaches = root.end + SLACK >= root.disk;
    if fills && reaches { ROOT_FILLS.passed([seen]) } else { ROOT_FILLS.failed([seen]) }
}

fn virtio(answers: &Answers) -> Finding {
    let disk = answers.root().map(|root| root.driver).unwrap_or_default();
    let cards = answers.cards();
    let seen = cards.iter().map(|card| format!("{}: {}", card.name, card.driver)).chain([format!("disk: {disk}")]);
    let seen: Vec<_> = seen.collect();
    let good = disk.starts_with("virtio") && cards.iter().any(|card| card.driver.starts_with("virtio"));
    if good { VIRTIO.passed(seen) } else { VIRTIO.failed(seen) }
}

fn dhcp(answers: &Answers, expected: &Expected<'_>) -> Finding {
    let Some(card) = card(answers, expected.mac) else {
        return DHCP.failed([format!("there is no network card with the address {}", expected.mac)]);
    };
    let prefix = format!("{} ", card.name);
    let lines: Vec<_> = answers.lines("addresses").into_iter().filter(|line| line.contains(&prefix)).collect();
    // A leased address has a lifetime, which ip(8) calls dynamic.
    if lines.iter().any(|line| line.contains(" dynamic ")) { DHCP.passed(lines) } else { DHCP.failed(lines) }
}

fn dns(answers: &Answers, expected: &Expected<'_>) -> Finding {
    if expected.network == NetworkAccess::Isolated {
        return DNS
            .skipped("the machine is isolated, so that no server is announced; `--network user` lets it ask one");
    }
    // The output of resolvectl(1) is evidence; programs use the servers in the file.
    if !answers.lines("resolver").iter().any(|line| line.starts_with("nameserver")) {
        return DNS.failed(["/etc/resolv.conf names no server"]);
    }
    // The identifier of the question, a bit that marks an answer, and a code: RFC 1035.
    let bytes: Vec<u8> =
        answers.text("dns").split_whitespace().filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    match bytes[..] {
        [0x67, 0x6f, flags, code] if flags & 0x80 != 0 && matches!(code & 0x0f, 0 | 3) => {
            DNS.passed(answers.lines("resolver"))
        }
        _ if !expected.host_resolves => DNS.skipped("this host's own resolver gives no answer either"),
        [0x67, 0x6f, _, code] => DNS.failed([format!("the server refuses: code {}", code & 0x0f)]),
        _ => DNS.failed(answers.lines("resolver").into_iter().chain(["no answer"])),
    }
}

/// Returns whether `nft list ruleset` prints this line for tables without rules.
fn is_empty_table(line: &str) -> bool {
    let line = line.trim();
    let accepts = line.starts_with("type ") && line.ends_with("policy accept;");
    let begins = ["table ", "chain "].iter().any(|word| line.starts_with(word)) && line.ends_with('{');
    line == "}" || line.starts_with('#') || begins || accepts
}

fn sockets(answers: &Answers, listen: &[String]) -> Finding {
    let stray = |socket: &&Listening| {
        !socket.address.is_loopback()
            && socket.service != "tcp/22"
            && !CLIENT_PORTS.contains(&socket.service.as_str())
            && !listen.contains(&socket.service)
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

fn units(answers: &Answers) -> Finding {
    let failed = answers.lines("failed");
    match answers.text("state") {
        "" if failed.is_empty() => UNITS.skipped("there is no systemd that could tell"),
        _ => UNITS.unless(failed),
    }
}

/// Returns the unit in a line about its failure: `ssh.service: no host keys`.
pub(super) fn unit(line: &str) -> &str {
    line.split_once(": ").map_or(line, |(unit, _)| unit).trim_end_matches(':')
}

fn clock(answers: &Answers, host: f64) -> Finding {
    let Ok(guest) = answers.text("now").parse::<f64>() else { return CLOCK.failed(["it tells no time"]) };
    let off = guest - host;
    let seen = format!("{off:+.0} s against this host");
    if off.abs() <= CLOCK_TOLERANCE { CLOCK.passed([seen]) } else { CLOCK.failed([seen]) }
}

fn card(answers: &Answers, mac: &str) -> Option<Card> {
    answers.cards().into_iter().find(|card| card.mac.eq_ignore_ascii_case(mac))
}

/// Judges the answers of the second boot of one disk, on a machine with another network card.
pub(super) fn second_boot(first: &Answers, second: &Answers, macs: [&str; 2]) -> Vec<Finding> {
    let reboot = if first.text("boot-id") == second.text("boot-id") {
        REBOOT.failed(["it is the same boot"])
    } else {
        // Failures of the first boot have a rule of their own.
        let known = first.lines("failed");
        REBOOT
            .unless(second.lines("failed").into_iter().filter(|line| !known.iter().any(|old| unit(old) == unit(line))))
    };
    let names = [card(first, macs[0]), card(second, macs[1])].map(|card| card.map(|card| card.name));
    let seen = names.iter().map(|name| name.clone().unwrap_or_else(|| "no card".to_owned()));
    let seen = seen.collect::<Vec<_>>().join(", then ");
    let addressed = names[1].as_ref().is_some_and(|name| {
        second.lines("addresses").iter().any(|line| line.contains(&format!("{name} ")) && line.contains("inet "))
    });
    let card = if names[0] == names[1] && addressed {
        SECOND_CARD.passed([seen])
    } else {
        SECOND_CARD.failed([seen, second.text("addresses").to_owned()])
    };
    let changed =
        ["machine-id", "host-keys", "hostname"].into_iter().filter(|name| first.text(name) != second.text(name));
    let identity =
        IDENTITY_STAYS.unless(changed.map(|name| format!("{name}: {}, then {}", first.text(name), second.text(name))));
    vec![reboot, card, identity]
}

/// Judges whether instances of one image differ in all that they must not share.
pub(super) fn instances(all: &[(String, Answers)]) -> Finding {
    if all.len() < 2 {
        return INSTANCES_DIFFER.skipped("fewer than two instances came up");
    }
    let mut against = Vec::new();
    for name in ["machine-id", "host-keys", "seeds"] {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (instance, answers) in all {
            for line in answers.lines(name) {
                if let Some(other) = seen.insert(line, instance).filter(|other| other != instance) {
                    against.push(format!("{name} of {other} and {instance}: {line}"));
                }
            }
        }
    }
    INSTANCES_DIFFER.unless(against)
}

/// Judges the booted checks of elements. Their commands have numbers in the script.
pub(super) fn elements(checks: &[(String, Check)], answers: &Answers, serial: &str) -> Vec<Finding> {
    let mut commands = 0;
    let mut findings = Vec::new();
    for (id, (_, check)) in check_ids(checks).into_iter().zip(checks) {
        let Check::Booted(booted) = check else { continue };
        let (sentence, kept, evidence): (String, bool, Vec<String>) = match booted {
            Booted::Serial(pattern) => {
                // It compiled when the recipe was read.
                let found = regex::Regex::new(pattern)
                    .ok()
                    .and_then(|pattern| serial.lines().find(|line| pattern.is_match(line)));
                let evidence = found.map_or_else(|| "none of its lines does".to_owned(), str::to_owned);
                (format!("The serial console shows `{pattern}`"), found.is_some(), vec![evidence])
            }
            Booted::Command(command) => {
                let ran = answers.ran(commands);
                commands += 1;
                let good = ran.as_ref().is_some_and(|ran| ran.status == 0);
                let evidence = match ran {
                    Some(ran) if ran.status != 0 => {
                        std::iter::once(format!("exit status {}", ran.status)).chain(ran.output).collect()
                    }
                    Some(ran) => ran.output,
                    None => vec!["it was not run".to_owned()],
                };
                (format!("`{command}` succeeds"), good, evidence)
            }
            Booted::Port(port) => {
                let service = format!("tcp/{port}");
                let all = answers.listening();
                let found = all.iter().any(|socket| socket.service == service);
                let told = all.iter().filter(|socket| !found || socket.service == service);
                let told = told.map(|socket| format!("{} on {}", socket.service, socket.address));
                let missing = (!found).then(|| format!("nothing on {service}, but:"));
                (format!("Something listens on port {port}"), found, missing.into_iter().chain(told).collect())
            }
        };
        let finding = if kept { ELEMENT_CHECK.passed(evidence) } else { ELEMENT_CHECK.failed(evidence) };
        findings.push(Finding { id, sentence: crate::text::printable(sentence.as_bytes()), ..finding });
    }
    findings
}

/// Returns the commands of elements, in the order in which [`elements`] counts them.
pub(super) fn commands(checks: &[(String, Check)]) -> Vec<&str> {
    let commands = checks.iter().filter_map(|(_, check)| match check {
        Check::Booted(Booted::Command(command)) => Some(command.as_str()),
        _ => None,
    });
    commands.collect()
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
