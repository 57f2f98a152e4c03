//! Images that are handed to a real image service, and what becomes of them where that goes wrong.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use goldsmith::digest::Sha256;
use serde_json::{Value, json};

use crate::cloud::TestCloud;
use crate::goldsmith;

/// A directory as a build leaves it: a qcow2 file of random data, and what is known of it.
pub(crate) fn built(cloud: &TestCloud, name: &str, mebibytes: usize, facts: &Value) -> PathBuf {
    let dir = cloud.path(name);
    std::fs::create_dir_all(&dir).expect("a directory");
    let (raw, file) = (dir.join("data"), dir.join(format!("{name}.qcow2")));
    let mut data = vec![0_u8; mebibytes << 20];
    // It must not compress, nor be holes.
    fastrand::Rng::with_seed(1).fill(&mut data);
    std::fs::write(&raw, data).expect("a file");
    let mut convert = Command::new("qemu-img");
    convert.args(["convert", "-f", "raw", "-O", "qcow2"]).args([&raw, &file]);
    assert!(convert.status().expect("qemu-img").success());
    std::fs::remove_file(raw).expect("a file");
    let manifest = json!({
        "format": 1, "name": name, "arch": "x86_64",
        "distro": { "name": "debian", "release": "bookworm", "version": "12", "family": "debian" },
        "layer": Sha256::of(name.as_bytes()),
        "artifacts": [{
            "file": format!("{name}.qcow2"), "format": "qcow2", "disk_format": "qcow2", "container_format": "bare",
            "size": std::fs::metadata(&file).expect("a file").len(),
            "sha256": Sha256::of_file(&file).expect("a file"),
        }],
        "facts": facts,
    });
    std::fs::write(dir.join("manifest.json"), manifest.to_string()).expect("a file");
    dir
}

pub(crate) fn path(dir: &Path) -> &str {
    dir.to_str().expect("text")
}

/// The only image of the cloud.
pub(crate) fn only(cloud: &TestCloud) -> Value {
    let images = goldsmith(cloud, &["images", "list", "--json"], &cloud.variables()).json();
    assert_eq!(images.as_array().map(Vec::len), Some(1), "{images}");
    images[0].clone()
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn what_is_published_comes_back_and_is_there_once() {
    let cloud = TestCloud::start();
    let variables = cloud.variables();
    let facts = json!({
        "distro": "debian", "version": "12", "firmware": ["uefi"], "boots": ["uefi", "secure-boot"], "default_user": "debian",
        "guest_agent": true, "min_disk_gib": 3, "min_ram_mib": 256, "measured": true,
    });
    let dir = built(&cloud, "gold", 3, &facts);
    let publish = |more: &[&str]| goldsmith(&cloud, &[&["publish", path(&dir)], more].concat(), &variables);

    let first = publish(&["--tag", "new", "--property", "os_version=12.9", "--property", "team=images"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let image = only(&cloud);
    assert!(first.stdout.contains(image["id"].as_str().expect("an id")), "{}", first.stdout);
    for (name, value) in [
        ("name", json!("gold")),
        ("status", json!("active")),
        ("visibility", json!("private")),
        ("disk_format", json!("qcow2")),
        ("min_disk", json!(3)),
        ("min_ram", json!(256)),
        ("tags", json!(["new"])),
        ("architecture", json!("x86_64")),
        ("os_distro", json!("debian")),
        ("os_version", json!("12.9")),
        ("os_admin_user", json!("debian")),
        ("hw_firmware_type", json!("uefi")),
        ("hw_machine_type", json!("q35")),
        ("os_secure_boot", json!("optional")),
        ("hw_qemu_guest_agent", json!("yes")),
        ("hw_disk_bus", json!("virtio")),
        ("team", json!("images")),
    ] {
        assert_eq!(image[name], value, "{name} of {image}");
    }
    cloud.save("gold", &cloud.path("back"));
    let digests = [dir.join("gold.qcow2"), cloud.path("back")].map(|file| Sha256::of_file(&file).expect("a file"));
    assert_eq!(digests[0], digests[1]);

    let again = publish(&["--json"]);
    assert!(
        again.code == Some(0) && again.json()["operations"][0]["operation"] == json!("already-there"),
        "{} {}",
        again.stdout,
        again.stderr
    );
    assert_eq!(only(&cloud)["id"], image["id"]);

    // What is told of it is brought up to date, and what others have told stays.
    cloud.openstack_plain(&["image", "set", "--property", "theirs=1", "--tag", "theirs", "gold"]);
    let changed = publish(&["--tag", "new", "--tag", "newer", "--property", "team=others", "--visibility", "public"]);
    assert_eq!(changed.code, Some(0), "{}", changed.stderr);
    let updated = changed.stdout.lines().nth(1).unwrap_or_default();
    assert_eq!(updated, "up to date now: team, visibility, tags", "{}", changed.stdout);
    let told = only(&cloud);
    assert_eq!(
        (&told["theirs"], &told["team"], &told["visibility"]),
        (&json!("1"), &json!("others"), &json!("public"))
    );
    let mut tags: Vec<_> = told["tags"].as_array().expect("tags").iter().filter_map(Value::as_str).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["new", "newer", "theirs"]);

    // An id is never taken twice: after a deletion it is another one.
    cloud.openstack_plain(&["image", "delete", image["id"].as_str().expect("an id")]);
    assert_eq!(publish(&[]).code, Some(0));
    assert_ne!(only(&cloud)["id"], image["id"]);
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn what_goes_wrong_leaves_nothing() {
    let cloud = TestCloud::start();
    let variables = cloud.variables();
    let dir = built(&cloud, "gold", 1, &Value::Null);
    let publish = |more: &[&str]| goldsmith(&cloud, &[&["publish", path(&dir)], more].concat(), &variables);
    let manifest = std::fs::read_to_string(dir.join("manifest.json")).expect("a manifest");
    for (arguments, code, words) in [
        (&["--property", "os_glance_x=1"][..], 2, "os_glance"),
        (&["--visibility", "everybody"], 2, "expected one of `private`"),
        (
            &["--property", "hw_disk_bus=floppy"],
            14,
            "the property `hw_disk_bus` cannot be `floppy`; it is one of fdc, ide",
        ),
        (&["--format", "vmdk"], 2, "no output is a vmdk file"),
        (&["--property", "min_disk=3"], 2, "is no property"),
    ] {
        let ran = publish(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
    // The service would look into what it gets.
    std::fs::write(
        dir.join("manifest.json"),
        manifest.replace("\"disk_format\":\"qcow2\"", "\"disk_format\":\"vhdx\""),
    )
    .expect("a file");
    let ran = publish(&[]);
    assert_eq!(ran.code, Some(14), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("the content of this vhdx is qcow2") && ran.stderr.contains("goldsmith inspect"),
        "{}",
        ran.stderr
    );
    std::fs::write(dir.join("manifest.json"), &manifest).expect("a file");
    // What was changed after the build is not what was verified.
    let file = dir.join("gold.qcow2");
    let content = std::fs::read(&file).expect("a file");
    std::fs::write(&file, &content[..1000]).expect("a file");
    let ran = publish(&[]);
    assert!(ran.code == Some(2) && ran.stderr.contains("has 1000 bytes"), "{}", ran.stderr);
    let mut other = content.clone();
    *other.last_mut().expect("content") ^= 1;
    std::fs::write(&file, &other).expect("a file");
    let ran = publish(&[]);
    assert!(ran.code == Some(14) && ran.stderr.contains("is not what was built"), "{}", ran.stderr);
    assert_eq!(goldsmith(&cloud, &["images", "list"], &variables).stdout, "no image\n");
}

/// Starts to publish and waits until data is on its way.
#[expect(clippy::zombie_processes, reason = "whoever starts it waits for its end")]
fn publishing(cloud: &TestCloud, dir: &Path) -> Child {
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.args(["publish", path(dir)]).env_clear().envs(cloud.variables()).env("HOME", cloud.path("home"));
    // Signals are for it alone.
    let child = goldsmith.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
    let started = Instant::now();
    loop {
        let images = crate::goldsmith(cloud, &["images", "list", "--json"], &cloud.variables()).json();
        if images[0]["status"] == json!("saving") {
            break child;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is uploaded: {images}");
    }
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn who_stops_leaves_nothing_and_who_is_killed_goes_on() {
    let cloud = TestCloud::start();
    let variables = cloud.variables();
    let dir = built(&cloud, "gold", 600, &Value::Null);
    let child = publishing(&cloud, &dir);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(goldsmith(&cloud, &["images", "list"], &variables).stdout, "no image\n");

    let mut child = publishing(&cloud, &dir);
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    let left = only(&cloud);
    // The service needs a moment to see that nobody sends any more.
    let started = Instant::now();
    while only(&cloud)["status"] != json!("queued") {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", only(&cloud));
        std::thread::sleep(Duration::from_millis(200));
    }
    let again = goldsmith(&cloud, &["publish", path(&dir)], &variables);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let image = only(&cloud);
    assert_eq!((&image["id"], &image["status"]), (&left["id"], &json!("active")));
}
