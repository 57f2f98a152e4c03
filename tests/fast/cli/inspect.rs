//! What `goldsmith inspect --header` tells of files, without a guest.

use super::sandbox::Sandbox;

#[test]
fn headers_are_told_without_a_guest() {
    let sandbox = Sandbox::new();
    let mut qemu_img = sandbox.command("qemu-img");
    let made = qemu_img.args(["create", "-q", "-f", "qcow2"]).arg(sandbox.path("disk.img")).arg("64M").status();
    assert!(made.expect("qemu-img").success());
    let ran = sandbox.run("inspect --header disk.img");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    for part in
        ["qcow2, version 1.1", "64 MiB disk", "accepts it as qcow2", "partition table  none", "neither BIOS nor UEFI"]
    {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let json = sandbox.run("inspect --header --json disk.img").last_json();
    assert_eq!((&json["format"], &json["virtual-size"]), (&"qcow2".into(), &(64 << 20).into()), "{json}");
    assert_eq!(json.get("system"), None);

    // An overlay is told, with its wish in words that a terminal does not obey, and not opened.
    let mut qemu_img = sandbox.command("qemu-img");
    let overlay = ["create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", "/etc/\u{1b}[31mpasswd"];
    assert!(qemu_img.args(overlay).arg(sandbox.path("overlay.img")).arg("64M").status().expect("qemu-img").success());
    let ran = sandbox.run("inspect --header overlay.img");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("backing file") && ran.stdout.contains("refuses it"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stdout.contains("root:"), "{}", ran.stdout);

    sandbox.write("page.qcow2", "<!DOCTYPE html><html></html>");
    let ran = sandbox.run("inspect --header page.qcow2");
    assert!(ran.code == Some(10) && ran.stdout.contains("refuses it"), "{ran:?}");
    assert_eq!(sandbox.run("inspect --header nothing.img").code, Some(2));
}
