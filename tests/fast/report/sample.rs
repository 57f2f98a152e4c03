//! A report with something of everything.

use std::collections::BTreeMap;

use goldsmith::base::Package;
use goldsmith::recipe::Firmware;
use goldsmith::recipe::verify::{BootKind, Datasource};
use goldsmith::verify::report::{BuildInfo, Layers, Work};
use goldsmith::verify::{
    Boot, Finding, Group, ImageFacts, Milestone, Profile, Report, Rule, Severity, Stage, Subject, Usage,
};

const GUIDE: &str = "https://docs.openstack.org/image-guide/openstack-images.html";

const fn rule(
    id: &'static str,
    group: Group,
    stage: Stage,
    severity: Severity,
    sentence: &'static str,
    mend: &'static str,
) -> Rule {
    Rule {
        id,
        group,
        stage,
        severity,
        sentence,
        reason: "Instances are started with disks and networks of their own.",
        page: Some(GUIDE),
        mend,
    }
}

const ROOT_LAST: Rule = rule(
    "root-last",
    Group::Disk,
    Stage::Static,
    Severity::Error,
    "The root partition is the last one",
    "add the element growpart",
);
const CACHES: Rule = rule(
    "caches",
    Group::Hygiene,
    Stage::Static,
    Severity::Warning,
    "Nothing is left of package managers",
    "add the element sysprep",
);
const DHCP: Rule = rule(
    "dhcp",
    Group::Network,
    Stage::Static,
    Severity::Error,
    "Every network card is configured by DHCP",
    "add the element dhcp-network",
);
const CONSOLE: Rule = rule(
    "console",
    Group::Boot,
    Stage::Static,
    Severity::Error,
    "The kernel logs to the first serial port",
    "add the element serial-console",
);
const LOGIN: Rule = rule(
    "login",
    Group::Access,
    Stage::Booted,
    Severity::Error,
    "The key of the metadata logs in",
    "add the elements cloud-init and sshd",
);
const GROWN: Rule = rule(
    "grown",
    Group::Disk,
    Stage::Booted,
    Severity::Error,
    "The root file system fills the disk",
    "add the element growpart",
);

/// A picture of four by two points.
const PNG: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 4, 0, 0, 0, 2, 8, 2, 0, 0, 0, 240, 202, 234,
    52, 0, 0, 0, 18, 73, 68, 65, 84, 120, 156, 99, 16, 80, 8, 64, 160, 0, 5, 6, 52, 62, 0, 118, 104, 7, 41, 43, 15,
    134, 25, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
];

fn boot(kind: BootKind, seconds: [f64; 4]) -> Boot {
    let profile = Profile { boot: kind, metadata: Datasource::ConfigDrive };
    let mut findings = vec![
        LOGIN.failed(["Permission denied (publickey)", "tried as debian, after 41 s"]),
        GROWN.passed(["/dev/vda3: 4.9 GiB of 5 GiB"]),
    ];
    findings.iter_mut().for_each(|finding: &mut Finding| finding.profile = Some(profile.to_string()));
    let names = ["kernel", "login prompt", "first boot done", "power off"];
    let milestones = names.iter().zip(seconds).map(|(name, seconds)| Milestone { name: (*name).to_owned(), seconds });
    Boot {
        profile,
        findings,
        milestones: milestones.collect(),
        serial: "[    0.000000] Linux version 6.1.0-41-cloud-amd64 (debian-kernel@lists.debian.org)\n\
            [    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz-6.1.0-41-cloud-amd64 root=UUID=5f3f3c1e-0d1d-4f5e-a2b8-1f6f0f6f9a51 ro console=tty0 console=ttyS0,115200n8\n\
            <script>alert(1)</script>\n\ndebian login: \n"
            .to_owned(),
        screenshot: Some(PNG.to_vec()),
    }
}

pub(crate) fn report() -> Report {
    let boots = vec![boot(BootKind::Bios, [5.2, 35.4, 44.9, 58.0]), boot(BootKind::Uefi, [9.8, 41.0, 52.3, 66.6])];
    let mut findings = vec![
        ROOT_LAST.failed(["partition 2 of 3 holds /"]),
        CONSOLE.passed(["console=tty0 console=ttyS0,115200n8"]),
        Finding {
            accepted: Some("the lab has no other network".to_owned()),
            ..DHCP.failed(["/etc/network/interfaces: iface ens3 inet static"])
        },
        CACHES.failed(["/var/cache/apt/archives: 12 files", "/var/lib/apt/lists: 34 files"]),
        Rule { id: "firewall", sentence: "No firewall of the image's own runs", ..DHCP }.passed::<&str>([]),
        Rule { id: "lvm", sentence: "The root file system is on no logical volume", ..ROOT_LAST }
            .skipped("no root file system was found"),
    ];
    findings.extend(boots.iter().flat_map(|boot| boot.findings.clone()));
    let subject = Subject {
        distro: Some("debian".to_owned()),
        product: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
        version: Some("12".to_owned()),
        arch: Some("x86_64".to_owned()),
        firmware: vec![Firmware::Bios, Firmware::Uefi],
        secure_boot: true,
        default_user: Some("debian".to_owned()),
        guest_agent: false,
    };
    let usage = [
        ("/usr/lib/modules", 92_300_000),
        ("/usr/lib/x86_64-linux-gnu", 81_100_000),
        ("/usr/share/locale", 30_500_000),
        ("/boot", 28_000_000),
        ("/var/lib/dpkg", 9_000_000),
    ];
    let package = |name: &str, version: &str| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        arch: "amd64".to_owned(),
    };
    Report {
        name: "debian-12".to_owned(),
        image: "debian-12.qcow2".to_owned(),
        sha256: Some("90b54a7161c13fb9f51f14db25b8c4931cd7e0eb5a6f9c6824dee16f1fc4f82b".to_owned()),
        findings,
        boots,
        facts: ImageFacts {
            subject,
            boots: vec![BootKind::Bios, BootKind::Uefi],
            boot_seconds: Some(44.9),
            min_disk_gib: Some(3),
            min_ram_mib: Some(192),
            measured: true,
            agent_answers: None,
            accel: Some("tcg".to_owned()),
        },
        usage: usage.iter().map(|(path, bytes)| Usage { path: (*path).to_owned(), bytes: *bytes }).collect(),
        packages: vec![package("adduser", "3.134"), package("apt", "2.6.1")],
    }
}

/// An image of which nothing is wrong.
pub(crate) fn good() -> Report {
    Report { findings: vec![CONSOLE.passed(["console=ttyS0"])], boots: Vec::new(), ..report() }
}

pub(crate) fn build() -> BuildInfo {
    let work = |name: &str, started: f64, seconds: f64, cached: bool| Work {
        name: name.to_owned(),
        started: Some(started),
        seconds,
        cached,
        remote: false,
    };
    BuildInfo {
        recipe: "debian-12.yaml".to_owned(),
        description: Some("Debian 12 (bookworm) cloud image for BIOS and UEFI".to_owned()),
        base: "debian bookworm, bootstrapped".to_owned(),
        created: "2026-11-21T12:29:05Z".to_owned(),
        tools: BTreeMap::from([
            ("goldsmith".to_owned(), "0.1.0".to_owned()),
            ("libguestfs".to_owned(), "1.48.6".to_owned()),
        ]),
        work: vec![
            work("base debian bookworm", 0.0, 39.189, true),
            work("start the guest", 0.1, 9.6, false),
            work("install bootloader", 9.7, 3.1, false),
            work("configure cloud-init", 12.8, 0.4, false),
            work("finish bootloader", 13.2, 17.9, false),
            work("clean sysprep", 31.1, 1.2, false),
            work("export debian-12.qcow2", 32.4, 2.7, false),
        ],
        layers: Some(Layers { made: 4, cache: 1, remote: 0 }),
        artifacts: serde_json::from_value(serde_json::json!([{
            "file": "debian-12.qcow2", "format": "qcow2", "compression": "zstd", "size": 222_167_040,
            "sha256": "90b54a7161c13fb9f51f14db25b8c4931cd7e0eb5a6f9c6824dee16f1fc4f82b",
        }]))
        .expect("an artifact"),
    }
}

/// The report with this text wherever the image or its makers have a say.
pub(crate) fn hostile(text: &str) -> Report {
    let mut report = report();
    let own = || text.to_owned();
    report.name = own();
    report.image = own();
    report.sha256 = Some(own());
    for finding in report.findings.iter_mut().chain(report.boots.iter_mut().flat_map(|boot| &mut boot.findings)) {
        (finding.id, finding.sentence, finding.reason, finding.mend) = (own(), own(), own(), own());
        finding.evidence = vec![own()];
        finding.accepted = finding.accepted.as_ref().map(|_| own());
    }
    for boot in &mut report.boots {
        boot.serial = own();
        boot.screenshot = None;
        boot.milestones.iter_mut().for_each(|milestone| milestone.name = own());
    }
    report.usage.iter_mut().for_each(|usage| usage.path = own());
    for package in &mut report.packages {
        (package.name, package.version, package.arch) = (own(), own(), own());
    }
    let subject = &mut report.facts.subject;
    (subject.product, subject.arch, subject.default_user) = (Some(own()), Some(own()), Some(own()));
    report.facts.accel = Some(own());
    report
}

pub(crate) fn hostile_build(text: &str) -> BuildInfo {
    let mut build = build();
    let own = || text.to_owned();
    (build.recipe, build.description, build.base, build.created) = (own(), Some(own()), own(), own());
    build.tools = BTreeMap::from([(own(), own())]);
    build.work.iter_mut().for_each(|work| work.name = own());
    build.artifacts.iter_mut().for_each(|artifact| artifact.file = own());
    build
}
