//! Outputs of a real image that hold no disk: each is read by the tools that such files are for, and the kernel boots the
//! root file system with nothing but the arguments that the manifest names.
//!
//! Two machines run: the guest that builds, and the one that boots.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use goldsmith::process::{capture, die_with_parent};
use serde_json::Value;

const RECIPE: &str = "
name: tree
base: { bootstrap: { distro: debian, release: bookworm } }
disk: { size: 2GiB, layout: bios }
elements: [base-system, kernel, serial-console, bootloader]
outputs: OUTPUTS
";

const TREES: &str =
    "[{ format: tar }, { format: squashfs }, { format: erofs }, { format: ami }, { format: aki }, { format: ari }]";

/// How long the machine may take to a login prompt.
const DEADLINE: Duration = Duration::from_secs(300);

#[test]
#[ignore = "needs libguestfs and a package mirror, and boots a virtual machine"]
fn takes_long_files_of_a_real_image_are_read_by_their_tools_and_its_kernel_boots_them() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    std::fs::write(work.join("disk.yaml"), RECIPE.replace("OUTPUTS", "[{ format: raw }]")).expect("a recipe");
    std::fs::write(work.join("tree.yaml"), RECIPE.replace("OUTPUTS", TREES)).expect("a recipe");
    build(work, "disk.yaml", "disk");
    // The disk is there: a guest is launched for what is to be taken out of it, and no step is run.
    let events = build(work, "tree.yaml", "out");
    let started = |event: &&Value| event["event"] == "step-started";
    assert_eq!(events.iter().filter(started).count(), 0, "{events:#?}");
    assert_eq!(launches(&events), 1);

    let out = work.join("out");
    let said = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir(&out).args(args);
        capture(&mut command).unwrap_or_else(|error| panic!("{error}"))
    };
    said("sha256sum", &["--check", "--strict", "SHA256SUMS"]);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(out.join("manifest.json")).expect("it is there")).expect("JSON");
    let kernel = manifest["boot"]["kernel"].as_str().expect("a kernel").trim_start_matches('/').to_owned();
    let listed = said("tar", &["tvf", "tree.tar", "--numeric-owner"]);
    let has = |text: &str, part: &str| assert!(text.contains(part), "no `{part}` in {}", &text[..text.len().min(4000)]);
    for part in [format!("./{kernel}\n"), "./etc/passwd\n".to_owned(), " 0/42 ".to_owned(), "-rwsr-xr-x 0/0".to_owned()]
    {
        has(&listed, &part);
    }
    for gone in [" ./dev/null", " ./proc/1", " ./run/", " ./lost+found"] {
        let found = listed.lines().any(|line| line.contains(gone) && !line.ends_with(" ./run/"));
        assert!(!found, "{gone} is in the archive");
    }
    let listed = said("unsquashfs", &["-lln", "tree.squashfs"]);
    for part in [&format!("squashfs-root/{kernel}\n"), "squashfs-root/etc/passwd\n", "-rwsr-xr-x 0/0"] {
        has(&listed, part);
    }
    has(listed.lines().next().unwrap_or_default(), "drwxr-xr-x 0/0");
    said("fsck.erofs", &["tree.erofs"]);
    has(&said("dump.erofs", &["--path=/etc/shadow", "tree.erofs"]), "Gid: 42");
    said("e2fsck", &["-fn", "tree.ami"]);
    has(&said("debugfs", &["-R", "stat /etc/shadow", "tree.ami"]), "Group:    42");
    has(&said("file", &["-b", "tree.vmlinuz"]), "Linux kernel");
    boots(&out, &manifest);

    // Nothing is launched for what is there, and the same files come out of it.
    let sums = std::fs::read_to_string(out.join("SHA256SUMS")).expect("checksums");
    assert_eq!(launches(&build(work, "tree.yaml", "again")), 0);
    assert_eq!(std::fs::read_to_string(work.join("again/SHA256SUMS")).expect("checksums"), sums);
}

/// Builds and returns the events.
fn build(work: &Path, recipe: &str, out: &str) -> Vec<Value> {
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.current_dir(work).args(["build", recipe, "--out", out, "--json", "--cache", "cache"]);
    let text = capture(&mut goldsmith).unwrap_or_else(|error| panic!("{error}"));
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn launches(events: &[Value]) -> usize {
    events.iter().filter(|event| event["event"] == "activity-started" && event["activity"] == "start the guest").count()
}

/// Boots kernel and initial RAM disk on the root file system, as it is on a disk without partitions.
fn boots(out: &Path, manifest: &Value) {
    let serial = out.join("serial.log");
    let args: Vec<_> =
        manifest["boot"]["args"].as_array().expect("arguments").iter().filter_map(Value::as_str).collect();
    let mut command = Command::new("qemu-system-x86_64");
    command
        .current_dir(out)
        .args(["-M", "q35", "-accel", "tcg,tb-size=512", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults"])
        .args(["-display", "none", "-nic", "none", "-kernel", "tree.vmlinuz", "-initrd", "tree.initrd", "-append"])
        .arg(args.join(" "))
        .args(["-drive", "if=virtio,format=raw,snapshot=on,file=tree.ami", "-serial"])
        .arg(format!("file:{}", serial.display()));
    let mut qemu = die_with_parent(&mut command).stdin(Stdio::null()).spawn().expect("QEMU starts");
    let started = Instant::now();
    let log = || String::from_utf8_lossy(&std::fs::read(&serial).unwrap_or_default()).into_owned();
    let prompt = loop {
        if log().contains("login:") {
            break true;
        }
        if started.elapsed() > DEADLINE || qemu.try_wait().expect("QEMU can be waited for").is_some() {
            break false;
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    // It may have ended already.
    let _ = qemu.kill();
    let _ = qemu.wait();
    assert!(prompt, "no login prompt with `{}`: {}", args.join(" "), log());
    std::fs::remove_file(serial).expect("it is there");
}
