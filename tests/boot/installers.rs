//! The image of `examples/installer`, which Debian's own installer makes. The installer comes from Debian's package of it.

use std::path::Path;
use std::process::{Command, Output};

use goldsmith::process::capture;
use serde_json::Value;

use crate::reports::Verified;

/// Returns where this machine's apt gets Debian from, and its security updates: without `http://` and a last `/`.
fn mirrors() -> [String; 2] {
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(CODENAME)", "Created-By: Packages"]);
    let told = capture(&mut apt).unwrap_or_else(|error| panic!("{error}"));
    ["bookworm", "bookworm-security"].map(|suite| {
        let url = told.lines().find_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            ["Debian", url, name] if name == suite => Some(url),
            _ => None,
        });
        let url = url.unwrap_or_else(|| panic!("apt has no {suite}: {told}"));
        url.trim_start_matches("http://").trim_end_matches('/').to_owned()
    })
}

fn build(work: &Path, more: &[&str]) -> Output {
    let [mirror, security] = mirrors();
    let netboot = work.join("installer/usr/lib/debian-installer/images/12/amd64/text");
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.arg("build").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/installer/recipe.yaml"));
    for (name, value) in
        [("mirror", mirror), ("security", security), ("netboot", netboot.to_string_lossy().into_owned())]
    {
        goldsmith.arg("--param").arg(format!("{name}={value}"));
    }
    goldsmith.current_dir(work).args(["--cache", "cache", "--out", "out"]).args(more).output().expect("goldsmith runs")
}

#[test]
#[ignore = "needs libguestfs and a package mirror, installs a system, and boots virtual machines"]
fn takes_long_an_installer_makes_a_base_that_passes_every_check() {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let work = work.path();
    let script =
        "apt-get download debian-installer-12-netboot-amd64 && dpkg-deb -x debian-installer-12-*.deb installer";
    capture(Command::new("sh").current_dir(work).args(["-ec", script])).unwrap_or_else(|error| panic!("{error}"));

    let verified = Verified::new(build(work, &[]), &work.join("out"));
    verified.assert_passed();
    assert_eq!(verified.report["facts"]["boots"], serde_json::json!(["bios"]));

    // What is installed is a layer like others: nothing is installed again.
    let again = build(work, &["--json"]);
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success(), "{said}{}", String::from_utf8_lossy(&again.stderr));
    let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(events.iter().all(|event| event["event"] != "step-started"), "{events:#?}");
}
