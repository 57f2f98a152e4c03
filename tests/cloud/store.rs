//! An object store of a test's own: OpenStack's Swift with the S3 API, from PyPI, on loopback, without root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cloud::{Programs, free_port, id, run, tail};

/// Longest time until it answers, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the store's makers' client sees, which no code of this project has a part in.
const LOOK: &str = r#"
import boto3, hashlib, json, sys
from botocore.config import Config
store = boto3.client("s3", endpoint_url=sys.argv[1], aws_access_key_id="test:tester", aws_secret_access_key="testing",
                     region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))
if sys.argv[2] == "make":
    store.create_bucket(Bucket="images")
elif sys.argv[2] == "parts":
    print(json.dumps([upload["Key"] for upload in store.list_multipart_uploads(Bucket="images").get("Uploads", [])]))
else:
    found = {}
    for page in store.get_paginator("list_objects_v2").paginate(Bucket="images"):
        for known in page.get("Contents", []):
            answer = store.get_object(Bucket="images", Key=known["Key"])
            content = answer["Body"].read()
            found[known["Key"]] = {
                "sha256": hashlib.sha256(content).hexdigest(), "type": answer["ContentType"],
                "cache": answer.get("CacheControl"), "text": content.decode() if len(content) < 10000 else None,
            }
    print(json.dumps(found))
"#;

pub(crate) struct TestStore {
    services: Vec<Child>,
    dir: tempfile::TempDir,
    programs: Programs,
    pub(crate) url: String,
}

impl Drop for TestStore {
    fn drop(&mut self) {
        for service in &mut self.services {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

impl TestStore {
    /// A store with the bucket `images`.
    pub(crate) fn start() -> Self {
        let programs = Programs::install();
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(dir.path().join("disks/one")).expect("a directory");
        let swift = "[swift-hash]\nswift_hash_path_suffix = test\n[storage-policy:0]\nname = default\ndefault = yes\n";
        fs::write(dir.path().join("swift.conf"), swift).expect("a file");
        let mut services = Vec::new();
        for kind in ["account", "container", "object"] {
            let port = free_port();
            let ring = dir.path().join(format!("{kind}.builder"));
            let device = format!("r1z1-127.0.0.1:{port}/one");
            for arguments in [&["create", "1", "1", "1"][..], &["add", &device, "1"], &["rebalance"]] {
                run(programs.command("swift-ring-builder").arg(&ring).args(arguments));
            }
            let app = format!(
                "devices = {}\nmount_check = false\nfallocate_reserve = 0\ndisable_fallocate = true\n\
                 [pipeline:main]\npipeline = {kind}-server\n[app:{kind}-server]\nuse = egg:swift#{kind}\n",
                dir.path().join("disks").display()
            );
            services.push(serve(&programs, dir.path(), kind, port, &app));
        }
        let port = free_port();
        let filters = ["catch_errors", "memcache", "listing_formats", "s3api", "tempauth", "copy", "slo", "dlo"];
        let mut app = format!("[pipeline:main]\npipeline = {} proxy-server\n", filters.join(" "));
        app.push_str("[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n");
        for filter in filters {
            app.push_str(&format!("[filter:{filter}]\nuse = egg:swift#{filter}\n"));
            app.push_str(match filter {
                "s3api" => "s3_acl = true\n",
                "tempauth" => "user_test_tester = testing .admin\n",
                _ => "",
            });
        }
        services.push(serve(&programs, dir.path(), "proxy", port, &app));
        let mut store = Self { services, dir, programs, url: format!("http://127.0.0.1:{port}") };
        let started = Instant::now();
        while !store.client("make").status.success() {
            let logs =
                ["account", "container", "object", "proxy"].map(|name| tail(&store.path(&format!("{name}.out"))));
            let ended = store.services.iter_mut().any(|service| !matches!(service.try_wait(), Ok(None)));
            assert!(!ended && started.elapsed() < PATIENCE, "Swift does not answer:\n{}", logs.join("\n"));
            std::thread::sleep(Duration::from_millis(200));
        }
        store
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What a user's shell has.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [("AWS_ACCESS_KEY_ID", "test:tester".to_owned()), ("AWS_SECRET_ACCESS_KEY", "testing".to_owned())]
    }

    /// All objects: digest, type, caching, and content if it is short.
    pub(crate) fn objects(&self) -> serde_json::Map<String, Value> {
        serde_json::from_slice(&self.client("objects").stdout).expect("objects")
    }

    /// Names of objects that are uploaded in parts which are not put together.
    pub(crate) fn parts(&self) -> Vec<String> {
        serde_json::from_slice(&self.client("parts").stdout).expect("uploads")
    }

    fn client(&self, what: &str) -> std::process::Output {
        let mut python = self.programs.command("python");
        python.args(["-c", LOOK, &self.url, what]).output().expect("Python")
    }
}

/// Starts a service, which ends with this process.
fn serve(programs: &Programs, dir: &Path, kind: &str, port: u16, app: &str) -> Child {
    let conf = dir.join(format!("{kind}.conf"));
    let common = format!(
        "[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nswift_dir = {}\nuser = {}\nworkers = 0\n",
        dir.display(),
        id("-un")
    );
    fs::write(&conf, common + app).expect("a file");
    let out = File::create(dir.join(format!("{kind}.out"))).expect("a file");
    programs
        .service(&format!("swift-{kind}-server"))
        .arg(&conf)
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("a file"))
        .stderr(out)
        .spawn()
        .expect("setpriv of util-linux")
}
