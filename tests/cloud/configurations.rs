//! Configurations of clouds, read by openstacksdk and by this program: both get in the same way.

#[path = "configurations/cases.rs"]
mod cases;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use goldsmith::openstack::config::{CloudConfig, Places};
use serde_json::{Value, json};

use super::cloud;
use cases::{Dice, make};

const CASES: u64 = 400;

/// Complaints of openstacksdk about what this program takes: keys that belong to another way to log in, users and projects
/// without a domain, which are of the default one as with OpenStack's command-line client, braces in keys that are not read, and
/// an `auth` with nothing in it.
const LENIENT: [&str; 4] =
    ["unexpected keyword argument", "so you must also provide either a", "KeyError: 'x'", "'NoneType' object"];

/// What this program makes of a case, in the form of `openstacksdk.py`.
fn resolved(case: &Value) -> Value {
    let environment: BTreeMap<String, String> = serde_json::from_value(case["environment"].clone()).expect("texts");
    let told = |name: &str| environment.get(name).map(Into::into);
    let here = case["here"].as_str().expect("a path").into();
    let cloud = case["cloud"].as_str().map(str::to_owned);
    match CloudConfig::find(&Places { cloud, ..Places::search(here, &told, environment.clone()) }) {
        Err(error) => json!({ "error": error.to_string() }),
        Ok(found) => json!({
            "name": found.name,
            "auth_url": found.auth_url,
            "request": found.auth.request(),
            "region": found.region,
            "interface": found.interface,
            "verify": match (found.verify, &found.ca_file) {
                (true, Some(file)) => json!(file),
                (verify, _) => json!(verify),
            },
            "cert": found.client.as_ref().map(|client| &client.certificate),
            "key": found.client.as_ref().and_then(|client| client.key.as_ref()),
            "image": found.image_endpoint,
            "key_manager": found.key_manager_endpoint,
            "timeout": found.silence.as_secs_f64(),
        }),
    }
}

/// Whether a request for a token has something else than texts where Keystone's API has texts.
fn is_refused(request: &Value) -> bool {
    match request {
        Value::Object(map) if map.get("user").is_some_and(|user| user.get("name").or(user.get("id")).is_none()) => true,
        Value::Object(map) => {
            map.iter().any(|(key, value)| !(key == "system" && value["all"] == true) && is_refused(value))
        }
        Value::Array(list) => list.iter().any(is_refused),
        Value::String(_) => false,
        _ => true,
    }
}

#[test]
#[ignore = "installs OpenStack's own client"]
fn configurations_are_read_as_openstacksdk_reads_them() {
    let mut python = cloud::Programs::install().command("python");
    let dir = tempfile::tempdir().expect("a directory");
    let mut dice = Dice(fastrand::Rng::with_seed(1));
    let cases: Vec<Value> = (0..CASES).map(|number| make(&mut dice, &dir.path().join(number.to_string()))).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud/configurations/openstacksdk.py");
    let mut child = python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    child.stdin.take().expect("an input").write_all(json!(cases).to_string().as_bytes()).expect("a pipe");
    let output = child.wait_with_output().expect("it ends");
    let theirs: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list");
    let (mut alike, mut refused, mut wrong) = (0, 0, String::new());
    for (number, (case, theirs)) in cases.iter().zip(&theirs).enumerate() {
        let ours = resolved(case);
        let theirs_fail = theirs.get("error").is_some() || is_refused(&theirs["request"]);
        if LENIENT.iter().any(|words| theirs["error"].as_str().is_some_and(|error| error.contains(words))) {
            continue;
        }
        match (theirs_fail, ours.get("error").is_some()) {
            (true, true) => refused += 1,
            (false, false) if &ours == theirs => alike += 1,
            _ => {
                let files = Command::new("sh")
                    .arg("-c")
                    .arg("find . -type f | xargs tail -n +1")
                    .current_dir(dir.path().join(number.to_string()))
                    .output();
                let files = String::from_utf8_lossy(&files.expect("it runs").stdout).into_owned();
                let _ = writeln!(wrong, "\n=== {number}: {case}\n{files}\ntheirs: {theirs}\nours:   {ours}");
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {CASES} differ:{wrong}", wrong.matches("\n=== ").count());
    assert!(alike > 200 && refused > 10, "{alike} alike, {refused} refused by both: the cases say too little");
}
