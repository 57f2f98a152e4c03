//! Each static rule, and each static check of an element, fails on a real image to which somebody has done what it
//! is against; and only that fails.
//!
//! The image is the file that `GOLDSMITH_TEST_IMAGE` names, made of `recipes/debian-12.yaml`, or is built first. Rows that have
//! nothing to do with each other are done together, since to look takes seconds; all is taken back in between.

#![expect(clippy::print_stderr, reason = "the test runner shows it where a test fails")]

pub(crate) mod disk_guest;
pub(crate) mod hand;
pub(crate) mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use disk_guest::{DiskGuest, empty_disk, logical_volume};
use goldsmith::element::schema::{Check, check_ids};
use goldsmith::guest::Guest as _;
use goldsmith::guest::libguestfs::LibguestfsGuest;
use goldsmith::recipe::{self, Arch, LoadOptions};
use goldsmith::verify::statics::{self, Seen};
use goldsmith::verify::{Examination, Finding, Outcome};
use hand::Hand;
use rows::{OF_DISKS, Row, rows};

/// Size of the image's disk.
pub(crate) const DISK: u64 = 3 << 30;

/// Rows that are done together.
const TOGETHER: usize = 8;

/// Checks of the recipe's elements, all of them.
pub(crate) fn checks() -> Vec<(String, Check)> {
    let options = LoadOptions::new(Arch::X86_64);
    let loaded = recipe::load(Path::new("recipes/debian-12.yaml"), &options, None).expect("the recipe is good");
    loaded.composition.expect("its distribution is known").checks
}

/// Names of the checks that are judged by looking.
fn static_checks() -> BTreeSet<String> {
    let checks = checks();
    let named = check_ids(&checks).into_iter().zip(&checks);
    named.filter(|(_, (_, check))| !matches!(check, Check::Booted(_))).map(|(id, _)| id).collect()
}

#[test]
fn no_rule_is_without_a_row() {
    let rows = rows();
    let named: BTreeSet<_> = rows.iter().map(|row| row.id).chain(OF_DISKS.iter().copied()).collect();
    let rules: BTreeSet<_> = statics::rules().map(|rule| rule.id).collect();
    let missing: Vec<_> = rules.difference(&named).collect();
    assert!(missing.is_empty(), "add a row that breaks {missing:?}");
    let checks = static_checks();
    let all = || rows.iter().flat_map(|row| row.also.iter().chain([&row.id])).copied();
    let missing: Vec<_> = checks.iter().filter(|check| !all().any(|id| id == *check)).collect();
    assert!(missing.is_empty(), "add a row that breaks {missing:?}");
    let unknown: Vec<_> =
        all().chain(OF_DISKS.iter().copied()).filter(|id| !rules.contains(id) && !checks.contains(*id)).collect();
    assert!(unknown.is_empty(), "there is no rule or check of these names: {unknown:?}");
}

/// Rows that neither change the same file nor fail the same rule, together.
fn batches() -> Vec<Vec<Row>> {
    let mut batches: Vec<Vec<Row>> = Vec::new();
    for row in rows() {
        let ids = |row: &Row| row.also.iter().chain([&row.id]).copied().collect::<BTreeSet<_>>();
        // Programs of UEFI start each other: what is done to one changes what is told of another.
        let place = |path: &'static str| if path.starts_with("/boot/efi/") { "/boot/efi" } else { path };
        let paths = |row: &Row| row.deeds.iter().map(|deed| place(deed.path())).collect::<BTreeSet<_>>();
        let apart = |other: &Row| ids(other).is_disjoint(&ids(&row)) && paths(other).is_disjoint(&paths(&row));
        match batches.iter_mut().find(|batch| batch.len() < TOGETHER && batch.iter().all(apart)) {
            Some(batch) => batch.push(row),
            None => batches.push(vec![row]),
        }
    }
    batches
}

fn failures(found: &Examination) -> BTreeMap<&str, &Finding> {
    let failed = found.findings.iter().filter(|finding| finding.outcome == Outcome::Failed);
    failed.map(|finding| (finding.id.as_str(), finding)).collect()
}

/// What is against an examination: rules that have not seen what was done, and others that have failed.
fn against(found: &Examination, batch: &[Row]) -> Vec<String> {
    let failed = failures(found);
    let mut against = Vec::new();
    for row in batch {
        match failed.get(row.id) {
            None => against.push(format!("{} does not see {:?}", row.id, row.deeds)),
            Some(finding) if !finding.evidence.iter().any(|line| line.contains(row.seen)) => {
                against.push(format!("{} does not tell {:?}: {:?}", row.id, row.seen, finding.evidence));
            }
            Some(_) => {}
        }
        let silent = row.also.iter().filter(|id| !failed.contains_key(*id));
        against.extend(silent.map(|id| format!("{id} should fail too of {:?}", row.deeds)));
    }
    let expected: BTreeSet<_> = batch.iter().flat_map(|row| row.also.iter().chain([&row.id])).copied().collect();
    let others = failed.values().filter(|finding| !expected.contains(finding.id.as_str()));
    let names: Vec<_> = batch.iter().map(|row| row.id).collect();
    against.extend(others.map(|it| format!("{} fails with {names:?}: {:?}", it.id, it.evidence)));
    against
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_real_image_keeps_all_rules_until_somebody_breaks_them() {
    let disk_guest = DiskGuest::new();
    let mut guest = disk_guest.launch();
    disk_guest.tell("launched");
    disk_guest.attach(&mut guest, "image.qcow2", DISK);
    let checks = checks();
    let found = statics::examine_attached(&mut guest, &checks).expect("examined");
    disk_guest.tell("examined");
    is_good(&found);

    let seen = Seen { arch: Some("x86_64"), packages: None, checks: &checks };
    let kernel = guest.glob("/boot/vmlinuz-*").expect("a kernel").pop().expect("a kernel");
    let release = kernel.trim_start_matches("/boot/vmlinuz-").to_owned();
    let devices = guest.devices().expect("devices");
    let root = devices.file_systems.iter().find(|held| held.mounted_at.as_deref() == Some("/")).expect("a root");
    let mut hand = Hand::new(&mut guest, &release, root.uuid.as_deref().expect("its UUID"));
    let mut bad = Vec::new();
    for batch in batches() {
        batch.iter().flat_map(|row| row.deeds).for_each(|deed| hand.does(deed));
        let found = statics::examine(hand.guest, &seen).expect("examined");
        bad.extend(against(&found, &batch));
        hand.undoes();
        disk_guest.tell(&batch.iter().map(|row| row.id).collect::<Vec<_>>().join(", "));
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    let again = statics::examine(&mut guest, &seen).expect("examined");
    assert_eq!(again.findings, found.findings, "all was taken back");
    disk_guest.tell("examined again");
    disks_are_broken(&disk_guest, &mut guest, &checks);
}

/// What is missing where nothing was added, and what to do about it.
#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_base_without_elements_is_told_what_to_add() {
    let disk_guest = DiskGuest::of(
        "name: bare\nbase: { bootstrap: { distro: debian, release: bookworm } }\n\
         disk: { size: 2GiB, layout: bios+uefi }\noutputs: [{ format: qcow2 }]\n",
        "bare",
    );
    let mut guest = disk_guest.launch();
    disk_guest.attach(&mut guest, "image.qcow2", 2 << 30);
    let found = statics::examine_attached(&mut guest, &[]).expect("examined");
    disk_guest.tell("examined");
    let failed = found.findings.iter().filter(|finding| finding.outcome == Outcome::Failed);
    let told = failed.map(|it| format!("{:?} {}: {}\n    {}", it.severity, it.id, it.evidence.join("; "), it.mend));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}

fn is_good(found: &Examination) {
    let bad: Vec<_> = found.findings.iter().filter(|finding| finding.outcome != Outcome::Passed).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(found.findings.len(), statics::rules().count() + static_checks().len());
    let subject = &found.subject;
    assert_eq!((subject.distro.as_deref(), subject.version.as_deref()), (Some("debian"), Some("12")));
    assert_eq!(subject.default_user.as_deref(), Some("debian"));
    assert!(subject.secure_boot && subject.guest_agent && subject.firmware.len() == 2, "{subject:?}");
    assert!(found.packages.iter().any(|package| package.name == "cloud-init"));
    assert!(found.usage.len() > 5 && found.usage[0].bytes > 10 << 20, "{:?}", found.usage);
}

/// Fails rules by what the disk is, not by what is on it.
fn disks_are_broken(disk_guest: &DiskGuest, guest: &mut LibguestfsGuest, checks: &[(String, Check)]) {
    // The file was made longer with `qemu-img resize`.
    guest.unmount().expect("unmounted");
    disk_guest.attach(guest, "longer.qcow2", DISK + (1 << 30));
    let found = statics::examine_attached(guest, checks).expect("examined");
    fails_only(&found, &[("partition-table", "the disk ends with sector"), ("root-fills", "partition 3 ends")]);
    disk_guest.tell("a longer disk");

    // Somebody has put a partition for data there, and restored a backup of the first sector without its code.
    let disk = guest.disk_device().expect("a disk");
    let mut hand = Hand::new(guest, "", "");
    hand.run(&format!(
        "sfdisk --quiet --relocate gpt-bak-std {disk}; \
         echo 'size=500MiB' | sfdisk --quiet --no-reread --force --append {disk}; \
         dd if=/dev/zero of={disk} bs=440 count=1 conv=notrunc status=none; sync"
    ));
    let seen = Seen { arch: Some("x86_64"), packages: None, checks };
    let found = statics::examine(guest, &seen).expect("examined");
    fails_only(
        &found,
        &[
            ("root-last", "partition 4 lies behind partition 3"),
            ("bios-loader", "no code in the first sector"),
            ("root-fills", "before the end of the disk"),
        ],
    );
    disk_guest.tell("a partition behind the root");

    // The root is a logical volume. It is no whole system: other rules fail too.
    guest.unmount().expect("unmounted");
    let volume = empty_disk(disk_guest.work.path(), "volume");
    guest.attach(&volume).expect("attached");
    logical_volume(guest);
    guest.attach(&volume).expect("attached again");
    let found = statics::examine_attached(guest, &[]).expect("examined");
    let failed = failures(&found);
    let plain = failed.get("root-plain").unwrap_or_else(|| panic!("it does not see it: {:#?}", found.findings));
    assert!(plain.evidence.iter().any(|line| line.contains("/dev/")), "{plain:?}");
    disk_guest.tell("a logical volume");

    guest.unmount().expect("unmounted");
    guest.attach(&empty_disk(disk_guest.work.path(), "empty")).expect("attached");
    let found = statics::examine_attached(guest, checks).expect("examined");
    fails_only(&found, &[("operating-system", "it has no partition table")]);
    assert!(found.findings[1..].iter().all(|finding| finding.outcome == Outcome::Skipped));
    disk_guest.tell("an empty disk");
}

fn fails_only(found: &Examination, expected: &[(&str, &str)]) {
    let failed = failures(found);
    let named: Vec<_> = failed.keys().copied().collect();
    let mut ids: Vec<_> = expected.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    assert_eq!(named, ids, "{failed:#?}");
    for (id, seen) in expected {
        assert!(failed[id].evidence.iter().any(|line| line.contains(seen)), "{seen}: {:?}", failed[id]);
    }
}
