//! Ubuntu's data: a synthetic distribution with its names is bootstrapped, and the image is the base of another.
//! `tests/support/apt_distro.rs` says what is synthetic.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::apt_distro::AptDistro;

/// What makes a base that tells that the data of Ubuntu have been used.
const SMALL: &str = "name: small
disk: { size: 2GiB, layout: bios }
elements: [dhcp-network, qemu-guest-agent]
outputs: [{ format: qcow2, compression: zstd }]
";

/// Opens that image. `{{ distro }}` and the others come from its os-release. Its own apt trusts the key of its own package, and
/// installs a package from a repository in the image.
const UPON: &str = r#"name: upon
base: { image: { source: out/small.qcow2, sha256: out/SHA256SUMS } }
disk: { size: 2GiB }
steps:
  install:
    - copy: { source: repo/dists, path: /srv/repo/dists }
    - copy: { source: repo/pool/noble/universe, path: /srv/repo/pool/noble/universe }
    - run:
        inline: |
          test '{{ distro }} {{ release }} {{ version }} {{ family }} {{ os.user }}' = 'ubuntu noble 24.04 debian ubuntu'
          test '{{ os.packages.kernel_cloud | join(" ") }}' = linux-image-virtual
          cat /etc/apt/sources.list
          test "$(grep -c 'signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg]' /etc/apt/sources.list)" = 3
          sed -i 's|\] http://[^ ]* |] file:/srv/repo |' /etc/apt/sources.list
    - packages: { install: [ed] }
  configure:
    - run: { inline: "printf '%s\n' a works . w\\ /root/ed q | ed -s && grep -x works /root/ed" }
"#;

#[test]
#[ignore = "needs libguestfs and packages of Debian"]
fn takes_long_ubuntus_names_are_bootstrapped_and_are_a_base() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    let ubuntu = AptDistro::new(work);
    fs::write(work.join("small.yaml"), ubuntu.base() + SMALL).expect("a recipe");
    fs::write(work.join("upon.yaml"), UPON).expect("a recipe");
    let parts = ["repo/dists", "repo/pool/noble/universe"];
    let copied = Command::new("cp").args(["-a", "--parents"]).args(parts).arg(work).current_dir(&ubuntu.made).status();
    assert!(copied.expect("cp runs").success());

    // The keyring has the key that signed the repository, but the data name another one.
    ubuntu.trust(work, "retired");
    let refused = goldsmith(work, &["build", "small.yaml", "--no-verify"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("cannot trust the package repository"), "{said}");
    ubuntu.trust(work, "fingerprint");

    build(work, "small.yaml");
    let manifest: Value =
        serde_json::from_slice(&fs::read(work.join("out/manifest.json")).expect("a manifest")).expect("JSON");
    let packages = manifest["packages"].as_array().expect("packages");
    let version = |name: &str| packages.iter().find(|one| one["name"] == name).map(|one| one["version"].clone());
    assert_eq!(version("base-files").expect("it is there"), "13ubuntu10.1", "the suite of updates counts");
    assert_eq!(version("ubuntu-keyring").expect("it is there"), "2023.11.28.2", "so does the one of security updates");
    for (name, there) in
        [("netplan.io", true), ("qemu-guest-agent", true), ("snapd", false), ("debian-archive-keyring", false)]
    {
        assert_eq!(version(name).is_some(), there, "{name}");
    }
    assert!(!manifest.to_string().contains("key.gpg"), "the host's keyring is no part of the image");

    build(work, "upon.yaml");
}

fn build(work: &Path, recipe: &str) {
    let output = goldsmith(work, &["build", recipe, "--no-verify", "--out", "out"]);
    assert!(output.status.success(), "{recipe}: {}", String::from_utf8_lossy(&output.stderr));
}

fn goldsmith(work: &Path, arguments: &[&str]) -> Output {
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.args(arguments).args(["--cache", "cache"]).current_dir(work).output().expect("goldsmith runs")
}
