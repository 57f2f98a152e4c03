//! Images upon those of synthetic distributions: a larger disk, elements, and a change of each kind that a reader of the running
//! system sees. A machine does not reach the server of packages, so the elements are those without packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith::process::capture;

use crate::reports::Verified;

/// What the recipe changes, and what the running machine then shows.
const CHANGES: &str = r#"elements: [net-rules, no-firewall, serial-console, sysprep]
steps:
  configure:
    - write: { path: /etc/motd, content: "upon another\n" }
    - hostname: upon
    - timezone: Europe/Vienna
  boot:
    - kernel-args: { add: [goldsmith.upon=1] }
checks:
  - booted: { command: "grep -qx 'upon another' /etc/motd" }
  - booted: { command: "grep -qw goldsmith.upon=1 /proc/cmdline" }
  - booted: { command: "date +%Z | grep -qE '^CES?T$'" }
verify:
  accept:
    - { check: hostname, because: the recipe changes it }
    - { check: time-zone, because: the recipe changes it }
"#;

/// Builds an image upon `out/NAME/NAME.qcow2` of a directory, and verifies it under BIOS. Also returns its manifest.
pub(crate) fn verified_upon(work: &Path, name: &str) -> (Verified, PathBuf) {
    let base = format!("out/{name}/{name}.qcow2");
    let recipe = format!(
        "name: upon\nbase: {{ image: {{ source: {base}, sha256: out/{name}/SHA256SUMS }} }}\ndisk: {{ size: 4GiB }}\n\
         outputs: [{{ format: qcow2 }}]\n{CHANGES}"
    );
    std::fs::write(work.join("upon.yaml"), recipe).expect("a recipe");
    let mut build = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    build.current_dir(work).args(["build", "upon.yaml", "--cache", "cache", "--no-verify"]);
    capture(&mut build).unwrap_or_else(|error| panic!("{error}"));
    let mut verify = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    verify.current_dir(work).args([
        "verify",
        "out/upon/upon.qcow2",
        "--cache",
        "cache",
        "--boot",
        "bios",
        "--report",
        "upon",
    ]);
    let verified = Verified::new(verify.output().expect("goldsmith runs"), &work.join("upon"));
    (verified, work.join("out/upon/manifest.json"))
}
