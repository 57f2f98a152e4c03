//! The remote cache in a real registry: two caches play two machines.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use goldsmith::digest::Sha256;
use goldsmith::fetch::Network;
use goldsmith::fetch::container::RegistryLogins;
use goldsmith::interrupt::Interrupt;
use goldsmith::remote::{ObjectStore as _, Oci};
use serde_json::{Value, json};

use super::Ran;
use super::registry::Registry;
use super::remote::{BASE, Machine, NAMES, keeps_small_objects, key, keys, ran};
use super::seaweed::{Fault, Wire};

/// `me:pass`.
const LOGINS: &str = r#"{ "auths": { "HOST": { "auth": "bWU6cGFzcw==" } } }"#;

const NAME: &str = "team/layers";

fn open(host: &str) -> Oci {
    let mut registries = RegistryLogins::default();
    registries.add(&LOGINS.replace("HOST", host)).expect("logins");
    Oci::new(host, NAME, false, &Network { registries, ..Network::default() })
}

/// A command of a machine, with the login or without.
fn run(machine: &Machine, login: bool, host: &str, key: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command.env_clear().env("HOME", machine.dir.path()).env("PATH", "/usr/bin:/bin");
    if login {
        let file = machine.path("auth.json");
        std::fs::write(&file, LOGINS.replace("HOST", host)).expect("a file");
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a file");
        command.env("REGISTRY_AUTH_FILE", file);
    }
    command.env("GOLDSMITH_REMOTE_CACHE", format!("oci://{host}/{NAME}")).env("GOLDSMITH_REMOTE_CACHE_KEY", key);
    command.args(arguments).arg("--cache").arg(machine.path("cache"));
    ran(command)
}

/// Returns the file of the registry with a blob.
fn stored(dir: &Path, sha256: &str) -> PathBuf {
    dir.join(format!("registry/docker/registry/v2/blobs/sha256/{}/{sha256}/data", &sha256[..2]))
}

/// Returns all files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
#[ignore = "starts a registry"]
fn a_registry_keeps_the_first_record_and_has_no_conditions() {
    let dir = tempfile::tempdir().expect("a directory");
    let registry = Registry::start(dir.path(), false, true);
    let (store, never) = (open(&registry.host), Interrupt::new());
    assert!(store.list("layers").expect("a repository that is not there is empty").is_empty());
    keeps_small_objects(&store);
    assert!(!store.may_keep_conditions() && store.put_new("leases/one", b"x").is_err());
    assert!(store.get("leases/one", &never).expect("no lease").is_none());

    let file = dir.path().join("blob");
    std::fs::write(&file, "content").expect("a file");
    let (sha256, other) = (Sha256::of(b"content"), Sha256::of(b"other"));
    let name = |sha256: &Sha256| format!("blobs/{sha256}.zst");
    store.upload(&name(&sha256), &file, &sha256, &|_| {}, &never).expect("it is taken");
    assert_eq!(store.size(&name(&sha256)).expect("it answers"), Some(7));
    let error = store.upload(&name(&other), &file, &other, &|_| {}, &never).expect_err("another digest");
    assert!(error.to_string().contains("is damaged"), "{error}");
    assert_eq!(store.size(&name(&other)).expect("it answers"), None);
    store.remove(&name(&sha256)).expect("it answers");
    assert_eq!(store.size(&name(&sha256)).expect("it answers"), None);
    store.remove("layers/one").expect("it answers");
    store.remove("layers/one").expect("it is gone already");
    assert_eq!(store.size("layers/one").expect("it answers"), None);
    assert!(store.list("layers").expect("it answers").is_empty());
}

#[test]
#[ignore = "starts a registry"]
fn the_layers_of_one_machine_reach_another_through_a_registry() {
    let (dir, one, two) = (tempfile::tempdir().expect("a directory"), Machine::with_layers(), Machine::new());
    let (key_file, public) = keys(one.dir.path());
    let host;
    {
        let registry = Registry::start(dir.path(), true, false);
        host = registry.host.clone();
        let run = |login: bool, arguments: &[&str]| run(&one, login, &host, &key_file, arguments);
        let refused = run(false, &["cache", "push"]);
        assert!(refused.code == Some(11) && refused.stderr.contains("wants a login"), "{}", refused.stderr);
        let pushed = run(true, &["cache", "push", "--json"]).json();
        assert_eq!((&pushed["uploaded"], &pushed["other"]), (&json!(3), &json!(0)), "{pushed}");
        assert!(pushed["sent"].as_u64().expect("a number") > BASE as u64);
        assert_eq!(run(true, &["cache", "push", "--json"]).json()["there"], json!(3));
        assert_eq!(two.fetch(open(&host), &public), [""; 0]);
        assert_eq!(NAMES.map(|name| two.digest(name)), NAMES.map(|name| one.digest(name)));

        // What is collected as garbage is nothing that a record names.
        let config = dir.path().join("registry.yml").display().to_string();
        let collected = Command::new("docker-registry").args(["garbage-collect", &config]).output().expect("it runs");
        assert!(collected.status.success(), "{collected:?}");
        let verified = run(true, &["cache", "verify", "--remote"]);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        // No key, no login and no other secret is in the registry.
        let secret = std::fs::read_to_string(&key_file).expect("a key");
        let secret = secret.lines().last().expect("a key").as_bytes();
        for file in files(&dir.path().join("registry")) {
            let content = std::fs::read(&file).expect("readable");
            for hidden in [secret, b"me:pass", b"bWU6cGFzcw"] {
                assert!(!content.windows(hidden.len()).any(|part| part == hidden), "{}", file.display());
            }
        }
        let gone = run(true, &["cache", "gc", "--remote", "--all"]);
        assert!(gone.code == Some(11) && gone.stderr.contains("does not allow to delete"), "{}", gone.stderr);
        assert_eq!(open(&host).list("layers").expect("it answers").len(), 3);
    }
    let registry = Registry::start(dir.path(), true, true);
    let run = |arguments: &[&str]| run(&one, true, &registry.host, &key_file, arguments);
    let listed = run(&["cache", "ls", "--remote", "--json"]).json();
    let listed = listed.as_array().expect("a list");
    assert_eq!(listed.len(), 3);
    let top = listed.iter().find(|layer| layer["key"] == key("top").to_string()).expect("it is there");
    assert!(top["refused"].is_null() && top["record"]["layer"]["image_name"] == "web", "{top}");
    // A blob of another content under the right name is a miss.
    let blob = |layer: &Value| layer["record"]["blobs"]["disk"]["sha256"].as_str().expect("a digest").to_owned();
    let file = stored(dir.path(), &blob(top));
    let mut content = std::fs::read(&file).expect("a blob");
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&file, content).expect("a blob");
    let verified = run(&["cache", "verify", "--remote"]);
    assert!(verified.code == Some(11) && verified.stdout.contains(&key("top").short()), "{}", verified.stdout);
    let three = Machine::new();
    let said = three.fetch(open(&registry.host), &public);
    assert!(said.len() == 1 && said[0].contains("is damaged"), "{said:?}");
    assert_eq!(NAMES.map(|name| three.digest(name).is_some()), [true, true, false]);

    let gone = run(&["cache", "gc", "--remote", "--all"]);
    assert!(gone.stdout.contains("removed 3 layers"), "{}{}", gone.stdout, gone.stderr);
    let store = open(&registry.host);
    assert!(
        store.list("layers").expect("it answers").is_empty() && store.list("blobs").expect("it answers").is_empty()
    );
}

#[test]
#[ignore = "starts a registry"]
fn a_registry_that_is_silent_cut_lying_closed_or_away_costs_little_and_breaks_nothing() {
    let (dir, one) = (tempfile::tempdir().expect("a directory"), Machine::with_layers());
    let (key_file, public) = keys(one.dir.path());
    let registry = Registry::start(dir.path(), true, true);
    let pushed = run(&one, true, &registry.host, &key_file, &["cache", "push"]);
    assert_eq!(pushed.code, Some(0), "{}", pushed.stderr);
    let port = registry.host.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let wire = Wire::to_port(port);
    let host = wire.endpoint.trim_start_matches("http://");
    let fetch = |store: Oci| {
        let (machine, started) = (Machine::new(), Instant::now());
        let said = machine.fetch(store, &public);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(machine.digest("top").is_none(), "nothing that is not whole counts");
        (said[0].clone(), started.elapsed())
    };
    wire.set(Fault { silent: true, ..Fault::default() });
    let (said, took) = fetch(open(host));
    assert!(said.contains("has not answered for 3 s") && took < Duration::from_secs(6), "{said} {took:?}");
    wire.set(Fault { cut_after: Some(5 << 20), ..Fault::default() });
    let (said, _) = fetch(open(host));
    assert!(said.contains("ended early"), "{said}");
    wire.set(Fault { lie_at: Some(5 << 20), ..Fault::default() });
    let (said, _) = fetch(open(host));
    assert!(said.contains("is damaged") && said.contains("is made again"), "{said}");
    let (said, took) = fetch(Oci::new(&registry.host, NAME, false, &Network::default()));
    assert!(said.contains("wants a login") && took < Duration::from_secs(4), "{said} {took:?}");
    let (said, took) = fetch(open("127.0.0.1:1"));
    assert!(said.contains("cannot reach") && took < Duration::from_secs(4), "{said} {took:?}");
    // A repository that is not there is an empty cache.
    let (empty, network) = (Machine::new(), Network::default());
    let other = tempfile::tempdir().expect("a directory");
    let public_registry = Registry::start(other.path(), false, false);
    assert_eq!(empty.fetch(Oci::new(&public_registry.host, "no/such", false, &network), &public), [""; 0]);
    assert_eq!(empty.digest("base"), None);
}
