//! Boots the image of `recipes/debian-12.yaml`: verified by the program itself, as a cloud would boot it, handed to a real
//! image service, and in the formats of other hypervisors.
//!
//! The image is the one of `crate::shared`.

#![expect(clippy::print_stderr, reason = "the test runner shows it where a test fails")]

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../cloud/cloud.rs"]
mod cloud;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cloud::TestCloud;
use goldsmith::guest::Accel;
use goldsmith::interrupt::Interrupt;
use goldsmith::machine::watch::{Limits, Sign, Watch};
use goldsmith::machine::{Console, Machine, MachineConfig};
use goldsmith::process::capture;
use goldsmith::recipe::Arch;
use goldsmith::recipe::verify::{Board, BootKind, NetworkAccess};
use goldsmith::units::ByteSize;
use goldsmith::verify::boot::rules;
use serde_json::{Value, json};

use crate::record::record;
use crate::reports::Verified;
use crate::verified::Made;

/// How long a machine with one processor may take to a login prompt, beside another one.
const DEADLINE: Duration = Duration::from_secs(400);

/// A build verifies what it has built, and publishes it; an image that is there already is verified by itself.
#[test]
#[ignore = "boots a virtual machine"]
fn boots_under_bios_and_secure_boot() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let (out, cache) = (work.path().join("out"), work.path().join("cache"));
    if std::env::var_os("GOLDSMITH_TEST_IMAGE").is_none() {
        crate::shared::debian_12_cache(&cache);
    }
    let run = |publish: Option<&TestCloud>| {
        let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        match std::env::var_os("GOLDSMITH_TEST_IMAGE") {
            Some(image) => goldsmith.arg("verify").arg(image).args([
                "--boot",
                "bios,secure-boot",
                "--metadata",
                "openstack",
                "--report",
            ]),
            None => goldsmith.arg("build").arg(recipe(work.path())).arg("--cache").arg(&cache).arg("--out"),
        };
        goldsmith.arg(&out);
        if let Some(cloud) = publish {
            // Nothing of the test stays in the home directory.
            goldsmith.arg("--publish").envs(cloud.variables()).env("GOLDSMITH_TOKEN_CACHE", "false");
        }
        goldsmith.output().expect("goldsmith runs")
    };
    let output = run(None);
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    let verified = Verified::new(output, &out);
    verified.assert_passed();
    let report = &verified.report;
    let all = report["findings"].as_array().expect("findings");
    for rule in rules() {
        let found = all.iter().filter(|finding| finding["id"] == rule.id);
        let passed = found.clone().filter(|finding| finding["outcome"] == "passed").count();
        // An isolated machine, or one of a host without name servers, cannot resolve names.
        let known = rule.id == "dns-answers" || passed == found.count();
        assert!(known && (passed > 0 || rule.id == "dns-answers"), "{}", rule.id);
    }
    assert_eq!(report["facts"]["boots"], json!(["bios", "secure-boot"]));
    assert_eq!(report["facts"]["default_user"], "debian");
    for (boot, told) in report["boots"].as_array().expect("boots").iter().zip(["second boot done", "power off"]) {
        let milestones = boot["milestones"].as_array().expect("milestones");
        eprintln!("{}: {milestones:?}", boot["profile"]);
        assert!(milestones.iter().any(|milestone| milestone["name"] == told), "{told}: {milestones:?}");
        assert!(boot["serial"].as_str().is_some_and(|log| log.contains("login:")), "{}", boot["profile"]);
    }
    if std::env::var_os("GOLDSMITH_TEST_IMAGE").is_none() {
        let manifest = std::fs::read(out.join("manifest.json")).expect("a manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        assert_eq!(manifest["facts"], report["facts"]);
        record("debian-12", "Debian 12", Made::Packages, &out.join("manifest.json"), &verified);
        // What has passed is not booted again.
        let cloud = TestCloud::start();
        let again = run(Some(&cloud));
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success(), "{said}{}", String::from_utf8_lossy(&again.stderr));
        assert!(said.contains("verified before") && said.contains("is promoted"), "{said}");
        comes_back(&cloud, &out, work.path());
    }
    for file in ["report.html", "junit.xml"] {
        assert!(std::fs::read(out.join(file)).expect(file).len() > 10_000, "{file}");
    }
}

/// What was published is what was built, to OpenStack's own client.
fn comes_back(cloud: &TestCloud, out: &Path, work: &Path) {
    let (built, back) = (out.join("debian-12.qcow2"), work.join("back"));
    cloud.save("debian-12", &back);
    capture(Command::new("cmp").args([&built, &back])).expect("the same bytes");
    let told = cloud.openstack(&["image", "show", "debian-12"]);
    assert_eq!((&told["tags"], &told["min_disk"]), (&json!(["stable"]), &json!(3)), "{told}");
    for (name, value) in [("os_distro", "debian"), ("os_admin_user", "debian"), ("hw_qemu_guest_agent", "yes")] {
        assert_eq!(told["properties"][name], value, "{told}");
    }
}

/// The recipe, with the metadata service as the way to get metadata: other tests boot with the other ways.
fn recipe(work: &Path) -> PathBuf {
    let text = std::fs::read_to_string("recipes/debian-12.yaml").expect("a recipe");
    let told = text.replace("\nverify: {}\n", "\nverify: { boot: [bios, secure-boot], metadata: [openstack] }\n");
    assert_ne!(text, told, "the recipe says how it is verified");
    let path = work.join("debian-12.yaml");
    std::fs::write(&path, told + "publish: [{ glance: { promote: { tag: stable } } }]\n").expect("a file");
    path
}

/// Every variant of the formats that hypervisors other than QEMU's own read, up to the login prompt.
#[test]
#[ignore = "boots virtual machines, and takes long"]
fn takes_long_boots_under_other_formats() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let image = crate::shared::debian_12();
    let formats = [
        ("stream.vmdk", &[][..], "vmdk"),
        ("sparse.vmdk", &["--subformat", "monolithicSparse"], "vmdk"),
        ("dynamic.vhd", &[], "vpc"),
        ("fixed.vhd", &["--subformat", "fixed"], "vpc"),
        ("old.qcow2", &["--compat", "0.10"], "qcow2"),
    ];
    // Two at once, with a processor each: much of a boot is the work of one.
    for pair in formats.chunks(2) {
        let machines = pair.iter().map(|(name, options, driver)| {
            let dir = work.path().join(name);
            std::fs::create_dir(&dir).expect("a directory");
            let converted = dir.join(name);
            let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
            capture(goldsmith.arg("convert").args(*options).arg(&image).arg(&converted)).expect("it converts");
            (*name, Machine::start(&config(&dir, &converted, driver), &Interrupt::new()).expect("it starts"), dir)
        });
        let mut machines: Vec<_> = machines.collect();
        for (name, machine, dir) in &mut machines {
            login_prompt(name, machine);
            machine.kill();
            std::fs::remove_dir_all(dir).expect("no longer needed");
        }
    }
}

/// A machine of no cloud, on an overlay of a disk.
pub(crate) fn config(dir: &Path, disk: &Path, driver: &str) -> MachineConfig {
    let overlay = dir.join("disk.qcow2");
    let mut qemu_img = Command::new("qemu-img");
    qemu_img.args(["create", "-q", "-f", "qcow2", "-F", driver, "-b"]).arg(disk).arg(&overlay);
    capture(&mut qemu_img).expect("qemu-img makes an overlay");
    MachineConfig {
        accel: Accel::Tcg,
        arch: Arch::X86_64,
        board: Board::Q35,
        boot: BootKind::Bios,
        memory: ByteSize::mebibytes(1024),
        cpus: 1,
        disk: overlay,
        drives: Vec::new(),
        kernel: None,
        disc: None,
        mac: "52:54:00:67:6f:03".to_owned(),
        uuid: "5a8b2c1e-0e0b-4a0a-9a41-52540067f003".to_owned(),
        nova: false,
        network: NetworkAccess::Isolated,
        service: None,
        agent: false,
        work: dir.to_owned(),
        console: Console::Watched,
    }
}

pub(crate) fn login_prompt(name: &str, machine: &mut Machine) {
    let started = Instant::now();
    let mut watch = Watch::new(Limits::default());
    loop {
        let verdict = machine.watch(&mut watch);
        assert_eq!(verdict.trouble, None, "{name}:\n{}", machine.serial().text());
        if let Some(when) = verdict.seen(Sign::LoginPrompt) {
            eprintln!("{name}: a login prompt {:.0} s after power-on", when.as_secs_f64());
            return;
        }
        assert!(started.elapsed() < DEADLINE, "{name} shows no login prompt:\n{}", machine.serial().text());
        std::thread::sleep(Duration::from_millis(500));
    }
}
