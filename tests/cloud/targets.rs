//! Images that are published as files: into a real object store, and for a client that reads their index.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use goldsmith::digest::Sha256;
use serde_json::{Value, json};

use crate::Ran;
use crate::cloud::Programs;
use crate::store::TestStore;

/// Bytes that are no others' and do not repeat.
fn data(size: usize, seed: u64) -> Vec<u8> {
    let mut data = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut data);
    data
}

/// A recipe with targets, and a directory as a build of it leaves it.
fn built(dir: &Path, targets: &str, day: u32, content: &[u8]) {
    let out = dir.join("out/gold");
    std::fs::create_dir_all(&out).expect("a directory");
    let recipe = "name: gold\narch: x86_64\nbase: { bootstrap: { distro: debian, release: bookworm } }\n\
        outputs: [{ format: qcow2 }, { format: tar }]\npublish:\n";
    std::fs::write(dir.join("gold.yaml"), format!("{recipe}{targets}\n")).expect("a file");
    let artifacts = [("qcow2", content), ("tar", b"tar".as_slice())].map(|(format, content)| {
        std::fs::write(out.join(format!("gold.{format}")), content).expect("a file");
        let sha256 = Sha256::of(content);
        json!({ "file": format!("gold.{format}"), "format": format, "size": content.len(), "sha256": sha256 })
    });
    let manifest = json!({
        "format": 1, "name": "gold", "arch": "x86_64", "layer": Sha256::of(content), "artifacts": artifacts,
        "distro": { "name": "debian", "release": "bookworm", "version": "12", "family": "debian" },
        "created": format!("2026-11-{day}T10:00:00Z"),
    });
    std::fs::write(out.join("manifest.json"), manifest.to_string()).expect("a file");
}

fn command(dir: &Path, words: &[&str], variables: &[(&'static str, String)]) -> Command {
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.arg("publish").arg("gold.yaml").args(words).current_dir(dir);
    goldsmith.env_clear().env("HOME", dir).env("PATH", "/usr/bin:/bin").envs(variables.iter().cloned());
    goldsmith
}

fn publish(dir: &Path, words: &[&str], variables: &[(&'static str, String)]) -> Ran {
    let Output { status, stdout, stderr } = command(dir, words, variables).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn s3(store: &TestStore, more: &str) -> String {
    format!("  - s3: {{ endpoint: '{}', bucket: images, prefix: cloud/images{more} }}", store.url)
}

#[test]
#[ignore = "starts a Swift"]
fn a_bucket_has_what_a_directory_has() {
    let store = TestStore::start();
    let (dir, variables) = (store.path("work"), store.variables());
    let targets = format!("{}\n  - directory: {{ path: tree, keep: 2 }}", s3(&store, ", keep: 2"));
    let run = |words: &[&str]| publish(&dir, words, &variables);
    for day in [19, 20, 21] {
        // The second one is as large as one part of an upload, the last has three.
        built(&dir, &targets, day, &data([1 << 20, 16 << 20, 40 << 20][day as usize - 19], u64::from(day)));
        let ran = run(&[]);
        assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
    }
    let tree = dir.join("tree");
    let objects = store.objects();
    assert_eq!(objects.len(), 2 * 4 + 3, "{objects:?}");
    for (key, object) in &objects {
        let path = key.strip_prefix("cloud/images/").expect("the prefix");
        if path == "gold/latest" {
            let link = std::fs::read_link(tree.join(path)).expect("a link");
            assert_eq!(object["text"].as_str().map(str::trim), link.to_str());
            assert_eq!(object["cache"], "no-cache");
            continue;
        }
        let digest = Sha256::of_file(&tree.join(path)).expect("a file");
        assert_eq!(object["sha256"], digest.to_string(), "{path}");
        let ending = path.rsplit('.').next().expect("an ending");
        let kind = match ending {
            "json" => "application/json",
            "qcow2" | "tar" => "application/octet-stream",
            _ => "text/plain; charset=utf-8",
        };
        assert_eq!(object["type"], kind, "{path}");
    }
    let again = run(&["--json"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let before: Vec<_> = again.stdout.lines().filter(|line| line.contains(r#""operation":"already-there""#)).collect();
    assert_eq!(before.len(), 2, "{}", again.stdout);
    assert_eq!(store.objects(), objects);

    let back = run(&["--rollback"]);
    assert_eq!(back.code, Some(0), "{} {}", back.stdout, back.stderr);
    assert_eq!(store.objects()["cloud/images/gold/latest"]["text"], "20261120T100000Z\n");
    let index = &store.objects()["cloud/images/streams/v1/goldsmith:download.json"]["text"];
    assert!(!index.as_str().expect("text").contains("20261121T100000Z"), "{index}");
}

#[test]
#[ignore = "starts a Swift"]
fn what_goes_wrong_leaves_the_bucket_as_it_was() {
    let store = TestStore::start();
    let (dir, variables) = (store.path("work"), store.variables());
    built(&dir, &s3(&store, ""), 20, b"disk");
    assert_eq!(publish(&dir, &[], &variables).code, Some(0));
    let objects = store.objects();
    let unchanged = |words: &str| {
        assert_eq!(store.objects(), objects, "{words}");
        assert_eq!(store.parts(), Vec::<String>::new(), "{words}");
    };

    let content = data(40 << 20, 7);
    let key = |name: &'static str, value: &str| {
        let mut changed = variables.to_vec();
        changed.retain(|(known, _)| *known != name);
        changed.push((name, value.to_owned()));
        changed
    };
    for (targets, variables, code, words) in [
        (s3(&store, ", acl: everybody"), variables.to_vec(), 14, "is refused with 400"),
        (s3(&store, ", region: mars-1"), variables.to_vec(), 14, "the region"),
        (s3(&store, "").replace("bucket: images", "bucket: other"), variables.to_vec(), 14, "make the bucket first"),
        (s3(&store, "").replace("127.0.0.1", "127.0.0.2"), variables.to_vec(), 14, "cannot reach http://127.0.0.2"),
        (s3(&store, ""), key("AWS_SECRET_ACCESS_KEY", "wrong-secret"), 14, "SignatureDoesNotMatch"),
        (s3(&store, ""), key("AWS_ACCESS_KEY_ID", "test:nobody"), 14, "is refused with 403"),
        (s3(&store, ""), Vec::new(), 2, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"),
        (s3(&store, ", profile: ci"), variables.to_vec(), 2, ".aws/credentials"),
    ] {
        built(&dir, &targets, 21, &content);
        let ran = publish(&dir, &[], &variables);
        assert_eq!(ran.code, Some(code), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        for hidden in ["testing", "wrong-secret", "X-Amz-Signature"] {
            assert!(!ran.stderr.contains(hidden) && !ran.stdout.contains(hidden), "{}", ran.stderr);
        }
        unchanged(words);
    }

    // The last byte is another one: that is found out after all parts have arrived, and before they are put together.
    built(&dir, &s3(&store, ""), 21, &content);
    let file = dir.join("out/gold/gold.qcow2");
    let mut other = content.clone();
    *other.last_mut().expect("a byte") ^= 1;
    std::fs::write(&file, other).expect("a file");
    let ran = publish(&dir, &[], &variables);
    assert!(ran.code == Some(14) && ran.stderr.contains("is not what was built"), "{}", ran.stderr);
    unchanged("changed");

    // Who stops leaves nothing.
    let large = data(200 << 20, 9);
    built(&dir, &s3(&store, ""), 21, &large);
    let child = uploading(&store, &dir, &variables);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    unchanged("interrupted");

    // Who is killed leaves what nobody sees, and the next run goes on.
    let mut child = uploading(&store, &dir, &variables);
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    assert_eq!((store.objects(), store.parts().len()), (objects, 1));
    let young = publish(&dir, &["--cleanup"], &variables);
    assert_eq!((young.code, store.parts().len()), (Some(0), 1), "{}", young.stdout);
    let would = publish(&dir, &["--cleanup", "--older-than", "0s", "--dry-run"], &variables);
    assert!(would.stdout.contains("would remove ") && store.parts().len() == 1, "{}", would.stdout);
    let cleaned = publish(&dir, &["--cleanup", "--older-than", "0s"], &variables);
    assert_eq!(
        would.stdout.replace("would remove ", "").replace("gold.qcow2:", "gold.qcow2 is removed:"),
        cleaned.stdout
    );
    assert!(cleaned.code == Some(0) && cleaned.stdout.contains("gold.qcow2 is removed"), "{}", cleaned.stdout);
    assert_eq!(store.parts(), Vec::<String>::new());
    assert_eq!(publish(&dir, &[], &variables).code, Some(0));
    assert_eq!(store.objects()["cloud/images/gold/latest"]["text"], "20261121T100000Z\n");
}

/// Starts to publish, and waits until parts are on their way.
fn uploading(store: &TestStore, dir: &Path, variables: &[(&'static str, String)]) -> Child {
    let mut goldsmith = command(dir, &[], variables);
    let child = goldsmith.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
    let started = Instant::now();
    while store.parts().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is uploaded");
    }
    child
}

#[test]
#[ignore = "installs a simplestreams client"]
fn a_simplestreams_client_finds_every_file() {
    let dir = tempfile::tempdir().expect("a directory");
    for day in [20, 21] {
        built(dir.path(), "  - directory: { path: tree }", day, format!("disk {day}").as_bytes());
        assert_eq!(publish(dir.path(), &[], &[]).code, Some(0));
    }
    let url = serve(dir.path().join("tree"));
    let look = "import json, sys; from simplesimplestreams import SimpleStreamsClient; \
        print(json.dumps(SimpleStreamsClient(sys.argv[1]).list_images()))";
    let output = Programs::install().command("python").args(["-c", look, &url]).output().expect("Python");
    let products: Value = serde_json::from_slice(&output.stdout).expect("products");
    let product = &products[0];
    assert_eq!((products.as_array().map(Vec::len), &product["aliases"]), (Some(1), &json!("gold")), "{products}");
    let versions = product["versions"].as_object().expect("versions");
    assert_eq!(versions.keys().collect::<Vec<_>>(), ["20261120T100000Z", "20261121T100000Z"]);
    for item in versions.values().flat_map(|version| version["items"].as_object().expect("items").values()) {
        let path = item["path"].as_str().expect("a path");
        let content = ureq::get(format!("{url}/{path}")).call().expect(path).body_mut().read_to_vec().expect(path);
        assert_eq!(item["size"], content.len(), "{path}");
        assert_eq!(item["sha256"], Sha256::of(&content).to_string(), "{path}");
    }
}

/// Files of a directory by HTTP, for as long as the test runs.
fn serve(root: PathBuf) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", socket.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4096];
            let count = stream.read(&mut request).expect("a request");
            let line = String::from_utf8_lossy(&request[..count]).into_owned();
            let path = line.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').replace("%3A", ":");
            let (status, content) = match std::fs::read(root.join(path)) {
                Ok(content) => ("200 OK", content),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
            // Who has gone away wants no answer.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&content));
        }
    });
    url
}
