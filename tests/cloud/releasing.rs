//! Images of a recipe after one another: promoted, retired, removed, and back again.

use std::path::PathBuf;
use std::time::Duration;

use goldsmith::digest::Sha256;
use serde_json::{Value, json};

use crate::cloud::TestCloud;
use crate::publishing::{built, path};
use crate::{Ran, goldsmith};

/// Changes what a manifest says.
fn tell(dir: &std::path::Path, name: &str, value: Value) {
    let file = dir.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&file).expect("a manifest")).expect("JSON");
    manifest[name] = value;
    std::fs::write(file, manifest.to_string()).expect("a file");
}

/// The n-th image of the recipe: larger than the one before.
fn release(cloud: &TestCloud, number: usize) -> PathBuf {
    // Services tell the time in seconds, and order images by it.
    std::thread::sleep(Duration::from_millis(1100));
    let dir = built(cloud, "gold", number, &Value::Null);
    tell(&dir, "created", json!(format!("2026-11-0{number}T12:00:00Z")));
    tell(&dir, "verified", json!({ "key": Sha256::of(b"key"), "passed": true }));
    dir
}

/// A recipe in a file of its own.
fn recipe(cloud: &TestCloud, publish: &str) -> PathBuf {
    let file = cloud.path("gold.yaml");
    let base = "base: { bootstrap: { distro: debian, release: bookworm } }";
    std::fs::write(&file, format!("name: gold\n{base}\npublish: {publish}\n")).expect("a file");
    file
}

/// Name, whether it is hidden, and tags of all images there are, oldest first.
fn all(cloud: &TestCloud) -> Vec<(String, bool, Vec<String>)> {
    let list = |more: &[&str]| {
        let arguments = [&["images", "list", "--json", "--sort", "created_at:asc"], more].concat();
        goldsmith(cloud, &arguments, &cloud.variables()).json().as_array().expect("a list").clone()
    };
    let mut images = [list(&[]), list(&["--hidden"])].concat();
    images.sort_by_key(|image| image["created_at"].to_string());
    let facts = images.iter().map(|image| {
        let tags = image["tags"].as_array().expect("tags").iter().filter_map(Value::as_str).map(str::to_owned);
        let name = image["name"].as_str().expect("a name").to_owned();
        (name, image["os_hidden"] == json!(true), tags.collect())
    });
    facts.collect()
}

fn image(name: &str, hidden: bool, tags: &[&str]) -> (String, bool, Vec<String>) {
    (name.to_owned(), hidden, tags.iter().map(|tag| (*tag).to_owned()).collect())
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn releases_follow_one_another_and_go_back() {
    let cloud = TestCloud::start();
    let recipe = recipe(
        &cloud,
        "[{ glance: { name: '{{ name }}-{{ version }} %Y-%m-%d', keep: 2, promote: { tag: stable, visibility: public }, protected: true } }]",
    );
    let publish = |more: &[&str]| -> Ran {
        let dir = cloud.path("gold");
        goldsmith(&cloud, &[&["publish", path(&recipe), "--out", path(&dir)], more].concat(), &cloud.variables())
    };
    let good = |more: &[&str]| {
        let ran = publish(more);
        assert_eq!(ran.code, Some(0), "{more:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    let [first, second, third] = [1, 2, 3].map(|day| format!("gold-12 2026-11-0{day}"));
    release(&cloud, 1);
    good(&[]);
    assert_eq!(all(&cloud), [image(&first, false, &["stable"])]);
    assert_eq!(good(&[]).lines().count(), 1, "what is promoted is not promoted again");
    release(&cloud, 2);
    good(&[]);
    assert_eq!(all(&cloud), [image(&first, true, &[]), image(&second, false, &["stable"])]);
    let theirs = cloud.openstack(&["image", "list", "--tag", "stable"]);
    assert_eq!((theirs.as_array().map(Vec::len), &theirs[0]["Name"]), (Some(1), &json!(second)));
    release(&cloud, 3);
    let before = all(&cloud);
    let would = good(&["--dry-run"]);
    assert_eq!(all(&cloud), before, "a dry run changes nothing");
    let done = good(&[]);
    let removed = done.lines().find_map(|line| line.strip_suffix(" is removed: 2 are kept")).expect("one is removed");
    assert_eq!(would, format!("would publish {third}\nwould remove {removed}: 2 are kept\n"));
    assert!(good(&["--dry-run"]).starts_with(&format!("{third} was there before as ")));
    assert_eq!(all(&cloud), [image(&second, true, &[]), image(&third, false, &["stable"])]);

    good(&["--rollback"]);
    assert_eq!(all(&cloud), [image(&second, false, &["stable"]), image(&third, true, &[])]);
    let ran = publish(&["--rollback"]);
    assert!(ran.code == Some(14) && ran.stderr.contains("no image of `gold` before"), "{}", ran.stderr);

    // What was taken back stays so, whoever publishes it again.
    assert!(good(&[]).contains("stays: it was rolled back"));
    assert_eq!(all(&cloud), [image(&second, false, &["stable"]), image(&third, true, &[])]);

    // What was not verified is not even uploaded.
    let dir = release(&cloud, 4);
    tell(&dir, "verified", Value::Null);
    let ran = publish(&[]);
    assert!(ran.code == Some(14) && ran.stderr.contains("not verified"), "{}", ran.stderr);
    assert_eq!(all(&cloud).len(), 2);
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn what_cannot_be_promoted_leaves_all_as_it_was() {
    let cloud = TestCloud::start_with("[oslo_policy]\npolicy_file = policy.yaml\nenforce_scope = false\n");
    let modifying = |rule: &str| {
        let policy = format!("modify_image: '{rule}'\n");
        std::fs::write(cloud.path("glance/policy.yaml"), policy).expect("a file");
    };
    modifying("");
    let publish = |promote: &str, more: &[&str]| {
        let recipe = recipe(&cloud, &format!("[{{ glance: {{ promote: {promote} }} }}]"));
        let dir = cloud.path("gold");
        goldsmith(&cloud, &[&["publish", path(&recipe), "--out", path(&dir)], more].concat(), &cloud.variables())
    };
    release(&cloud, 1);
    let ran = publish("{}", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let before = [image("gold", false, &["promoted"])];
    assert_eq!(all(&cloud), before);
    release(&cloud, 2);
    // Images may be made and removed, and not changed.
    modifying("!");
    let ran = publish("{ visibility: public }", &[]);
    assert!(ran.code == Some(14) && ran.stderr.contains("cannot promote"), "{}{}", ran.stdout, ran.stderr);
    modifying("");
    assert_eq!(all(&cloud), before);

    let ran = publish("{ retire: rename }", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let names: Vec<_> = all(&cloud).into_iter().map(|(name, ..)| name).collect();
    assert!(names[0].starts_with("gold (20") && names[1] == "gold", "{names:?}");
    let ran = publish("{ retire: rename }", &["--rollback"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let names: Vec<_> = all(&cloud).into_iter().map(|(name, ..)| name).collect();
    assert!(names[0] == "gold" && names[1].starts_with("gold (20"), "{names:?}");

    // Leftovers are the recipe's own, and old enough.
    let token = cloud.openstack(&["token", "issue"])["id"].as_str().expect("a token").to_owned();
    for of in ["goldsmith_image", "their_image"] {
        let record = json!({ "name": "left", "disk_format": "qcow2", "container_format": "bare", of: "gold" });
        let request = ureq::post(format!("{}/v2/images", cloud.image_url)).header("X-Auth-Token", &token);
        request.header("Content-Type", "application/json").send(record.to_string()).expect("a record");
    }
    let ran = publish("{}", &["--cleanup"]);
    assert!(ran.code == Some(0) && ran.stdout.contains("somebody may be at work"), "{}{}", ran.stdout, ran.stderr);
    let would = publish("{}", &["--cleanup", "--older-than", "0s", "--dry-run"]);
    assert_eq!(all(&cloud).len(), 4, "{}{}", would.stdout, would.stderr);
    let ran = publish("{}", &["--cleanup", "--older-than", "0s"]);
    let id = ran.stdout.split(' ').next().expect("an id");
    assert_eq!(would.stdout, format!("would remove {id}: it was left `queued`\n"));
    assert!(ran.code == Some(0) && ran.stdout.contains("it was left `queued`"), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(all(&cloud).len(), 3);
    assert_eq!(publish("{}", &["--cleanup"]).stdout, "there was nothing to do\n");
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn targets_fail_alone() {
    let clouds = [TestCloud::start(), TestCloud::start()];
    let cloud = &clouds[0];
    let directory = cloud.path("home/.config/openstack");
    std::fs::create_dir_all(&directory).expect("a directory");
    let entry = |name: &str, url: &str| {
        let auth = format!(
            "{{ auth_url: '{url}', username: admin, password: {}, project_name: admin }}",
            crate::cloud::PASSWORD
        );
        format!("  {name}: {{ auth: {auth} }}\n")
    };
    let text = ["clouds:\n".to_owned(), entry("one", &clouds[0].auth_url), entry("two", &clouds[1].auth_url)].concat();
    std::fs::write(directory.join("clouds.yaml"), text + &entry("gone", "http://127.0.0.1:1")).expect("a file");
    let recipe = recipe(
        cloud,
        "[{ glance: { cloud: one, name: first } }, { glance: { cloud: gone } }, { glance: { cloud: two } }]",
    );
    let dir = release(cloud, 1);
    let ran = goldsmith(cloud, &["publish", path(&recipe), "--out", path(&dir)], &[]);
    assert_eq!(ran.code, Some(14), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 of 3 targets failed"), "{}", ran.stderr);
    assert!(ran.stderr.contains("glance gone: cannot reach http://127.0.0.1:1"), "{}", ran.stderr);
    assert!(ran.stdout.contains("glance one: first is there as "), "{}", ran.stdout);
    assert!(ran.stdout.contains("glance two: gold is there as "), "{}", ran.stdout);
    for (cloud, name) in clouds.iter().zip(["first", "gold"]) {
        assert_eq!(all(cloud), [image(name, false, &[])]);
    }
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn an_older_image_takes_the_place_of_a_newer_one_only_where_that_is_said() {
    let cloud = TestCloud::start();
    for promote in ["promote: { tag: stable }, ", ""] {
        let recipe = recipe(&cloud, &format!("[{{ glance: {{ {promote}keep: 1 }} }}]"));
        let publish = |more: &[&str]| -> Ran {
            let dir = cloud.path("gold");
            goldsmith(&cloud, &[&["publish", path(&recipe), "--out", path(&dir)], more].concat(), &cloud.variables())
        };
        release(&cloud, 2);
        let ran = publish(&[]);
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        let before = all(&cloud);
        assert_eq!(before.len(), 1);
        release(&cloud, 1);
        let ran = publish(&[]);
        assert_eq!(ran.code, Some(14), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("was built later") && ran.stderr.contains("--allow-older"), "{}", ran.stderr);
        assert_eq!(all(&cloud), before);
        let ran = publish(&["--allow-older"]);
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        assert_eq!(all(&cloud).len(), 2, "the newer one is not too old: {}", ran.stdout);
        for which in [&["images", "list", "--json"][..], &["images", "list", "--json", "--hidden"]] {
            for image in goldsmith(&cloud, which, &cloud.variables()).json().as_array().expect("a list") {
                let id = image["id"].as_str().expect("an id");
                let ran = goldsmith(&cloud, &["images", "delete", id], &cloud.variables());
                assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            }
        }
    }
}
