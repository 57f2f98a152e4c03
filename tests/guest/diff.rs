//! Images that are built for real, and compared: the same pins give the same image, and what is changed is found.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Everything whose making writes times or random numbers: packages, an initramfs, a boot loader, accounts.
const RECIPE: &str = r#"
name: compared
base: { bootstrap: { distro: debian, release: bookworm } }
disk: { size: 2GiB, layout: bios+uefi }
params: { changed: { type: boolean, default: false } }
elements: [base-system, kernel, bootloader, uefi, sysprep]
steps:
  configure:
    - user: { name: someone, groups: [adm] }
    - write: { path: /etc/motd, content: "one\n{{ '2' if changed else 'two' }}\nthree\n" }
    - when: changed
      run:
        inline: |
          mkdir /opt/new
          echo 1 >"$(printf '/opt/new/odd\033name')"
          chmod 0600 /etc/issue
          chown 1:2 /etc/issue
          ln -sfn elsewhere /etc/rmt
          rm /etc/issue.net
          dpkg --remove --force-depends zstd
    - when: changed
      service: { mask: [e2scrub_all.timer] }
  boot:
    - when: changed
      kernel-args: { add: [quiet] }
outputs: [{ format: qcow2, compression: zstd }]
"#;

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn the_same_pins_give_the_same_image_and_a_change_is_found() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    std::fs::write(work.join("x.yaml"), RECIPE).expect("a recipe");
    succeeds(goldsmith(work, "build x.yaml --cache one --out a"));
    // The same pins and packages, but no layer.
    std::fs::create_dir(work.join("two")).expect("a directory");
    succeeds(
        Command::new("cp").args(["-a", "one/pins", "one/packages", "two"]).current_dir(work).output().expect("cp"),
    );
    succeeds(goldsmith(work, "build x.yaml --cache two --out b --offline"));
    succeeds(goldsmith(work, "build x.yaml --cache one --out c --param changed=true"));

    let same = goldsmith(work, "diff a/compared.qcow2 b/compared.qcow2 --content --cache one");
    let text = String::from_utf8_lossy(&same.stdout);
    assert_eq!(same.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&same.stderr));
    assert!(text.starts_with("a/compared.qcow2 and b/compared.qcow2 are the same: "), "{text}");

    // Of a raw disk, and of another format than the guest reads.
    succeeds(qemu_img(work, "-O vdi a/compared.qcow2 a/compared.vdi"));
    succeeds(qemu_img(work, "-O raw c/compared.qcow2 c/compared.raw"));
    let images = "a/compared.vdi c/compared.raw";
    let differ = goldsmith(work, &format!("diff {images} --json --content --ignore /usr --ignore /var --cache one"));
    assert_eq!(differ.status.code(), Some(1), "{}", String::from_utf8_lossy(&differ.stderr));
    let found: Value = serde_json::from_slice(&differ.stdout).expect("JSON");
    assert_eq!(found["same"], false);
    for section in
        ["disk", "partitions", "file_systems", "os", "boot", "boot_loaders", "kernels", "users", "cloud_init"]
    {
        assert_eq!(found[section], serde_json::json!([]), "{section}");
    }
    assert_eq!(names(&found["kernel_arguments"]), ["+ quiet"]);
    assert_eq!(names(&found["packages"]), ["- zstd"]);
    assert_eq!(names(&found["services"]), ["+ e2scrub_all.timer"]);
    assert_eq!(
        names(&found["files"]),
        [
            "~ /boot/grub/grub.cfg",
            "+ /etc/default/grub.d/90-goldsmith.cfg",
            "~ /etc/issue",
            "- /etc/issue.net",
            "~ /etc/motd",
            "~ /etc/rmt",
            "+ /etc/systemd/system/e2scrub_all.timer",
            "+ /opt/new",
            "+ /opt/new/odd\\x1bname",
        ]
    );
    let file = |name: &str| {
        let files = found["files"].as_array().expect("a list");
        files.iter().find(|file| file["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    };
    let issue = file("/etc/issue");
    assert_eq!(issue["before"], serde_json::json!({ "mode": "0644", "owner": "0:0" }));
    assert_eq!(issue["after"], serde_json::json!({ "mode": "0600", "owner": "1:2" }));
    assert_eq!(file("/etc/rmt")["after"]["target"], "elsewhere");
    assert_eq!(file("/etc/motd")["diff"], "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n");
}

fn names(changes: &Value) -> Vec<String> {
    let changes = changes.as_array().expect("a list");
    let line = |change: &Value| {
        let sign = match change["change"].as_str() {
            Some("added") => '+',
            Some("removed") => '-',
            _ => '~',
        };
        format!("{sign} {}", change["name"].as_str().expect("a name"))
    };
    changes.iter().map(line).collect()
}

fn goldsmith(work: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command.args(words.split(' ')).current_dir(work).output().expect("the program starts")
}

fn qemu_img(work: &Path, words: &str) -> Output {
    Command::new("qemu-img").arg("convert").args(words.split(' ')).current_dir(work).output().expect("qemu-img")
}

fn succeeds(output: Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
