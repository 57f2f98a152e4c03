//! Bases of the shapes that distributions and their installers give to disks: each is found out, grown, changed and judged
//! by the real guest. The bases are synthetic: `bases/make.sh` lays them out and puts no more of a system on them than this
//! needs, made of the appliance's own programs.

#![expect(clippy::print_stderr, reason = "the test runner shows it where a test fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use goldsmith::disk::qemu_img::QemuImg;
use goldsmith::element::schema::{Booted, Check};
use goldsmith::event::{Event, Reporter};
use goldsmith::guest::grow::{self, Growth};
use goldsmith::guest::libguestfs::LibguestfsGuest;
use goldsmith::guest::{Accel, Command, Guest as _, GuestConfig, Inspection};
use goldsmith::image::Format;
use goldsmith::interrupt::Interrupt;
use goldsmith::testing::root_seen;
use goldsmith::units::ByteSize;
use goldsmith::verify::{Outcome, statics};

const MIB: u64 = 1 << 20;
/// Size of a base's disk, and of the disk that is built on it.
const SIZES: [u64; 2] = [768 * MIB, 1280 * MIB];

/// A shape of `make.sh`.
struct Shape {
    name: &'static str,
    /// Where file systems are mounted, the root first.
    mounts: &'static [&'static str],
    /// What the root file system is.
    kind: &'static str,
    /// Why it does not grow.
    hindrance: Option<&'static str>,
    /// Rules of the disk that it breaks.
    breaks: &'static [&'static str],
}

const fn good(name: &'static str, kind: &'static str, mounts: &'static [&'static str]) -> Shape {
    Shape { name, mounts, kind, hindrance: None, breaks: &[] }
}

/// Each needs something else: an extended partition, volumes, subvolumes.
const SHAPES: &[Shape] = &[
    // Whoever grows an extended partition by parted gets its code in the first sector.
    good("logical", "ext4", &["/", "/boot"]),
    Shape { breaks: &["no-swap", "root-plain"], ..good("lvm", "xfs", &["/", "/boot", "/boot/efi", "/usr", "/var"]) },
    good("fedora", "btrfs", &["/", "/boot", "/boot/efi", "/home"]),
];

/// Others combine these, or do not grow.
const MORE: &[Shape] = &[
    Shape {
        hindrance: Some("the extended partition 2 lies behind partition 1, which it is on"),
        breaks: &["bios-loader", "no-swap", "root-fills", "root-last"],
        ..good("swap-behind", "ext4", &["/"])
    },
    good("opensuse", "btrfs", &["/", "/.snapshots", "/boot/efi", "/home", "/var"]),
    Shape { breaks: &["bios-loader"], ..good("bare", "ext4", &["/"]) },
    good("xfs", "xfs", &["/", "/boot", "/boot/efi"]),
    Shape { breaks: &["root-plain"], ..good("lvm-logical", "ext4", &["/", "/boot"]) },
    good("ubuntu", "ext4", &["/", "/boot", "/boot/efi"]),
];

/// Rules that every synthetic base breaks, whatever its shape: they ask for programs that none has.
const OF_ALL: &[&str] =
    &["boot-files", "dhcp", "kernel", "key-injection", "root-grows", "serial-console", "serial-login", "sshd"];

/// Rules that those break in addition that have partitions for boot loaders, and nothing in them.
const OF_LOADERS: &[&str] = &["bios-loader", "efi-fallback"];

#[test]
#[ignore = "needs libguestfs"]
fn takes_long_bases_of_many_shapes_are_grown() {
    are_grown(SHAPES);
}

#[test]
#[ignore = "needs libguestfs, and takes long"]
fn takes_long_bases_of_more_shapes_are_grown() {
    are_grown(MORE);
}

fn are_grown(shapes: &[Shape]) {
    let fixture = Fixture::new();
    let mut guest = fixture.launch();
    fixture.tell("launched");
    let growpart = command_of_growpart();
    let mut bad = Vec::new();
    for shape in shapes {
        let mut against = fixture.grows(&mut guest, shape, &growpart);
        fixture.tell(shape.name);
        bad.extend(against.drain(..).map(|line| format!("{}: {line}", shape.name)));
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// A person builds upon a base on LVM, changes the recipe and builds again, each time with a guest of its own.
#[test]
#[ignore = "needs libguestfs, and takes long"]
fn takes_long_the_command_line_builds_upon_volumes() {
    let fixture = Fixture::new();
    let work = fixture.work.path();
    let mut guest = fixture.launch();
    let made = fixture.make(&mut guest, "lvm");
    Box::new(guest).shutdown().expect("stopped");
    let mut convert = std::process::Command::new("qemu-img");
    convert.args(["convert", "-O", "qcow2"]).arg(&made).arg(work.join("image.qcow2"));
    goldsmith::process::capture(&mut convert).unwrap_or_else(|error| panic!("{error}"));
    let sha256 = goldsmith::digest::Sha256::of_file(&work.join("image.qcow2")).expect("an image");
    for (number, line) in
        ["cat /etc/shape; echo one >/usr/one", "test $(df -BM --output=size / | tail -n 1 | tr -d M) -gt 700"]
            .into_iter()
            .enumerate()
    {
        let base = format!("base: {{ image: {{ source: image.qcow2, sha256: {sha256} }} }}\ndisk: {{ size: 1280MiB }}");
        let recipe = format!("name: volumes\n{base}\nsteps: {{ configure: [{{ run: {{ inline: '{line}' }} }}] }}\n");
        std::fs::write(work.join("volumes.yaml"), recipe).expect("a recipe");
        let mut build = std::process::Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        build.current_dir(work).args(["build", "--no-verify", "volumes.yaml", "--cache", "cache", "--out", "out"]);
        let ran = build.output().expect("it runs");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success() && !said.contains("warning"), "{number}: {said}");
        fixture.tell(&format!("build {number}"));
    }
}

/// The command by which the element finds out in a running image whether the root has grown.
fn command_of_growpart() -> String {
    let commands = crate::sabotage::checks().into_iter().filter_map(|(element, check)| match check {
        Check::Booted(Booted::Command(command)) if element == "growpart" => Some(command),
        _ => None,
    });
    let [command] = <[String; 1]>::try_from(commands.collect::<Vec<_>>()).expect("one booted check");
    command
}

/// What programs of the guest print.
#[derive(Default)]
struct Printed(Mutex<Vec<String>>);

impl Reporter for Printed {
    fn report(&self, event: &Event) {
        if let Event::Output { line } = event {
            self.0.lock().expect("no test panics here").push(line.clone());
        }
    }
}

struct Fixture {
    work: tempfile::TempDir,
    printed: Arc<Printed>,
    started: Instant,
}

impl Fixture {
    fn new() -> Self {
        let work = tempfile::Builder::new().prefix("gold").tempdir().expect("a temporary directory");
        std::fs::create_dir(work.path().join("s")).expect("a directory");
        Self { work, printed: Arc::default(), started: Instant::now() }
    }

    fn launch(&self) -> LibguestfsGuest {
        let config = GuestConfig {
            accel: Accel::Tcg,
            memory: ByteSize::mebibytes(768),
            cpus: 2,
            network: None,
            emulator: None,
            socket_dir: self.work.path().join("s"),
        };
        LibguestfsGuest::launch(&config, Arc::clone(&self.printed) as _, &Interrupt::new()).expect("a guest")
    }

    fn tell(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.started.elapsed().as_secs_f64());
    }

    fn overlay(&self, name: &str, below: &Path, format: Format, size: u64) -> PathBuf {
        let disk = self.work.path().join(name);
        QemuImg::default().create_overlay(&disk, below, format, size).expect("an overlay");
        disk
    }

    /// Runs a script in the mounted image: its status, and what it printed.
    fn sh(&self, guest: &mut LibguestfsGuest, script: &str) -> (i32, String) {
        let args = ["-c".to_owned(), script.to_owned()];
        self.printed.0.lock().expect("no test panics here").clear();
        let ended = guest.run(&Command { program: "/bin/sh", args: &args, ..Command::default() }).expect("sh runs");
        (ended.status, self.printed.0.lock().expect("no test panics here").join("\n"))
    }

    /// Makes a base of a shape.
    fn make(&self, guest: &mut LibguestfsGuest, shape: &str) -> PathBuf {
        let raw = self.work.path().join("base.raw");
        std::fs::File::create(&raw).and_then(|file| file.set_len(SIZES[0])).expect("a file");
        let base = self.overlay(&format!("{shape}.qcow2"), &raw, Format::Raw, SIZES[0]);
        guest.attach(&base).expect("attached");
        let disk = guest.disk_device().expect("a disk");
        let script = include_str!("bases/make.sh").replace('\'', "'\\''");
        guest.in_appliance(&format!("bash -c '{script}' make {disk} {shape}")).unwrap_or_else(|e| panic!("{e}"));
        base
    }

    /// Makes a base, and a larger disk on it as a build does it, in the guest that has inspected the base. What is wrong.
    fn grows(&self, guest: &mut LibguestfsGuest, shape: &Shape, growpart: &str) -> Vec<String> {
        let base = self.make(guest, shape.name);
        let look = self.overlay(&format!("{}-look.qcow2", shape.name), &base, Format::Qcow2, SIZES[0]);
        guest.attach(&look).expect("attached");
        let found = guest.inspect().unwrap_or_else(|error| panic!("{}: {error}", shape.name));
        let Growth { steps, hindrance } = grow::plan(&found, SIZES[1]);

        let built = self.overlay(&format!("{}-built.qcow2", shape.name), &base, Format::Qcow2, SIZES[1]);
        guest.attach(&built).expect("attached");
        let mut against = Vec::new();
        if let Err(error) = guest.grow(&steps) {
            return vec![format!("{steps:?}: {error}")];
        }
        if let Err(error) = guest.mount(&found.mounts) {
            return vec![format!("{:?}: {error}", found.mounts)];
        }
        let mut differ = |what: &str, found: String, expected: String| {
            if found != expected {
                against.push(format!("{what}: {found}, not {expected}"));
            }
        };
        differ("hindrance", format!("{hindrance:?}"), format!("{:?}", shape.hindrance));
        let mounts: Vec<_> = found.mounts.iter().map(|mount| mount.path.as_str()).collect();
        differ("mounts", format!("{mounts:?}"), format!("{:?}", shape.mounts));
        let Inspection { root_filesystem, codename, arch, .. } = &found;
        differ(
            "system",
            format!("{root_filesystem} {codename:?} {arch}"),
            format!("{} Some(\"bookworm\") x86_64", shape.kind),
        );

        // The root has all that was added, and both who ask a running image see that.
        let grown = shape.hindrance.is_none();
        let asked = root_seen(|script| self.sh(guest, script).1).expect("an answer");
        differ(
            "probe",
            format!("{:?} {:?}", asked.outcome == Outcome::Passed, asked.evidence),
            format!("{grown} {:?}", asked.evidence),
        );
        let (status, printed) = self.sh(guest, growpart);
        differ("growpart", format!("{} {printed}", status == 0), format!("{} {printed}", grown));
        let seen = statics::Seen { arch: Some("x86_64"), packages: None, checks: &[] };
        let examined = statics::examine(guest, &seen).expect("examined");
        let failed: BTreeMap<_, _> = examined
            .findings
            .iter()
            .filter(|finding| finding.outcome == Outcome::Failed)
            .map(|finding| (finding.id.as_str(), &finding.evidence))
            .collect();
        let ids: Vec<_> = failed.keys().copied().collect();
        let loaders = if shape.mounts.contains(&"/boot/efi") { OF_LOADERS } else { &[] };
        let mut broken: Vec<_> = OF_ALL.iter().chain(loaders).chain(shape.breaks).copied().collect();
        broken.sort_unstable();
        differ("rules", format!("{ids:?} {failed:?}"), format!("{broken:?} {failed:?}"));
        // No file has a label, on whichever file system it is; FAT holds none.
        let unlabelled = guest.unlabelled().expect("looked at").expect("the appliance's find reads labels");
        let (labels, fat): (Vec<_>, Vec<_>) =
            found.mounts.iter().map(|it| it.path.as_str()).partition(|path| *path != "/boot/efi");
        let listed = |path: &&str| unlabelled.iter().any(|other| other == path);
        differ(
            "files without a label",
            format!("{:?}", labels.iter().filter(|path| !listed(path)).collect::<Vec<_>>()),
            "[]".to_owned(),
        );
        differ("FAT", format!("{:?}", fat.iter().filter(|path| listed(path)).collect::<Vec<_>>()), "[]".to_owned());

        // The layers of a build.
        let next = self.overlay(&format!("{}-next.qcow2", shape.name), &built, Format::Qcow2, SIZES[1]);
        guest.freeze(&next).unwrap_or_else(|error| panic!("{}: {error}", shape.name));
        let (status, printed) = self.sh(guest, "cat /etc/shape && echo x >/etc/changed");
        differ("after the freeze", format!("{status} {printed}"), format!("0 {}", shape.name));
        guest.trim().unwrap_or_else(|error| panic!("{}: {error}", shape.name));
        guest.unmount().expect("unmounted");
        against
    }
}
