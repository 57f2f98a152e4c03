//! An image built upon another: a base of few packages, and a recipe that opens it, grows it and installs a
//! package in the guest. What it looks like from inside is asked by the recipe's own steps, which fail the build.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::shared::SMALL;

/// What the base has more than others.
const BASE: &str = r#"
steps:
  configure:
    - write: { path: /etc/made-below, content: "base\n" }
outputs: [{ format: qcow2, compression: zstd }]
"#;

const UPON: &str = r#"
name: upon
base: { image: { source: out/base.qcow2, sha256: out/SHA256SUMS } }
disk: { size: 2GiB }
packages: [ed]
steps:
  configure:
    - write: { path: /etc/ld.so.conf.d/own.conf, content: "/opt/own\n" }
    - run: { inline: "mkdir /opt/own; cp /lib/x86_64-linux-gnu/libc.so.6 /opt/own; ! ldconfig -p | grep /opt/own" }
    - run:
        inline: |
          printf '%s\n' 1p Q | ed -s /etc/made-below | grep -x base
          test '{{ distro }} {{ release }} {{ version }} {{ firmware | join(",") }}' = 'debian bookworm 12 bios'
          echo "the root file system has grown"
          test "$(df -B1 --output=size / | tail -n 1)" -gt 1800000000
          echo "no package file, policy or name server of the build is left behind"
          test -z "$(find /var/cache/apt/archives -name '*.deb')"
          test ! -e /usr/sbin/policy-rc.d
          ! grep -s nameserver /etc/resolv.conf
  clean:
    # What is derived from changed files was made again.
    - run: { inline: "ldconfig -p | grep /opt/own/libc.so.6" }
"#;

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn an_image_is_built_upon_another() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    crate::shared::small_cache(&work.join("cache"));
    std::fs::write(work.join("base.yaml"), format!("name: base\n{SMALL}{BASE}")).expect("a recipe");
    std::fs::write(work.join("upon.yaml"), UPON).expect("a recipe");
    goldsmith(work, &["build", "base.yaml", "--out", "out"]);
    let below = manifest(&work.join("out"));

    let events = goldsmith(work, &["build", "upon.yaml", "--out", "upon"]);
    assert_eq!(launches(&events), 1, "one guest to look at the image and to build");

    let upon = manifest(&work.join("upon"));
    assert_eq!(upon["base"]["image"]["source"], "out/base.qcow2");
    assert_eq!(upon["base"]["image"]["sha256"], below["artifacts"][0]["sha256"]);
    assert_eq!(upon["disk"], json!({ "size": 2_u64 << 30, "layout": "bios", "firmware": ["bios"] }));
    assert_eq!(
        names(&upon["steps"], "step"),
        ["base base.qcow2", "install packages", "configure upon", "clean upon", "finalize upon"]
    );
    let (mut before, after) = (names(&below["packages"], "name"), names(&upon["packages"], "name"));
    assert!(!before.contains(&"ed"), "the base has it already");
    before.push("ed");
    before.sort_unstable();
    assert_eq!(after, before, "one package more");

    let cache = work
        .join("cache/packages")
        .join(format!("image-{}", upon["base"]["image"]["sha256"].as_str().expect("a digest")));
    let kept: Vec<_> =
        std::fs::read_dir(cache).expect("a package cache").map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(kept.len() == 1 && kept[0].to_string_lossy().starts_with("ed_"), "kept for the next build: {kept:?}");

    let again = goldsmith(work, &["build", "upon.yaml", "--out", "upon"]);
    assert_eq!(launches(&again), 0, "nothing has changed");
    assert_eq!(again.last().expect("a result")["unchanged"], true);
    for (option, cached) in [("--offline", [true; 5]), ("--refresh", [true, false, false, false, false])] {
        let plan = goldsmith(work, &["plan", "upon.yaml", option]);
        let status = plan[0]["status"].as_array().expect("steps");
        assert_eq!(status.iter().map(|step| step["cached"] == true).collect::<Vec<_>>(), cached, "{option}");
    }
}

/// Runs the program with a cache of its own; the JSON lines it prints.
pub(crate) fn goldsmith(work: &Path, args: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    let output = command.current_dir(work).args(args).args(["--json", "--cache", "cache"]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    assert!(output.status.success(), "{args:?}: {}\n{text}", output.status);
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

pub(crate) fn launches(events: &[Value]) -> usize {
    events.iter().filter(|e| e["event"] == "activity-started" && e["activity"] == "start the guest").count()
}

fn manifest(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("manifest.json")).expect("a manifest")).expect("JSON")
}

/// One text of each entry of a list.
fn names<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().expect("a list").iter().map(|entry| entry[key].as_str().expect("a text")).collect()
}
