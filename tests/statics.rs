//! A real image keeps all static rules. The image is the file that `GOLDSMITH_TEST_IMAGE` names, made of
//! `recipes/debian-12.yaml`, or is built first.

#![expect(clippy::print_stderr, reason = "the test runner shows it where a test fails")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use goldsmith::disk::qemu_img::QemuImg;
use goldsmith::event::{Event, Reporter};
use goldsmith::guest::libguestfs::LibguestfsGuest;
use goldsmith::guest::{Accel, Guest as _, GuestConfig};
use goldsmith::image::Format;
use goldsmith::interrupt::Interrupt;
use goldsmith::process::capture;
use goldsmith::units::ByteSize;
use goldsmith::verify::statics::{self, Seen};
use goldsmith::verify::{Finding, Outcome};

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: &Event) {}
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_real_image_keeps_all_rules() {
    let work = tempfile::Builder::new().prefix("gold").tempdir().expect("a temporary directory");
    let image = std::env::var_os("GOLDSMITH_TEST_IMAGE").map_or_else(|| build(work.path()), PathBuf::from);
    let (overlay, sockets) = (work.path().join("overlay.qcow2"), work.path().join("s"));
    std::fs::create_dir(&sockets).expect("a directory");
    QemuImg::default().create_overlay(&overlay, &image, Format::Qcow2, 3 << 30).expect("an overlay");
    let config = GuestConfig {
        accel: Accel::Tcg,
        memory: ByteSize::mebibytes(768),
        cpus: 2,
        network: false,
        socket_dir: sockets,
    };
    let mut guest = LibguestfsGuest::launch(&config, Arc::new(Silent), &Interrupt::new()).expect("a guest");
    guest.attach(&overlay).expect("attached");
    let started = Instant::now();
    let found = statics::examine_attached(&mut guest, &[]).expect("examined");
    eprintln!("inspected, mounted and examined in {:.1} s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    let again = statics::examine(&mut guest, &Seen { arch: Some("x86_64"), ..Seen::default() }).expect("examined");
    eprintln!("examined once more in {:.1} s", started.elapsed().as_secs_f64());
    assert_eq!(again.findings, found.findings);
    let bad: Vec<&Finding> = found.findings.iter().filter(|finding| finding.outcome != Outcome::Passed).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(found.findings.len(), statics::RULES.len());
    let subject = &found.subject;
    assert_eq!((subject.distro.as_deref(), subject.version.as_deref()), (Some("debian"), Some("12")));
    assert_eq!(subject.default_user.as_deref(), Some("debian"));
    assert!(subject.secure_boot && subject.guest_agent && subject.firmware.len() == 2, "{subject:?}");
    assert!(found.packages.iter().any(|package| package.name == "cloud-init"));
    assert!(found.usage.len() > 5 && found.usage[0].bytes > 10 << 20, "{:?}", found.usage);
}

/// Builds the image with the cache of the machine and returns its qcow2 file.
fn build(work: &Path) -> PathBuf {
    let out = work.join("out");
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "recipes/debian-12.yaml", "--out"]).arg(&out);
    capture(&mut goldsmith).unwrap_or_else(|error| panic!("{error}"));
    out.join("debian-12.qcow2")
}
