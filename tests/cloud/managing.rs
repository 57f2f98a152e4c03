//! Images in a real object store are listed, promoted and deleted as those of a directory are.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use goldsmith::digest::Sha256;
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use serde_json::json;

use super::Ran;
use super::seaweed::{BUCKET, Fault, Seaweed, Wire};

const VERSIONS: [&str; 3] = ["20261119T100000Z", "20261120T100000Z", "20261121T100000Z"];

/// A directory as a build leaves it, whose image has passed its checks.
fn built(dir: &Path, day: usize) {
    let content = format!("disk {day}");
    std::fs::create_dir_all(dir.join("out/gold")).expect("a directory");
    std::fs::write(dir.join("out/gold/gold.qcow2"), &content).expect("a file");
    let digest = Sha256::of(content.as_bytes());
    let manifest = json!({
        "format": 1, "name": "gold", "arch": "x86_64", "layer": digest, "created": format!("2026-11-{}T10:00:00Z", 19 + day),
        "distro": { "name": "debian", "release": "bookworm", "version": "12", "family": "debian" },
        "artifacts": [{ "file": "gold.qcow2", "format": "qcow2", "size": content.len(), "sha256": digest }],
        "verified": { "key": digest, "passed": true },
    });
    std::fs::write(dir.join("out/gold/manifest.json"), manifest.to_string()).expect("a file");
}

struct Owner<'a> {
    seaweed: &'a Seaweed,
    dir: tempfile::TempDir,
    user: &'static str,
    endpoint: String,
}

impl<'a> Owner<'a> {
    fn new(seaweed: &'a Seaweed) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let endpoint = seaweed.endpoint();
        let recipe = format!(
            "name: gold\narch: x86_64\nbase: {{ bootstrap: {{ distro: debian, release: bookworm }} }}\n\
             publish: [{{ s3: {{ endpoint: '{endpoint}', bucket: {BUCKET}, prefix: cloud/images }} }}]\n"
        );
        std::fs::write(dir.path().join("gold.yaml"), recipe).expect("a file");
        Self { seaweed, dir, user: "writer", endpoint }
    }

    fn run(&self, words: &str) -> Ran {
        let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        goldsmith.args(words.split_whitespace()).current_dir(self.dir.path()).env_clear();
        goldsmith.env("HOME", self.dir.path()).env("PATH", "/usr/bin:/bin");
        goldsmith.env("AWS_ACCESS_KEY_ID", self.user).env("AWS_SECRET_ACCESS_KEY", format!("{}s-secret", self.user));
        let Output { status, stdout, stderr } = goldsmith.output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    fn images(&self, words: &str) -> Ran {
        self.run(&format!("images {words} --s3 s3://{BUCKET}/cloud/images?endpoint={}", self.endpoint))
    }

    /// The objects, asked for by requests of another library's making, with their sizes.
    fn objects(&self) -> BTreeMap<String, u64> {
        let endpoint = self.seaweed.endpoint().parse().expect("a URL");
        let bucket = Bucket::new(endpoint, UrlStyle::Path, BUCKET, "us-east-1").expect("a bucket");
        let credentials = Credentials::new("writer", "writers-secret");
        let url = bucket.list_objects_v2(Some(&credentials)).sign(Duration::from_secs(60));
        let mut answer = ureq::get(url.as_str()).call().expect("a list");
        let text = answer.body_mut().read_to_string().expect("text");
        let page = rusty_s3::actions::ListObjectsV2::parse_response(&text).expect("a list");
        page.contents.into_iter().map(|object| (object.key, object.size.unwrap_or_default())).collect()
    }
}

#[test]
#[ignore = "starts a SeaweedFS"]
fn the_images_of_a_bucket_are_listed_promoted_and_deleted() {
    let seaweed = Seaweed::start();
    let owner = Owner::new(&seaweed);
    assert_eq!(owner.images("list").stdout, "no image\n");
    for day in 0..3 {
        built(owner.dir.path(), day);
        let ran = owner.run("publish gold.yaml");
        assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
    }
    let [first, second, third] = VERSIONS.map(|version| format!("gold/{version}"));
    let listed = owner.images("list --json").json();
    let ids: Vec<_> = listed.as_array().expect("a list").iter().map(|image| image["id"].as_str()).collect();
    assert_eq!(ids, [&third, &second, &first].map(|id| Some(id.as_str())));
    assert_eq!((&listed[0]["promoted"], &listed[1]["promoted"]), (&json!(true), &json!(false)));
    assert_eq!(listed[0]["place"], format!("s3://{BUCKET}/cloud/images/{third}"));

    let objects = owner.objects();
    for (words, told) in [
        (format!("promote {first}"), "is newer than"),
        (format!("delete {second} {third}"), "is promoted"),
        (format!("delete {second} gold/20270101T000000Z"), "there is no image"),
    ] {
        let ran = owner.images(&words);
        assert!(ran.code == Some(2) && ran.stderr.contains(told), "{words}: {}", ran.stderr);
        assert_eq!(owner.objects(), objects, "{words}");
    }
    let ran = owner.images(&format!("promote {second} --allow-older"));
    assert_eq!(ran.stdout, format!("{second} is promoted\n{third} is retired\n"), "{}", ran.stderr);
    let would = owner.images(&format!("delete {first} {third} --dry-run"));
    assert_eq!(would.stdout.matches("would remove gold/").count(), 2, "{}", would.stderr);
    assert_eq!(owner.objects().len(), objects.len());
    let ran = owner.images(&format!("delete {first} {third}"));
    assert_eq!(ran.stdout, format!("{first} is deleted\n{third} is deleted\n"), "{}", ran.stderr);
    let versions: Vec<_> = owner.objects().into_keys().filter(|key| key.contains("/2026")).collect();
    assert!(versions.iter().all(|key| key.starts_with(&format!("cloud/images/{second}/"))), "{versions:?}");
    assert_eq!(versions.len(), 3, "{versions:?}");

    let ran = owner.images("delete gold --promoted");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let left: Vec<_> = owner.objects().into_keys().collect();
    assert!(left.iter().all(|key| key.starts_with("cloud/images/streams/")), "{left:?}");
}

#[test]
#[ignore = "starts a SeaweedFS"]
fn who_may_only_read_a_bucket_lists_it_and_changes_nothing() {
    let seaweed = Seaweed::start();
    let mut owner = Owner::new(&seaweed);
    for day in 0..2 {
        built(owner.dir.path(), day);
        assert_eq!(owner.run("publish gold.yaml").code, Some(0));
    }
    let objects = owner.objects();
    owner.user = "reader";
    assert_eq!(owner.images("list").stdout.lines().count(), 3);
    for words in ["delete gold/20261119T100000Z", "promote gold/20261119T100000Z --allow-older"] {
        let ran = owner.images(words);
        assert!(ran.code == Some(14) && ran.stderr.contains("is refused with 403"), "{words}: {}", ran.stderr);
        assert!(!ran.stderr.contains("readers-secret") && !ran.stderr.contains("X-Amz-Signature"), "{}", ran.stderr);
        assert_eq!(owner.objects(), objects, "{words}");
    }
    // A store that is cut off in the middle is told, and the next try works.
    owner.user = "writer";
    let wire = Wire::to(&seaweed);
    wire.set(Fault { cut_after: Some(40), ..Fault::default() });
    owner.endpoint.clone_from(&wire.endpoint);
    let ran = owner.images("list");
    assert!(ran.code == Some(14) && !ran.stderr.is_empty(), "{} {}", ran.stdout, ran.stderr);
    wire.set(Fault::default());
    assert_eq!(owner.images("list").stdout.lines().count(), 3);
}
