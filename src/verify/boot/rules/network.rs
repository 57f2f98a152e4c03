//! Rules about the network.

use super::super::answers::{Answers, Card};
use super::check::{Check, Expected, GUIDE, Judge, Subject};
use crate::recipe::verify::NetworkAccess;
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, in the order of reports.
pub(super) const SUBJECT: Subject = Subject {
    checks: &[
        Check { rule: &DHCP, judge: Judge::First(dhcp) },
        Check { rule: &DNS, judge: Judge::First(dns) },
        Check { rule: &FIREWALL, judge: Judge::First(firewall) },
        Check { rule: &SECOND_CARD, judge: Judge::Second(second_card) },
    ],
    every: r#"s cards; for c in /sys/class/net/*; do [ -e "$c/device" ] || continue
  echo "${c##*/} $(cat "$c/address") $(readlink -f "$c/device/driver" | sed 's,.*/,,') $(cat "$c/operstate")"; done
s addresses; ip -4 -o addr show scope global 2>/dev/null
"#,
    first: r#"s resolver; grep -E '^(nameserver|options)' /etc/resolv.conf 2>/dev/null; t 5 resolvectl dns 2>/dev/null
s dns; n=$(awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf 2>/dev/null)
[ -n "$n" ] && command -v bash >/dev/null && t 20 bash -c 'exec 3<>"/dev/udp/$0/53"
printf "\x67\x6f\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01" >&3
dd bs=600 count=1 <&3 2>/dev/null | od -An -t x1 -N 4' "$n" 2>&1
[ -z "$n" ] || command -v bash >/dev/null || { said=$(t 20 nslookup -type=a example.org "$n" 2>&1) && echo nslookup; } ||
  case $said in *NXDOMAIN*) echo nslookup ;; esac
s firewall; nft list ruleset 2>/dev/null
for f in ip_tables_names ip6_tables_names; do for n in $(cat /proc/net/$f 2>/dev/null); do
  if command -v iptables-legacy-save >/dev/null; then
    iptables-legacy-save -t "$n" 2>/dev/null | grep -E '^-A|^:.* (DROP|REJECT)'
  else echo "table $n of iptables is loaded, and no iptables-legacy-save is there to tell its rules"; fi; done; done
"#,
    identity: "",
    #[cfg(test)]
    samples: &samples::SAMPLES,
};

pub(in crate::verify::boot) const DHCP: Rule = Rule {
    id: "network-by-dhcp",
    group: Group::Network,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The network card has an address by DHCP",
    reason: "A cloud assigns addresses by DHCP.",
    page: Some(GUIDE),
    mend: "add the element dhcp-network",
};

pub(in crate::verify::boot) const DNS: Rule = Rule {
    id: "dns-answers",
    group: Group::Network,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The name server from DHCP resolves names",
    reason: "Otherwise the instance reaches no other machine by name.",
    page: None,
    mend: "add the element dhcp-network",
};

pub(in crate::verify::boot) const FIREWALL: Rule = Rule {
    id: "no-firewall-rules",
    group: Group::Network,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "No firewall rule is loaded",
    reason: "The cloud's security groups are the firewall. Users look for a second firewall in the instance last.",
    page: Some(GUIDE),
    mend: "add the element no-firewall",
};

pub(in crate::verify::boot) const SECOND_CARD: Rule = Rule {
    id: "second-network-card",
    group: Group::Network,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "With another network card the network works, under the same interface name",
    reason: "A rebuilt or restored instance has another MAC address.",
    page: Some(GUIDE),
    mend: "add the element net-rules",
};

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
    // Without bash, busybox asks. That there is no such name is an answer too.
    if answers.text("dns") == "nslookup" {
        return DNS.passed(answers.lines("resolver"));
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

fn card(answers: &Answers, mac: &str) -> Option<Card> {
    answers.cards().into_iter().find(|card| card.mac.eq_ignore_ascii_case(mac))
}

fn firewall(answers: &Answers, _: &Expected<'_>) -> Finding {
    FIREWALL.unless(answers.lines("firewall").into_iter().filter(|line| !is_empty_table(line)))
}

fn second_card(first: &Answers, second: &Answers, macs: [&str; 2]) -> Finding {
    let names = [card(first, macs[0]), card(second, macs[1])].map(|card| card.map(|card| card.name));
    let seen = names.iter().map(|name| name.clone().unwrap_or_else(|| "no card".to_owned()));
    let seen = seen.collect::<Vec<_>>().join(", then ");
    let addressed = names[1].as_ref().is_some_and(|name| {
        second.lines("addresses").iter().any(|line| line.contains(&format!("{name} ")) && line.contains("inet "))
    });
    if names[0] == names[1] && addressed {
        SECOND_CARD.passed([seen])
    } else {
        SECOND_CARD.failed([seen, second.text("addresses").to_owned()])
    }
}

#[cfg(test)]
mod samples {
    use super::super::check::Samples;

    pub(super) const SAMPLES: Samples = Samples {
        good: &[
            ("cards", "enp1s0 52:54:00:00:00:01 virtio_net up"),
            (
                "addresses",
                "2: enp1s0    inet 172.16.0.15/5 metric 1024 brd 175.255.255.255 scope global dynamic enp1s0",
            ),
            ("resolver", "nameserver 127.0.0.53"),
            ("dns", " 67 6f 81 80"),
            (
                "firewall",
                "# Warning: table ip filter is managed by iptables-nft\ntable ip filter {\nchain input {\ntype filter hook input priority filter; policy accept;\n}\n}",
            ),
        ],
        bad: &[
            ("addresses", "2: enp1s0 inet 172.16.0.15/5 scope global enp1s0", "network-by-dhcp"),
            ("cards", "enp1s0 52:54:00:00:00:99 virtio_net up", "network-by-dhcp"),
            ("resolver", "", "dns-answers"),
            ("resolver", "options edns0\nGlobal:\nLink 2 (enp1s0):", "dns-answers"),
            ("dns", "", "dns-answers"),
            ("dns", " 67 6f 81 82", "dns-answers"),
            ("firewall", "table inet filter {\nchain input {\ntcp dport 22 accept\n}\n}", "no-firewall-rules"),
            ("firewall", "chain input {\ntype filter hook input priority 0; policy drop;\n}", "no-firewall-rules"),
            (
                "firewall",
                "table filter of iptables is loaded, and no iptables-legacy-save is there to tell its rules",
                "no-firewall-rules",
            ),
        ],
    };
}
