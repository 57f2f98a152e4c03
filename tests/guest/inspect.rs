//! What is found in a real image. The image is the file that `GOLDSMITH_TEST_IMAGE` names, made of
//! `recipes/debian-12.yaml`, or is built first.

use std::path::Path;
use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::process::capture;
use serde_json::{Value, json};

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_real_image_is_told_by_what_is_in_it() {
    let image = crate::shared::debian_12();
    let before = Sha256::of_file(&image).expect("the image is readable");
    let found: Value = serde_json::from_str(&goldsmith(&["inspect", "--json"], &image)).expect("JSON");
    assert_eq!((&found["format"], &found["virtual-size"]), (&json!("qcow2"), &json!(3_u64 << 30)));
    assert_eq!(found["firmware"], json!(["bios", "uefi"]));
    assert!(found["services"].as_array().expect("a list").iter().all(|verdict| verdict["accepted"] == true), "{found}");
    let system = &found["system"];
    assert_eq!(system["notes"], json!([]));
    assert_eq!((&system["os"]["distro"], &system["os"]["codename"]), (&json!("debian"), &json!("bookworm")));
    let kinds: Vec<_> =
        values(&system["file_systems"]).map(|it| (it["kind"].clone(), it["mounted_at"].clone())).collect();
    assert_eq!(kinds, [(json!("vfat"), json!("/boot/efi")), (json!("ext4"), json!("/"))]);
    assert!(values(&system["file_systems"]).all(|it| it["used"].as_u64() < it["capacity"].as_u64()), "{system}");
    let loaders: Vec<_> =
        values(&system["boot"]["loaders"]).map(|it| format!("{} {}", it["firmware"], it["name"])).collect();
    for loader in ["\"bios\" \"grub\"", "\"uefi\" \"shim\""] {
        assert!(loaders.iter().any(|it| it == loader), "{loader}: {loaders:?}");
    }
    let release = &system["boot"]["kernels"][0]["release"];
    let entry = &system["boot"]["default"];
    assert_eq!(entry["kernel"], json!(format!("/boot/vmlinuz-{}", release.as_str().expect("a kernel"))));
    assert!(values(&entry["args"]).any(|it| it == "console=ttyS0,115200n8"), "{entry}");
    assert!(values(&system["packages"]).any(|it| it["name"] == "openssh-server"));
    assert!(values(&system["services"]).any(|it| it["unit"] == "ssh.service" && it["state"] == "enabled"));
    assert!(values(&system["users"]).all(|it| it["logins"] == json!([])), "nobody can log in: {}", system["users"]);
    assert_eq!(system["cloud_init"]["default_user"], "debian");
    assert_eq!(Sha256::of_file(&image).expect("the image is readable"), before, "the image file was changed");
}

fn values(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().unwrap_or_else(|| panic!("{list} is no list")).iter()
}

fn goldsmith(args: &[&str], file: &Path) -> String {
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).arg(file);
    capture(&mut goldsmith).unwrap_or_else(|error| panic!("{error}"))
}
