//! Tests of the judges: each changes one answer, and expects the rule that it breaks.

use super::*;
use crate::verify::Outcome;

const GOOD: &[(&str, &str)] = &[
    ("user", "debian\n0"),
    ("state", "running"),
    ("failed", ""),
    ("hostname", "gold-1"),
    ("boot-id", "one"),
    ("secure-boot", "1"),
    ("datasource", r#"{"v1": {"datasource": "DataSourceConfigDrive [net,ver=2]", "errors": []}}"#),
    ("warnings", ""),
    ("script", "mark"),
    ("cloud-config", "mark"),
    (
        "root",
        "/dev/vda3\ndevice 10278912\npart 206848 10278912\ndisk 10485760 vda\nfs 5000000 4000000\ndriver virtio_blk",
    ),
    ("cards", "enp1s0 52:54:00:00:00:01 virtio_net up"),
    ("addresses", "2: enp1s0    inet 172.16.0.15/5 metric 1024 brd 175.255.255.255 scope global dynamic enp1s0"),
    ("resolver", "nameserver 127.0.0.53"),
    ("dns", " 67 6f 81 80"),
    ("sockets", "tcp 0: 00000000:0016 00000000:0000 0A\nudp 0: 0F0010AC:0044 00000000:0000 07"),
    (
        "firewall",
        "# Warning: table ip filter is managed by iptables-nft\ntable ip filter {\nchain input {\ntype filter hook input priority filter; policy accept;\n}\n}",
    ),
    ("time-sync", "chrony"),
    ("machine-id", "abc"),
    ("host-keys", "ssh-ed25519 AAAA"),
    ("seeds", "123 /var/lib/systemd/random-seed"),
    ("command-0", "status 0\nfine"),
    ("now", "1000"),
];

/// Returns good answers, with some of them replaced.
fn answers(changed: &[(&str, &str)]) -> Answers {
    let mut text = String::new();
    for (name, answer) in GOOD {
        let answer = changed.iter().find(|(other, _)| other == name).map_or(*answer, |(_, answer)| *answer);
        text.push_str(&format!("@@ {name}\n{answer}\n"));
    }
    Answers::parse("@@", &format!("{text}@@ end\n")).expect("an end")
}

fn broken(changed: &[(&str, &str)]) -> Vec<String> {
    let expected = Expected {
        boot: BootKind::SecureBoot,
        metadata: Datasource::ConfigDrive,
        network: NetworkAccess::User,
        hostname: "gold-1",
        mac: "52:54:00:00:00:01",
        mark: "mark",
        listen: &[],
        now: 1000.0,
        host_resolves: true,
    };
    let findings = first_boot(&answers(changed), &expected);
    findings.into_iter().filter(|f| f.outcome != Outcome::Passed).map(|finding| finding.id).collect()
}

#[test]
fn each_answer_breaks_its_own_rule() {
    assert_eq!(broken(&[]), Vec::<String>::new());
    for (name, answer, rule) in [
        ("user", "debian\n1000", "user-is-root"),
        ("hostname", "localhost", "hostname-from-metadata"),
        ("secure-boot", "0", "secure-boot-on"),
        ("datasource", r#"{"v1": {"datasource": "DataSourceNone"}}"#, "metadata-source"),
        ("datasource", "", "metadata-source"),
        ("script", "", "user-data-script"),
        ("cloud-config", "old mark", "user-data-cloud-config"),
        ("warnings", "WARNING: no key", "first-boot-clean"),
        (
            "root",
            "/dev/vda3\ndevice 4096000\npart 206848 4096000\ndisk 10485760 vda\nfs 2000000 1\ndriver virtio_blk",
            "root-fills-disk",
        ),
        (
            "root",
            "/dev/vda3\ndevice 10278912\npart 206848 10278912\ndisk 10485760 vda\nfs 2000000 1\ndriver virtio_blk",
            "root-fills-disk",
        ),
        // The partition has grown, and no volume has taken the room.
        (
            "root",
            "/dev/dm-0\ndevice 4096000\nheld 4104192 10278912\npart 206848 10278912\ndisk 10485760 vda\nfs 2000000 1\ndriver virtio_blk",
            "root-fills-disk",
        ),
        (
            "root",
            "/dev/sda3\ndevice 10278912\npart 206848 10278912\ndisk 10485760 sda\nfs 5000000 4000000\ndriver ahci",
            "virtio-in-use",
        ),
        ("addresses", "2: enp1s0 inet 172.16.0.15/5 scope global enp1s0", "network-by-dhcp"),
        ("cards", "enp1s0 52:54:00:00:00:99 virtio_net up", "network-by-dhcp"),
        ("resolver", "", "dns-answers"),
        ("resolver", "options edns0\nGlobal:\nLink 2 (enp1s0):", "dns-answers"),
        ("dns", "", "dns-answers"),
        ("dns", " 67 6f 81 82", "dns-answers"),
        ("sockets", "tcp 0: 00000000:0050 00000000:0000 0A", "no-undeclared-service"),
        ("firewall", "table inet filter {\nchain input {\ntcp dport 22 accept\n}\n}", "no-firewall-rules"),
        ("firewall", "chain input {\ntype filter hook input priority 0; policy drop;\n}", "no-firewall-rules"),
        (
            "firewall",
            "table filter of iptables is loaded, and no iptables-legacy-save is there to tell its rules",
            "no-firewall-rules",
        ),
        ("failed", "rsyslog.service: it broke", "no-failed-unit"),
        ("now", "4600", "clock"),
        ("time-sync", "", "time-sync"),
    ] {
        assert_eq!(broken(&[(name, answer)]), [rule], "{name}: {answer}");
    }
}

#[test]
fn a_root_on_a_volume_beside_others_fills_the_disk() {
    let root = "/dev/dm-0\ndevice 4096000\nheld 10270720 10278912\npart 206848 10278912\ndisk 10485760 vda\nfs 2000000 1\n\
        driver virtio_blk";
    assert_eq!(broken(&[("root", root)]), Vec::<String>::new());
}

#[test]
fn a_second_boot_is_compared_with_the_first() {
    let first = answers(&[]);
    let macs = ["52:54:00:00:00:01", "52:54:00:00:00:02"];
    let good = ("cards", "enp1s0 52:54:00:00:00:02 virtio_net up");
    let broken = |changed: &[(&str, &str)]| -> Vec<String> {
        let findings = second_boot(&first, &answers(changed), macs);
        findings.into_iter().filter(|f| f.outcome == Outcome::Failed).map(|finding| finding.id).collect()
    };
    assert_eq!(broken(&[good, ("boot-id", "two")]), Vec::<String>::new());
    assert_eq!(broken(&[good]), ["reboots"]);
    assert_eq!(
        broken(&[("cards", "eth1 52:54:00:00:00:02 virtio_net up"), ("boot-id", "two")]),
        ["second-network-card"]
    );
    assert_eq!(broken(&[good, ("boot-id", "two"), ("addresses", "")]), ["second-network-card"]);
    assert_eq!(broken(&[good, ("boot-id", "two"), ("machine-id", "def")]), ["identity-stays"]);
}

#[test]
fn a_unit_that_failed_before_is_not_told_of_the_reboot_too() {
    let first = answers(&[("failed", "old.service: it broke")]);
    let of_second = |failed: &str| {
        let second = answers(&[("failed", failed), ("boot-id", "two")]);
        second_boot(&first, &second, ["52:54:00:00:00:01"; 2]).swap_remove(0)
    };
    assert_eq!(of_second("old.service: in other words").outcome, Outcome::Passed);
    let found = of_second("new.service:\nold.service: it broke");
    assert_eq!((found.outcome, found.evidence), (Outcome::Failed, vec!["new.service:".to_owned()]));
}

#[test]
fn a_first_boot_without_an_end_is_none() {
    let found = |finished: &str| {
        let answers = Answers::parse("@@", &format!("@@ finished\n{finished}\n@@ end\n")).expect("an end");
        boots(&answers, Duration::from_secs(600))
    };
    for finished in ["yes", ""] {
        assert_eq!(found(finished).outcome, Outcome::Passed, "{finished}");
    }
    let never = found("no\n142 cloud-final.service start running");
    assert_eq!(never.outcome, Outcome::Failed);
    assert_eq!(never.evidence[1], "142 cloud-final.service start running");
}

#[test]
fn instances_that_share_a_secret_are_found() {
    let one = || ("bios".to_owned(), answers(&[]));
    let other = |seeds: &str, keys: &str, id: &str| {
        ("uefi".to_owned(), answers(&[("seeds", seeds), ("host-keys", keys), ("machine-id", id)]))
    };
    let outcome = |other| instances(&[one(), other]).outcome;
    assert_eq!(outcome(other("9 x", "ssh-ed25519 B", "def")), Outcome::Passed);
    assert_eq!(outcome(other("9 x", "ssh-ed25519 AAAA", "def")), Outcome::Failed);
    assert_eq!(outcome(other("123 /var/lib/systemd/random-seed", "B", "def")), Outcome::Failed);
    assert_eq!(outcome(other("9 x", "ssh-ed25519 B", "abc")), Outcome::Failed);
    assert_eq!(instances(&[one()]).outcome, Outcome::Skipped);
}

#[test]
fn checks_of_elements_are_numbered_with_those_that_are_static() {
    let checks = [
        ("a".to_owned(), Check::PathExists("/etc".to_owned())),
        ("a".to_owned(), Check::Booted(Booted::Command("true".to_owned()))),
        ("a".to_owned(), Check::Booted(Booted::Port(22))),
        ("b".to_owned(), Check::Booted(Booted::Serial("log[a-z]*:".to_owned()))),
        ("b".to_owned(), Check::Booted(Booted::Command("false".to_owned()))),
    ];
    assert_eq!(commands(&checks), ["true", "false"]);
    let findings = elements(&checks, &answers(&[]), "kernel\ngold login: \n");
    let told: Vec<_> = findings.iter().map(|f| format!("{} {:?}", f.id, f.outcome)).collect();
    assert_eq!(told, ["a/2 Passed", "a/3 Passed", "b/1 Passed", "b/2 Failed"]);
}
