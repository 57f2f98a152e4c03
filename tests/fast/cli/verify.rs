//! What `goldsmith verify` says before any guest is started.

use goldsmith::verify;

use super::sandbox::Sandbox;

fn disk(sandbox: &Sandbox) {
    let mut qemu_img = sandbox.command("qemu-img");
    let made = qemu_img.args(["create", "-q", "-f", "qcow2"]).arg(sandbox.path("disk.qcow2")).arg("1G").status();
    assert!(made.expect("qemu-img").success());
}

#[test]
fn all_checks_are_listed() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run("verify --list");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let listed: Vec<_> = ran.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed, verify::rules().map(|rule| rule.id).collect::<Vec<_>>());
    let json = sandbox.run("verify --list --json").last_json();
    assert_eq!(json.as_array().map(Vec::len), Some(listed.len()));
    assert!(json[0]["reason"].is_string() && json[0]["mend"].is_string(), "{}", json[0]);
}

#[test]
fn what_cannot_work_is_refused_before_a_guest_starts() {
    let sandbox = Sandbox::new();
    disk(&sandbox);
    for (arguments, code, words) in [
        ("", 2, "<IMAGE|DIR>"),
        ("none.qcow2", 2, "none.qcow2"),
        ("disk.qcow2 --boot bios,efi", 2, "unknown variant `efi`"),
        ("disk.qcow2 --static --boot bios", 2, "cannot be used with"),
        ("disk.qcow2 --static --measure", 2, "cannot be used with"),
        ("disk.qcow2 --boot bios,bios", 2, "--boot: `bios` is there twice"),
        ("disk.qcow2 --machine pc --boot secure-boot", 2, "the board `pc` has no Secure Boot"),
        ("disk.qcow2 --disk 512MiB", 2, "--disk: the disk to boot on, 512 MiB, is smaller than the image, 1 GiB"),
        ("disk.qcow2 --memory 1MiB --cpus 0", 2, "--cpus: a machine has between 1 and 64 processors"),
        ("disk.qcow2 --accept none=known", 2, "there is no check `none`"),
        ("disk.qcow2 --accept clock=", 2, "`clock` is accepted without a reason"),
        ("disk.qcow2 --accept clock", 2, "write it like"),
    ] {
        let ran = sandbox.run(&format!("verify {arguments}"));
        assert_eq!(ran.code, Some(code), "{arguments}: {ran:?}");
        assert!(ran.stderr.contains(words) && ran.stdout.is_empty(), "{arguments}: {ran:?}");
    }
}

#[test]
fn what_is_no_disk_image_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("empty", "");
    sandbox.write("page.qcow2", "<!DOCTYPE html><html></html>");
    std::fs::create_dir(sandbox.path("directory")).expect("a directory");
    disk(&sandbox);
    let mut qemu_img = sandbox.command("qemu-img");
    qemu_img.args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]).arg(sandbox.path("disk.qcow2"));
    assert!(qemu_img.arg(sandbox.path("overlay.qcow2")).status().expect("qemu-img").success());
    let cut = std::fs::read(sandbox.path("disk.qcow2")).expect("an image");
    sandbox.write("cut.qcow2", &cut[..cut.len() / 2]);
    for (file, words) in [
        ("empty", "empty"),
        ("page.qcow2", "page.qcow2"),
        ("directory", "directory"),
        ("overlay.qcow2", "disk.qcow2"),
        ("cut.qcow2", "cut.qcow2"),
    ] {
        let ran = sandbox.run(&format!("verify {file}"));
        assert!(matches!(ran.code, Some(2 | 10 | 11)), "{file}: {ran:?}");
        assert!(ran.stderr.contains(words) && ran.stdout.is_empty(), "{file}: {ran:?}");
    }
}
