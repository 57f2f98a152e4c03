//! Numbers and spans of builds, read by the programs of others: the classes of OpenTelemetry, and the client of Prometheus.

use std::io::{BufRead as _, BufReader, Lines};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Ran;
use crate::cloud::Programs;

const SECRET: &str = "correct-horse-battery";

fn programs() -> Programs {
    Programs::install_as("telemetry", include_str!("cloud/requirements-telemetry.txt"))
}

/// A collector that tells what it understood.
struct Receiver {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    endpoint: String,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Receiver {
    fn start(programs: &Programs) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud/collector.py");
        let mut child = programs.service("python3").arg(script).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let port = lines.next().expect("a line").expect("text");
        Self { child, lines, endpoint: format!("http://127.0.0.1:{port}") }
    }

    fn told(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().expect("a line").expect("text")).expect("JSON")
    }
}

/// A build that ends before there is a guest: its base is no image.
fn build(dir: &Path, variables: &[(&str, &str)]) -> Ran {
    std::fs::write(dir.join("base.qcow2"), "no image").expect("a file");
    let sha256 = goldsmith::digest::Sha256::of(b"no image");
    let recipe = format!(
        "name: web-{SECRET}\nbase: {{ image: {{ source: base.qcow2, sha256: {sha256} }} }}\nsecrets: {{ token: {{ env: TOKEN }} }}\n\
         steps: {{ configure: [{{ run: {{ inline: one, secrets: [token] }} }}] }}\noutputs: [{{ format: qcow2 }}]\n"
    );
    std::fs::write(dir.join("web.yaml"), recipe).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command.env_clear().env("HOME", dir).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("TOKEN", SECRET);
    command.envs(variables.iter().copied()).current_dir(dir);
    command
        .args(["build", "web.yaml", "--cache", "cache", "--metrics", "goldsmith.prom"])
        .output()
        .expect("it runs")
        .into()
}

#[test]
#[ignore = "installs programs of PyPI"]
fn a_collector_understands_the_spans_and_sees_no_secret() {
    let (programs, dir) = (programs(), tempfile::tempdir().expect("a directory"));
    let mut receiver = Receiver::start(&programs);
    let ran = build(
        dir.path(),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=open%20sesame"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team=images"),
            ("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ],
    );
    assert!(!ran.stderr.contains("collector"), "{}", ran.stderr);
    let told = receiver.told();
    assert!(!told.to_string().contains(SECRET), "{told}");
    assert_eq!((&told["path"], &told["key"]), (&json!("/v1/traces"), &json!("open sesame")));
    assert_eq!(
        (&told["resources"][0]["team"], &told["resources"][0]["service.name"]),
        (&json!("images"), &json!("goldsmith"))
    );
    let spans = told["spans"].as_array().expect("spans");
    let of = |name: &str| spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{name}: {told}"));
    let (root, prepare) = (of("build web-***"), of("prepare"));
    assert_eq!((&root["parent"], &prepare["parent"]), (&json!("00f067aa0ba902b7"), &root["id"]));
    assert_eq!((&root["status"], &root["attributes"]["goldsmith.result"]), (&json!(2), &json!("failed")));
    let time = |span: &Value, key: &str| span[key].as_u64().expect("nanoseconds");
    assert!(time(root, "start") <= time(prepare, "start") && time(prepare, "end") <= time(root, "end"), "{told}");
    assert!(time(root, "start") > 1_700_000_000_000_000_000, "{told}");
}

#[test]
#[ignore = "installs programs of PyPI"]
fn the_client_of_prometheus_reads_the_numbers() {
    let (programs, dir) = (programs(), tempfile::tempdir().expect("a directory"));
    let first = build(dir.path(), &[]);
    assert_eq!(build(dir.path(), &[]).code, first.code);
    let read = "import json, sys\nfrom prometheus_client.parser import text_string_to_metric_families as read\n\
        print(json.dumps([[family.type, sample.name, sample.labels, sample.value] for family in read(open(sys.argv[1]).read()) for sample in family.samples]))";
    let file = dir.path().join("goldsmith.prom");
    let output = programs.command("python3").args(["-c", read]).arg(&file).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let samples: Vec<(String, String, Value, f64)> = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |name: &str| {
        let found = samples.iter().find(|(_, known, ..)| known == name);
        found.unwrap_or_else(|| panic!("{name}: {samples:?}"))
    };
    let (kind, _, labels, value) = of("goldsmith_builds_total");
    assert_eq!((kind.as_str(), &labels["result"], *value), ("counter", &json!("failed"), 2.0));
    let (kind, _, _, value) = of("goldsmith_last_build_success");
    assert_eq!((kind.as_str(), *value), ("gauge", 0.0));
}

#[test]
#[ignore = "waits for a silent collector"]
fn a_collector_that_is_silent_absent_or_unwilling_fails_no_build() {
    let dir = tempfile::tempdir().expect("a directory");
    let without = build(dir.path(), &[]);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("http://{}", silent.local_addr().expect("an address"));
    for (endpoint, words) in [
        (silent.as_str(), "it has not answered for 3 s"),
        ("http://127.0.0.1:1", "Connection refused"),
        ("no address", "did not get all spans"),
    ] {
        let started = Instant::now();
        let ran = build(dir.path(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]);
        assert_eq!(ran.code, without.code, "{endpoint}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{endpoint}: {}", ran.stderr);
        assert!(started.elapsed() < Duration::from_secs(8), "{endpoint}: {:?}", started.elapsed());
    }
}
