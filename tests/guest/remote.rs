//! Two machines and a directory that both mount: what the first one has made in a guest, the second one takes.

use std::path::Path;

use goldsmith::digest::Sha256;
use serde_json::Value;

use crate::image_base::goldsmith;

/// Names of the steps with an event.
fn steps(events: &[Value], event: &str) -> usize {
    events.iter().filter(|one| one["event"] == event).count()
}

fn digest(machine: &Path) -> String {
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(machine.join("out/manifest.json")).expect("a manifest")).expect("JSON");
    manifest["artifacts"][0]["sha256"].as_str().expect("a digest").to_owned()
}

#[test]
#[ignore = "needs libguestfs"]
fn a_second_machine_makes_no_step_again_and_has_the_same_image() {
    let image = crate::shared::debian_12();
    let dir = tempfile::tempdir().expect("a directory");
    let sha256 = Sha256::of_file(&image).expect("an image");
    let recipe = format!(
        "name: web
base: {{ image: {{ source: {}, sha256: {sha256} }} }}
steps:
  configure:
    - write: {{ path: /etc/motd, content: \"shared\\n\" }}
    - run: {{ inline: \"head -c 3000000 /dev/urandom >/var/lib/random\" }}
  clean:
    - run: {{ inline: \"test -s /var/lib/random\" }}
outputs: [{{ format: qcow2 }}]
",
        image.display()
    );
    std::fs::create_dir(dir.path().join("store")).expect("a directory");
    let [one, two] = ["one", "two"].map(|name| {
        let machine = dir.path().join(name);
        std::fs::create_dir(&machine).expect("a directory");
        std::fs::write(machine.join("web.yaml"), &recipe).expect("a recipe");
        machine
    });
    goldsmith(&one, &["cache", "keygen", "key"]);
    let public = std::fs::read_to_string(one.join("key.pub")).expect("a key");
    let public = public.lines().last().expect("a line");

    let shared = ["--out", "out", "--remote-cache", "../store"];
    let write = ["--remote-cache-write", "--remote-cache-key", "key"];
    let first = goldsmith(&one, &[&["build", "web.yaml"], &shared[..], &write].concat());
    let made = steps(&first, "step-started");
    assert!(made >= 4, "{made} steps were made");
    assert!(steps(&first, "warning") == 0, "{first:?}");

    let read = [&shared[2..], &["--remote-cache-trust", public]].concat();
    let explained = goldsmith(&two, &[&["cache", "explain", "web.yaml"], &read[..]].concat());
    let all = explained[0]["steps"].as_array().expect("steps");
    assert!(all.len() == made && all.iter().all(|step| step["from"] == "remote"), "{explained:?}");
    let second = goldsmith(&two, &[&["build", "web.yaml", "--out", "out"], &read[..]].concat());
    assert_eq!((steps(&second, "step-started"), steps(&second, "step-cached")), (0, made), "{second:?}");
    let cached = second.iter().filter(|event| event["event"] == "step-cached");
    assert!(cached.into_iter().all(|event| event["remote"] == true), "each came from the store");
    assert_eq!(digest(&two), digest(&one), "random data would differ if a step had run again");
    goldsmith(&two, &["cache", "verify"]);
}
