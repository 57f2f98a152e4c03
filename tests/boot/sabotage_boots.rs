//! Every rule about a running image is seen to fail, each with what was seen: a real image is made bad and booted.
//!
//! The image is the file that `GOLDSMITH_TEST_IMAGE` names, made of `recipes/debian-12.yaml`, or is built first.

#![expect(clippy::print_stderr, reason = "the test runner shows it where a test fails")]

mod table;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use goldsmith::disk::qemu_img::QemuImg;
use goldsmith::element::schema::{Booted as Check, Check as AnyCheck};
use goldsmith::event::{Event, Reporter};
use goldsmith::guest::libguestfs::LibguestfsGuest;
use goldsmith::guest::{self, Accel, Guest as _, GuestConfig};
use goldsmith::image::Format;
use goldsmith::image::local::{self, Local};
use goldsmith::inspect;
use goldsmith::interrupt::Interrupt;
use goldsmith::recipe::verify::{BootKind, Datasource, Verify};
use goldsmith::recipe::{Arch, Firmware};
use goldsmith::units::ByteSize;
use goldsmith::verify::boot::{self, Booted, Room, Settings, rules};
use goldsmith::verify::{Outcome, Profile, Subject};
use table::{EXCEPTIONS, Group, PRELUDE, SABOTAGES};

const BIOS: Profile = Profile { boot: BootKind::Bios, metadata: Datasource::ConfigDrive };
const SECURE_BOOT: Profile = Profile { boot: BootKind::SecureBoot, metadata: Datasource::ConfigDrive };

/// Tells what happens where a test fails.
struct Told(Mutex<Vec<String>>);

impl Reporter for Told {
    fn report(&self, event: &Event) {
        let line = match event {
            Event::ActivityFinished { activity, elapsed } => format!("{activity}: {:.0} s", elapsed.as_secs_f64()),
            Event::Detail { message } | Event::Output { line: message } => message.clone(),
            _ => return,
        };
        eprintln!("{line}");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

#[test]
fn every_rule_is_broken_or_has_a_reason() {
    let broken: Vec<&str> = SABOTAGES.iter().map(|sabotage| sabotage.rule).collect();
    let rules: Vec<&str> = rules().map(|rule| rule.id).collect();
    for rule in &rules {
        let times = broken.iter().filter(|broken| *broken == rule).count();
        let excepted = EXCEPTIONS.iter().any(|(exception, reason)| exception == rule && !reason.is_empty());
        assert_eq!(times + usize::from(excepted), 1, "{rule}");
    }
    let also = SABOTAGES.iter().flat_map(|sabotage| sabotage.also.iter().copied());
    let exceptions = EXCEPTIONS.iter().map(|(rule, _)| *rule);
    for name in broken.iter().copied().chain(also).chain(exceptions) {
        assert!(rules.contains(&name) || name.starts_with("web/"), "there is no rule {name}");
    }
}

#[test]
#[ignore = "boots virtual machines"]
fn takes_long_boots_under_sabotage() {
    let work = tempfile::Builder::new().prefix("gold").tempdir().expect("a temporary directory");
    let image = crate::shared::debian_12();
    let groups = [Group::Dead, Group::Silent, Group::Lives];
    let disks = sabotage(work.path(), &image, &groups);
    let mut wrong = Vec::new();
    for (group, disk) in groups.into_iter().zip(&disks) {
        let profiles: &[Profile] = if group == Group::Dead { &[BIOS, SECURE_BOOT] } else { &[BIOS] };
        let booted = boot(work.path(), disk, profiles);
        let all = booted.boots.iter().flat_map(|boot| &boot.findings).chain(&booted.findings);
        let failed: Vec<_> = all.filter(|finding| finding.outcome == Outcome::Failed).collect();
        for finding in &failed {
            eprintln!("{}: {}", finding.id, finding.evidence.join(" | "));
            assert!(!finding.evidence.is_empty(), "{} says nothing", finding.id);
        }
        let here = SABOTAGES.iter().filter(|sabotage| sabotage.group == group);
        let expected: BTreeSet<&str> =
            here.flat_map(|it| std::iter::once(it.rule).chain(it.also.iter().copied())).collect();
        let found: BTreeSet<&str> = failed.iter().map(|finding| finding.id.as_str()).collect();
        let differs: Vec<_> = expected.symmetric_difference(&found).collect();
        if !differs.is_empty() {
            wrong.push(format!("{group:?}: {differs:?}; failed: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Makes an overlay of the image for each group, and makes it bad.
fn sabotage(work: &Path, image: &Path, groups: &[Group]) -> Vec<Local> {
    let started = Instant::now();
    let local = local::prepare(image, &work.join("disk.raw"), &Interrupt::new()).expect("an image");
    let sockets = work.join("s");
    std::fs::create_dir(&sockets).expect("a directory");
    let memory = ByteSize::mebibytes(768);
    let config = GuestConfig { accel: Accel::Tcg, memory, cpus: 2, network: None, emulator: None, socket_dir: sockets };
    let told = Arc::new(Told(Mutex::default()));
    let mut guest = LibguestfsGuest::launch(&config, told, &Interrupt::new()).expect("a guest");
    let disks = groups.iter().map(|group| {
        let path = work.join(format!("{group:?}.qcow2"));
        QemuImg::default().create_overlay(&path, &local.path, local.format, local.size).expect("an overlay");
        guest.attach(&path).expect("attached");
        inspect::open(&mut guest).expect("inspected").inspection.expect("an operating system");
        for sabotage in SABOTAGES.iter().filter(|sabotage| sabotage.group == *group) {
            let script = format!("{PRELUDE}\n{}", sabotage.script);
            let args = ["-eu".to_owned(), "-c".to_owned(), script];
            let command = guest::Command { program: "/bin/sh", args: &args, ..guest::Command::default() };
            let ended = guest.run(&command).expect("it runs");
            assert_eq!(ended.status, 0, "{}: {:?}", sabotage.rule, ended.tail);
        }
        guest.unmount().expect("unmounted");
        Local { path, format: Format::Qcow2, size: local.size }
    });
    let disks = disks.collect();
    Box::new(guest).shutdown().expect("it ends");
    eprintln!("images made bad in {:.0} s", started.elapsed().as_secs_f64());
    disks
}

fn boot(work: &Path, disk: &Local, profiles: &[Profile]) -> Booted {
    let check = |check| ("web".to_owned(), AnyCheck::Booted(check));
    let checks = [
        check(Check::Port(80)),
        check(Check::Command("systemctl is-active --quiet web.service".to_owned())),
        check(Check::Serial("web is up".to_owned())),
    ];
    // Where nobody gets in nobody is asked.
    let checks = if disk.path.ends_with("Lives.qcow2") { &checks[..] } else { &[] };
    let subject = Subject {
        arch: Some("x86_64".to_owned()),
        firmware: vec![Firmware::Bios, Firmware::Uefi],
        secure_boot: true,
        default_user: Some("debian".to_owned()),
        guest_agent: true,
        ..Subject::default()
    };
    let settings = Settings {
        image: &disk.path,
        local: disk,
        // One processor each, so that two run side by side where there are two.
        verify: &Verify { cpus: Some(1), ..Verify::default() },
        profiles,
        checks,
        subject: &subject,
        arch: Arch::X86_64,
        accel: Accel::Tcg,
        relay: &[env!("CARGO_BIN_EXE_goldsmith").to_owned(), "relay".to_owned()],
        work: &work.join("w"),
        sockets: work,
        room: &Room::default(),
        reporter: &(Arc::new(Told(Mutex::default())) as Arc<dyn Reporter>),
        interrupt: &Interrupt::new(),
    };
    boot::boot(&settings).expect("this host can boot it")
}
