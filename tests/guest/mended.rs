//! Bad bases become good images: what the rows of `sabotage` do to a good image is done to one that then is the base of a
//! build with the elements. Each rule that was broken is kept afterwards, or the row is on the list of what elements do
//! not mend, or the build fails and says why.

#![expect(clippy::print_stderr, reason = "the test runner shows it where a test fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::guest::Guest as _;
use goldsmith::process::capture;
use goldsmith::verify::{Outcome, statics};
use serde_json::Value;

use crate::sabotage::disk_guest::DiskGuest;
use crate::sabotage::hand::Hand;
use crate::sabotage::rows::{Row, rows};
use crate::sabotage::{DISK, checks};

/// What stays broken: the rule, what is told of it, and why no element mends it.
const NOT_MENDED: &[(&str, &str, &str)] = &[
    (
        "selinux-labels",
        "/etc/selinux/targeted/contexts/files/file_contexts is not there",
        "who has turned SELinux on must choose its policy",
    ),
    (
        "root-grows",
        "/usr/bin/growpart is not there",
        "a file of a package that is installed: packages are not installed again",
    ),
    ("no-swap", "/etc/systemd/system/var-swap.swap", "who made the image wanted swap"),
    ("no-swap", "/swap.img is a swap file", "who made the image wanted swap"),
    ("boot-files", "/boot/vmlinuz-", "a file of a package that is installed: packages are not installed again"),
    (
        "virtio-disk",
        "/etc/modprobe.d/blacklist.conf: blacklist virtio_blk",
        "a setting that its owner may want: the hint says how to remove it",
    ),
    (
        "no-xen",
        "/etc/initramfs-tools/modules: xen-blkfront",
        "a setting that its owner may want: the hint says how to remove it",
    ),
    ("no-xen", "/usr/sbin/xe-daemon", "a setting that its owner may want: the hint says how to remove it"),
    (
        "no-static-address",
        "/etc/network/interfaces: address 192.0.2.7/24",
        "a setting that its owner may want: the hint says how to remove it",
    ),
    ("sshd", "no SSH server is installed", "a file of a package that is installed: packages are not installed again"),
    (
        "qemu-guest-agent/2",
        "/usr/sbin/qemu-ga: there is nothing",
        "a file of a package that is installed: packages are not installed again",
    ),
    ("no-passwords", "root: it has a password", "accounts and keys may be wanted: the hint says how to remove them"),
    ("no-passwords", "open: it needs no password", "accounts and keys may be wanted: the hint says how to remove them"),
    (
        "no-passwords",
        "99-login.cfg: password: ...",
        "accounts and keys may be wanted: the hint says how to remove them",
    ),
    (
        "no-authorized-keys",
        "99-keys.cfg: ssh_authorized_keys:",
        "accounts and keys may be wanted: the hint says how to remove them",
    ),
    (
        "no-authorized-keys",
        "/root/.ssh/authorized_keys",
        "accounts and keys may be wanted: the hint says how to remove them",
    ),
    ("no-private-keys", "/root/.ssh/id_ed25519", "accounts and keys may be wanted: the hint says how to remove them"),
    (
        "no-private-keys",
        "/etc/ssl/private/ssl-cert-snakeoil.key",
        "accounts and keys may be wanted: the hint says how to remove them",
    ),
    ("world-writable", "/etc/services: mode 0666", "a setting that its owner may want: the hint says how to remove it"),
    ("world-writable", "/opt: mode 0777", "a setting that its owner may want: the hint says how to remove it"),
    (
        "stray-setuid",
        "/usr/local/bin/helper: mode 4755",
        "a setting that its owner may want: the hint says how to remove it",
    ),
    (
        "no-leftovers",
        "/etc/apt/apt.conf.d/01proxy",
        "a setting that its owner may want: the hint says how to remove it",
    ),
    (
        "no-leftovers",
        "/etc/environment: http_proxy",
        "a setting that its owner may want: the hint says how to remove it",
    ),
    (
        "base-system/1",
        "/sbin/init: there is nothing",
        "a file of a package that is installed: packages are not installed again",
    ),
    (
        "base-system/2",
        "/etc/hosts: there is nothing",
        "a file of a package that is installed: packages are not installed again",
    ),
];

/// What the build refuses.
struct Refused {
    /// The rule, and what is told of it.
    row: (&'static str, &'static str),
    /// What the build says.
    said: &'static str,
    /// The elements that come to it: others would take minutes and change nothing.
    elements: &'static str,
}

/// Each needs a base of its own.
const REFUSED: &[Refused] = &[
    Refused {
        row: ("serial-login", "serial-getty@ttyS0.service is masked"),
        said: "enabling does not unmask it (`remove: [",
        elements: "[bootloader, serial-console]",
    },
    Refused {
        row: ("cloud-init-enabled", "cloud-final.service does not start"),
        said: "enabling does not unmask it (`remove: [",
        elements: "[cloud-init]",
    },
    Refused { row: ("selinux-labels", "/"), said: "the image has no program setfiles", elements: "[base-system]" },
];

/// How the build refuses a row, if it does.
fn refusal(row: &Row) -> Option<&'static Refused> {
    REFUSED.iter().find(|refused| refused.row == (row.id, row.seen))
}

/// Rows that change different files, together on one base; then those that are refused. A row that changes a file which another
/// one has changed is left out: a base for each such row would take a build more.
fn bases() -> Vec<Vec<Row>> {
    let mut together: Vec<Row> = Vec::new();
    for row in rows().into_iter().filter(|row| refusal(row).is_none()) {
        let paths = |row: &Row| row.deeds.iter().map(|deed| deed.path()).collect::<BTreeSet<_>>();
        if together.iter().all(|other| paths(other).is_disjoint(&paths(&row))) {
            together.push(row);
        }
    }
    let refused = rows().into_iter().filter(|row| refusal(row).is_some()).map(|row| vec![row]);
    std::iter::once(together).chain(refused).collect()
}

#[test]
fn what_is_not_mended_is_a_row() {
    let rows = rows();
    let not_mended = NOT_MENDED.iter().map(|(id, seen, _)| (*id, *seen));
    for (id, seen) in not_mended.chain(REFUSED.iter().map(|refused| refused.row)) {
        assert!(rows.iter().any(|row| (row.id, row.seen) == (id, seen)), "no row of {id} is told by {seen:?}");
    }
}

#[test]
#[ignore = "needs libguestfs and a package mirror, and takes long"]
fn takes_long_bad_bases_become_good_images() {
    become_good(&bases());
}

fn become_good(bases: &[Vec<Row>]) {
    let disk_guest = DiskGuest::new();
    let work = disk_guest.work.path();
    let files: Vec<_> = (0..bases.len()).map(|number| work.join(format!("bad-{number}.qcow2"))).collect();
    spoil(&disk_guest, bases);
    disk_guest.tell("bases are bad");
    let mut told = Vec::new();
    let mut good = Vec::new();
    let mut refused = 0;
    for (number, (base, file)) in bases.iter().zip(&files).enumerate() {
        let elements = base.iter().find_map(refusal).map_or_else(all_elements, |refused| refused.elements.to_owned());
        match build(work, number, file, &elements) {
            Ok(image) => good.push((base, image)),
            Err(message)
                if base.iter().all(|row| refusal(row).is_some_and(|refused| message.contains(refused.said))) =>
            {
                refused += 1;
            }
            Err(message) => {
                let names: Vec<_> = base.iter().map(|row| row.id).collect();
                told.push(format!("base {number} of {names:?} is not built: {message}"));
            }
        }
        disk_guest.tell(&format!("base {number}, {} rows", base.len()));
    }
    let mut guest = disk_guest.launch();
    let mut mended = 0;
    for (base, image) in good {
        disk_guest.attach_other(&mut guest, &image, DISK);
        let found = statics::examine_attached(&mut guest, &checks()).expect("examined");
        let failed: Vec<_> = found.findings.iter().filter(|finding| finding.outcome == Outcome::Failed).collect();
        for row in base {
            if let Some(Refused { said, .. }) = refusal(row) {
                told.push(format!("{} is built, though the build should say {said:?}", row.id));
            }
            let still =
                failed.iter().find(|it| it.id == row.id && it.evidence.iter().any(|line| line.contains(row.seen)));
            let known = NOT_MENDED.iter().any(|(id, seen, _)| (*id, *seen) == (row.id, row.seen));
            match still {
                Some(_) if known => {}
                Some(it) => told.push(format!("{} stays: {:?}; hint: {}", row.id, it.evidence, it.mend)),
                None if known => told.push(format!("{} is mended after all: {}", row.id, row.seen)),
                None => mended += 1,
            }
        }
        let of_rows: BTreeSet<_> = base.iter().flat_map(|row| row.also.iter().chain([&row.id])).copied().collect();
        let others = failed.iter().filter(|it| !of_rows.contains(it.id.as_str()));
        told.extend(others.map(|it| format!("{} is broken by the build: {:?}", it.id, it.evidence)));
        guest.unmount().expect("unmounted");
    }
    let all: usize = bases.iter().map(Vec::len).sum();
    let left = all - mended - refused;
    eprintln!("{all} rows on {} bases: {mended} mended, {refused} refused, {left} not by elements", bases.len());
    assert!(told.is_empty(), "{}", told.join("\n"));
}

/// Does what the rows say to copies of the image.
fn spoil(disk_guest: &DiskGuest, bases: &[Vec<Row>]) {
    let mut guest = disk_guest.launch();
    let work = disk_guest.work.path();
    for (number, base) in bases.iter().enumerate() {
        disk_guest.attach(&mut guest, &format!("overlay-{number}.qcow2"), DISK);
        let found = guest.inspect().expect("a system");
        guest.mount(&found.mounts).expect("mounted");
        let kernel = guest.glob("/boot/vmlinuz-*").expect("a kernel").pop().expect("a kernel");
        let devices = guest.devices().expect("devices");
        let root = devices.file_systems.iter().find(|held| held.mounted_at.as_deref() == Some("/")).expect("a root");
        let release = kernel.trim_start_matches("/boot/vmlinuz-").to_owned();
        let mut hand = Hand::new(&mut guest, &release, root.uuid.as_deref().expect("its UUID"));
        base.iter().flat_map(|row| row.deeds).for_each(|deed| hand.does(deed));
        guest.unmount().expect("unmounted");
    }
    Box::new(guest).shutdown().expect("stopped");
    for number in 0..bases.len() {
        // A base may not stand on another file.
        let mut convert = Command::new("qemu-img");
        convert.args(["convert", "-O", "qcow2"]).arg(work.join(format!("overlay-{number}.qcow2")));
        capture(convert.arg(work.join(format!("bad-{number}.qcow2")))).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// The elements of `recipes/debian-12.yaml`.
fn all_elements() -> String {
    let recipe = std::fs::read_to_string("recipes/debian-12.yaml").expect("a recipe");
    recipe.split_once("elements:").expect("elements").1.split_once("outputs:").expect("outputs").0.to_owned()
}

/// Builds elements on a base: the image, or what the build says.
fn build(work: &Path, number: usize, base: &Path, elements: &str) -> Result<PathBuf, String> {
    let text = format!(
        "name: mended\nbase: {{ image: {{ source: {}, sha256: {} }} }}\ndisk: {{ size: 3GiB }}\nelements: {elements}\n\
         outputs: [{{ format: qcow2 }}]\n",
        base.display(),
        Sha256::of_file(base).expect("a base"),
    );
    let file = work.join(format!("mended-{number}.yaml"));
    std::fs::write(&file, text).expect("a recipe");
    let out = work.join(format!("out-{number}"));
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.arg("build").arg(&file).args(["--json", "--cache"]).arg(work.join("cache")).arg("--out").arg(&out);
    let output = goldsmith.output().expect("it runs");
    if output.status.success() {
        return Ok(out.join("mended.qcow2"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    Err(format!("{}\n{}", last.unwrap_or_default(), String::from_utf8_lossy(&output.stderr)))
}
