//! Tests of the judges: each changes one answer, and expects the rule that it breaks. Each file of rules has its answers.

use super::*;
use crate::recipe::verify::{Datasource, NetworkAccess};
use crate::verify::Outcome;

/// Returns good answers, with some of them replaced.
fn answers(changed: &[(&str, &str)]) -> Answers {
    let mut text = String::new();
    for (name, answer) in SUBJECTS.iter().flat_map(|subject| subject.samples.good) {
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
    for (name, answer, rule) in SUBJECTS.iter().flat_map(|subject| subject.samples.bad) {
        assert_eq!(broken(&[(name, answer)]), [*rule], "{name}: {answer}");
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
fn openrc_and_busybox_answer_too() {
    let openrc = [("state", ""), ("openrc", "networking\nsshd")];
    assert_eq!(broken(&openrc), Vec::<String>::new());
    assert_eq!(broken(&[openrc[0], openrc[1], ("failed", "sshd: OpenRC could not start it")]), ["no-failed-unit"]);
    assert_eq!(broken(&openrc[..1]), ["no-failed-unit"], "nobody could tell");
    assert_eq!(broken(&[("dns", "nslookup")]), Vec::<String>::new());
    let without = ("agent", "/usr/local/sbin/metadata-ssh-key");
    assert_eq!(
        broken(&[without, ("datasource", ""), ("script", ""), ("cloud-config", "")]),
        ["metadata-source", "user-data-script", "user-data-cloud-config", "first-boot-clean"],
        "they are skipped"
    );
}

#[test]
fn instances_that_share_a_secret_are_found() {
    let one = || ("bios".to_owned(), answers(&[]));
    let other = |seeds: &str, keys: &str, id: &str| {
        ("uefi".to_owned(), answers(&[("seeds", seeds), ("host-keys", keys), ("machine-id", id)]))
    };
    let outcome = |other| identity::instances(&[one(), other]).outcome;
    assert_eq!(outcome(other("9 x", "ssh-ed25519 B", "def")), Outcome::Passed);
    assert_eq!(outcome(other("9 x", "ssh-ed25519 AAAA", "def")), Outcome::Failed);
    assert_eq!(outcome(other("123 /var/lib/systemd/random-seed", "B", "def")), Outcome::Failed);
    assert_eq!(outcome(other("9 x", "ssh-ed25519 B", "abc")), Outcome::Failed);
    assert_eq!(identity::instances(&[one()]).outcome, Outcome::Skipped);
}

#[test]
fn every_judge_of_a_first_boot_has_an_answer_that_breaks_its_rule() {
    let bad: Vec<_> = SUBJECTS.iter().flat_map(|subject| subject.samples.bad).map(|(_, _, rule)| *rule).collect();
    for check in checks() {
        let by_answers = matches!(check.judge, Judge::First(_) | Judge::UnderSecureBoot(_));
        assert_eq!(bad.contains(&check.rule.id), by_answers, "{}", check.rule.id);
    }
}

#[test]
fn ids_are_unique_words() {
    let mut ids: Vec<_> = rules().map(|rule| rule.id).collect();
    assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rules().count());
}

#[test]
fn reasons_are_sentences_and_the_rest_is_not() {
    for rule in rules() {
        assert!(rule.reason.ends_with('.'), "{}", rule.id);
        assert!(!rule.sentence.ends_with('.') && !rule.mend.ends_with('.'), "{}", rule.id);
    }
}
