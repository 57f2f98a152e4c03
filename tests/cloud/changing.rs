//! What may be done with images that are there.

use goldsmith::digest::Sha256;
use serde_json::{Value, json};

use crate::cloud::TestCloud;
use crate::goldsmith;

/// A file of random data, and an image of it.
fn image(cloud: &TestCloud, name: &str, megabytes: usize) -> String {
    let data = cloud.path(&format!("{name}.data"));
    let source = std::fs::File::open("/dev/urandom").expect("random bytes");
    let mut bytes = std::io::Read::take(source, (megabytes as u64) << 20);
    std::io::copy(&mut bytes, &mut std::fs::File::create(&data).expect("a file")).expect("a file");
    let data = data.display().to_string();
    let create = ["image", "create", "--disk-format", "raw", "--container-format", "bare", "--file", &data, name];
    cloud.openstack(&create)["id"].as_str().expect("an id").to_owned()
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn images_are_changed_and_deleted() {
    let cloud = TestCloud::start();
    let variables = cloud.variables();
    let run = |arguments: &[&str]| goldsmith(&cloud, &[&["images"], arguments].concat(), &variables);
    let good = |arguments: &[&str]| {
        let ran = run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {} {}", ran.stdout, ran.stderr);
        ran.json()
    };
    let id = image(&cloud, "gold", 1);
    let set = [
        "set",
        "gold",
        "--name",
        "silver",
        "--min-ram",
        "256",
        "--property",
        "os_distro=debian",
        "--property",
        "a/b~c=1",
    ];
    let changed = good(&set);
    assert_eq!((&changed["name"], &changed["min_ram"]), (&json!("silver"), &json!(256)));
    assert_eq!((&changed["os_distro"], &changed["a/b~c"]), (&json!("debian"), &json!("1")));
    let theirs = cloud.openstack(&["image", "show", "silver"]);
    assert_eq!(theirs["properties"]["a/b~c"], json!("1"), "{theirs}");
    let purge = ["set", "silver", "--purge", "--property", "team=x", "--visibility", "public", "--dry-run"];
    let would = run(&purge);
    assert!(would.stdout.contains(&format!("would remove the property os_distro of {id}: its value is debian\n")));
    assert!(
        would.stdout.contains(&format!("would remove the property a/b~c of {id}: its value is 1\n")),
        "{}",
        would.stdout
    );
    assert_eq!(good(&["show", "silver"])["os_distro"], json!("debian"), "a dry run changes nothing");
    let purged = good(&["set", "silver", "--purge", "--property", "team=x", "--visibility", "public"]);
    assert_eq!((&purged["team"], purged.get("os_distro"), purged.get("a/b~c")), (&json!("x"), None, None), "{purged}");
    assert_eq!(purged["visibility"], json!("public"));
    // The client that made it has given it properties too.
    for line in would.stdout.lines() {
        let name = line.strip_prefix("would remove the property ").and_then(|rest| rest.split(' ').next());
        assert_eq!(purged.get(name.expect("a property")), None, "{line}");
    }
    assert_eq!(good(&["set", "silver", "--remove", "team"]).get("team"), None);

    assert_eq!(good(&["tag", "silver", "one", "two words"])["tags"].as_array().map(Vec::len), Some(2));
    assert_eq!(good(&["tag", "silver", "--remove", "one", "none"])["tags"], json!(["two words"]));
    assert_eq!(good(&["hide", "silver"])["os_hidden"], json!(true));
    assert_eq!(good(&["list"]), json!([]));
    assert_eq!(good(&["hide", "--off", "silver"])["os_hidden"], json!(false));
    assert_eq!(good(&["deactivate", "silver"])["status"], json!("deactivated"));
    assert_eq!(good(&["reactivate", "silver"])["status"], json!("active"));

    good(&["protect", "silver"]);
    let refused = run(&["delete", "silver"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("protect --off"), "{}", refused.stderr);
    good(&["protect", "--off", "silver"]);
    let both = run(&["delete", "silver", "bronze"]);
    assert!(both.code == Some(2) && both.stderr.contains("no image `bronze`"), "{}", both.stderr);
    assert_eq!(good(&["show", "silver"])["id"], json!(id));
    assert_eq!(run(&["delete", "silver", "--dry-run"]).stdout, format!("would remove {id}: its name is silver\n"));
    assert_eq!(run(&["delete", "silver"]).stdout, format!("{id} is deleted\n"));
    assert_eq!(good(&["list"]), json!([]));

    for (arguments, code, words) in [
        (&["set", "none", "--name", "x"][..], 2, "no image `none`"),
        (&["set", "none"], 2, "no image `none`"),
        (&["set", "none", "--property", "os_glance_x=1"], 2, "reserved"),
        (&["set", "none", "--property", "status=active"], 2, "no property but an attribute"),
    ] {
        let ran = run(arguments);
        assert!(ran.code == Some(code) && ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
    let stores = good(&["stores"]);
    let names: Vec<_> = stores.as_array().expect("a list").iter().map(|store| store["id"].clone()).collect();
    assert_eq!(names, [json!("slow"), json!("fast")], "{stores}");
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn images_are_shared_with_other_projects() {
    let cloud = TestCloud::start();
    let project = cloud.openstack(&["project", "create", "other"])["id"].as_str().expect("an id").to_owned();
    cloud.openstack_plain(&["role", "add", "--project", "other", "--user", "admin", "member"]);
    let id = image(&cloud, "gold", 1);
    let ours = cloud.variables();
    let mut theirs = ours.clone();
    theirs[3].1 = "other".to_owned();
    let run = |arguments: &[&str], variables: &[(&'static str, String)]| {
        let ran = goldsmith(&cloud, &[&["images"], arguments].concat(), variables);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        ran.stdout
    };
    let listed = || run(&["list"], &theirs).contains(&id);
    assert!(run(&["share", "gold", &project], &ours).contains(&format!("{project}  pending")));
    assert!(!listed());
    run(&["accept", &id], &theirs);
    assert!(listed());
    assert_eq!(run(&["members", "gold"], &ours), format!("{project}  accepted\n"));
    run(&["accept", "--reject", &id], &theirs);
    assert!(!listed());
    assert_eq!(run(&["share", "--stop", "gold", &project], &ours), "shared with nobody\n");
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn downloads_are_whole_or_go_on() {
    let cloud = TestCloud::start();
    let variables = cloud.variables();
    image(&cloud, "gold", 5);
    let sent = cloud.path("gold.data");
    let digest = |path| Sha256::of_file(path).expect("a file");
    let download = |more: &[&str]| goldsmith(&cloud, &[&["images", "download", "gold"], more].concat(), &variables);
    // The working directory of these runs.
    let file = cloud.path("store/gold.raw");
    let shown = goldsmith(&cloud, &["images", "show", "gold", "--json"], &variables);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let part = goldsmith::openstack::part(&file, shown["id"].as_str().expect("an id"));
    let foreign = cloud.path("store/gold.raw.part");
    std::fs::write(&foreign, "the user's").expect("a file");
    let ran = download(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "gold.raw\n"), "{}", ran.stderr);
    assert_eq!(digest(&file), digest(&sent));
    assert!(!part.exists());
    let again = download(&[]);
    assert!(again.code == Some(2) && again.stderr.contains("is there already"), "{}", again.stderr);

    // An interrupted download has left the first half.
    let whole = std::fs::read(&sent).expect("a file");
    std::fs::write(&part, &whole[..whole.len() / 2]).expect("a file");
    let ran = download(&["--force", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let first: Value = ran
        .stdout
        .lines()
        .find(|line| line.contains("progress"))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .expect("progress");
    assert!(first["done"].as_u64() > Some(whole.len() as u64 / 2), "{first}");
    assert_eq!(digest(&file), digest(&sent));

    // It is of another image.
    std::fs::write(&part, vec![0; whole.len() / 2]).expect("a file");
    let ran = download(&["--force"]);
    assert!(ran.code == Some(14) && ran.stderr.contains("sha512"), "{}", ran.stderr);
    assert!(!part.exists());
    assert_eq!(digest(&file), digest(&sent));
    assert_eq!(download(&["--force"]).code, Some(0));
    assert_eq!(std::fs::read(&foreign).expect("it stays"), b"the user's");
}
