//! Data that the image service imports, and what becomes of it where that goes wrong.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use goldsmith::openstack::Cloud;
use goldsmith::openstack::config::{CloudConfig, Places};
use serde_json::{Value, json};

use crate::cloud::TestCloud;
use crate::publishing::{built, only, path};
use crate::{Ran, goldsmith};

/// The service fetches nothing from loopback, nor from other ports than the usual ones, unless it is told to.
const LOOPBACK: &str = "[import_filtering_opts]\nallowed_hosts = [127.0.0.1]\nallowed_ports = []\n";

/// A web server of one file: `/file` is it, `/late` is it as soon as that is allowed, `/other` is another one, `/never` does not
/// answer, and nothing else is there.
struct Server {
    url: String,
    late: Arc<AtomicBool>,
}

impl Server {
    fn start(file: &Path) -> Self {
        let content = Arc::new(std::fs::read(file).expect("a file"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let late = Arc::new(AtomicBool::new(false));
        let allowed = Arc::clone(&late);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (content, allowed) = (Arc::clone(&content), Arc::clone(&allowed));
                std::thread::spawn(move || serve(stream.expect("a connection"), &content, &allowed));
            }
        });
        Self { url, late }
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }
}

fn serve(mut stream: TcpStream, content: &[u8], allowed: &AtomicBool) {
    let lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let (mut status, mut body, last) = ("200 OK", content.to_vec(), content.len() - 1);
    match lines.first().and_then(|line| line.split(' ').nth(1)) {
        Some("/file") => {}
        Some("/other") => body[last] ^= 1,
        Some("/late") => {
            while !allowed.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Some("/never") => loop {
            std::thread::park();
        },
        _ => (status, body) = ("404 Not Found", Vec::new()),
    }
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // Whoever has gone away wants nothing any more.
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

fn stores(image: &Value) -> Vec<&str> {
    let mut stores: Vec<_> = image["stores"].as_str().expect("stores").split(',').collect();
    stores.sort_unstable();
    stores
}

fn starts(cloud: &TestCloud, dir: &Path, more: &[&str]) -> Child {
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.args(["publish", path(dir)]).args(more).env_clear().envs(cloud.variables());
    goldsmith.env("HOME", cloud.path("home")).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs")
}

fn wait_for_import(cloud: &TestCloud) -> Value {
    let started = Instant::now();
    loop {
        let images = goldsmith(cloud, &["images", "list", "--json"], &cloud.variables()).json();
        if images[0]["status"] == json!("importing") {
            break images[0].clone();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is imported: {images}");
    }
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn data_gets_there_by_every_way() {
    let cloud = TestCloud::start_with(LOOPBACK);
    let dir = built(&cloud, "gold", 3, &Value::Null);
    let server = Server::start(&dir.join("gold.qcow2"));
    let url = server.url("file");
    let publish = |more: &[&str]| goldsmith(&cloud, &[&["publish", path(&dir)], more].concat(), &cloud.variables());
    let show = |name: &str| goldsmith(&cloud, &["images", "show", name, "--json"], &cloud.variables()).json();
    assert_eq!(publish(&["--name", "first", "--property", "os_distro=other"]).code, Some(0));
    let first = show("first");
    let from = format!("RegionOne/{}", first["id"].as_str().expect("an id"));
    let web = ["--import", "web-download", "--url", &url];
    for (number, (arguments, expected, words)) in [
        (&["--store", "fast"][..], &["fast"][..], "its data was uploaded into the store fast"),
        (&["--store", "slow", "--store", "fast"], &["fast", "slow"], "staged, because several stores are wanted"),
        (&["--store", "all", "--import", "upload"], &["fast", "slow"], "uploaded and copied"),
        (&["--import", "glance-direct"], &["slow"], "staged and imported"),
        (&web, &["slow"], "downloaded by the service"),
        (&[&web[..], &["--store", "all"]].concat(), &["fast", "slow"], "downloaded by the service"),
        (&["--import", "glance-download", "--from", &from], &["slow"], "from the region RegionOne"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("image-{number}");
        let ran = publish(&[&["--name", &name, "--import-timeout", "60s"], arguments].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.contains(words), "{arguments:?}: {}", ran.stdout);
        let image = show(&name);
        assert_eq!((&image["status"], stores(&image)), (&json!("active"), expected.to_vec()), "{arguments:?}");
        assert_eq!(image["os_hash_value"], first["os_hash_value"], "{arguments:?}");
        assert_eq!(image["os_distro"], json!("debian"), "{arguments:?}");
    }
    // The service's own client sees it so too.
    let theirs = cloud.openstack(&["image", "show", "image-2"]);
    assert_eq!(stores(&theirs["properties"]), ["fast", "slow"], "{theirs}");
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn what_cannot_be_imported_leaves_nothing() {
    let cloud = TestCloud::start_with(LOOPBACK);
    let dir = built(&cloud, "gold", 1, &Value::Null);
    let server = Server::start(&dir.join("gold.qcow2"));
    let [never, none, other] = ["never", "none", "other"].map(|name| server.url(name));
    let nobody = format!("Nowhere/{}", uuid::Uuid::nil());
    let run = |arguments: &[&str], code: i32, all_words: &[&str]| {
        let ran: Ran = goldsmith(&cloud, &[&["publish", path(&dir)], arguments].concat(), &cloud.variables());
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        for words in all_words {
            assert!(ran.stderr.contains(words), "{arguments:?}: {words}: {}", ran.stderr);
        }
        assert!(!ran.stderr.contains("secret") && !ran.stdout.contains("secret"), "{}", ran.stderr);
        let left = goldsmith(&cloud, &["images", "list"], &cloud.variables());
        assert_eq!(left.stdout, "no image\n", "{arguments:?}");
    };
    let web = |url: &str, more: &[&str], code: i32, words: &[&str]| {
        run(&[&["--import", "web-download", "--url", url], more].concat(), code, words);
    };
    web(&none, &[], 14, &["by web-download: Task failed", "curl -I"]);
    web(
        &never,
        &["--import-timeout", "3s"],
        14,
        &["nothing has changed", "the image is `importing`", "a longer `import-timeout`"],
    );
    web(&other, &[], 14, &["other data than what was sent: sha512"]);
    web("http://me:secret@127.0.0.2/file?secret", &[], 2, &["the address has a login", "upload the image"]);
    web("http://169.254.169.254/secret", &[], 2, &["link-local"]);
    // This cloud is on loopback itself: there the address is one like any other.
    web("http://127.0.0.2/file?secret", &[], 14, &["400", "hosts and ports that its operators allow"]);
    web("ftp://127.0.0.1/file", &[], 2, &["by http or https only"]);
    web(&none, &["--protected"], 14, &["by web-download: Task failed"]);
    run(&["--import", "web-download"], 2, &["`web-download` needs `url`"]);
    run(&["--import", "upload", "--url", &none], 2, &["only `web-download` fetches from an address"]);
    run(&["--import", "glance-download", "--from", "Nowhere"], 2, &["write it like REGION/ID"]);
    run(&["--import", "glance-download", "--from", &nobody], 14, &["is the region one of the catalog"]);
    run(&["--import", "copy"], 2, &["glance-direct"]);
    run(&["--store", "tape", "--store", "fast"], 14, &["no store `tape`", "it has slow, fast"]);

    let child = starts(&cloud, &dir, &["--import", "web-download", "--url", &never]);
    wait_for_import(&cloud);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(goldsmith(&cloud, &["images", "list"], &cloud.variables()).stdout, "no image\n");
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn who_is_killed_finds_the_import_again() {
    let cloud = TestCloud::start_with(LOOPBACK);
    let dir = built(&cloud, "gold", 1, &Value::Null);
    let server = Server::start(&dir.join("gold.qcow2"));
    let web = ["--import", "web-download", "--url", &server.url("late")];
    let mut child = starts(&cloud, &dir, &web);
    let begun = wait_for_import(&cloud);
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    let again = starts(&cloud, &dir, &web);
    server.late.store(true, Ordering::SeqCst);
    let output = again.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let image = only(&cloud);
    assert_eq!((&image["id"], &image["status"]), (&begun["id"], &json!("active")));
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn a_service_is_asked_what_it_can_do() {
    let cloud = TestCloud::start_with("[DEFAULT]\nenabled_import_methods = [web-download]\n");
    let dir = built(&cloud, "gold", 1, &Value::Null);
    for (arguments, words) in [
        (&["--import", "glance-direct"][..], "does not import by glance-direct; it knows web-download"),
        (&["--store", "all"], "does not import by copy-image; it knows web-download"),
    ] {
        let ran = goldsmith(&cloud, &[&["publish", path(&dir)], arguments].concat(), &cloud.variables());
        assert!(ran.code == Some(14) && ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
        assert_eq!(goldsmith(&cloud, &["images", "list"], &cloud.variables()).stdout, "no image\n");
    }
}

/// A record that waits for its data.
pub(crate) fn queued(cloud: &TestCloud, name: &str) {
    let variables = cloud.variables().map(|(name, value)| (name.to_owned(), value));
    let config = CloudConfig::find(&Places { variables: variables.into(), ..Places::default() });
    let record = json!({ "name": name, "disk_format": "qcow2", "container_format": "bare" });
    // OpenStack's own client sends what is on its standard input.
    let glance = config.and_then(Cloud::connect).expect("a cloud");
    let image = glance.create_image(record.as_object().expect("an object")).expect("an image");
    assert_eq!(image.status, "queued");
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn images_are_imported_copied_and_taken_out_of_stores() {
    let cloud = TestCloud::start_with(LOOPBACK);
    let file = built(&cloud, "gold", 1, &Value::Null).join("gold.qcow2");
    let server = Server::start(&file);
    let [web, other, never] = ["file", "other", "never"].map(|name| server.url(name));
    let file = path(&file);
    queued(&cloud, "gold");
    queued(&cloud, "silver");
    queued(&cloud, "bronze");
    for (arguments, code, words) in [
        (&["import", "gold", "--method", "glance-direct"][..], 2, "nothing is staged"),
        (&["import", "gold", "--method", "web-download"], 2, "--url"),
        (&["import", "gold", "--method", "copy-image"], 2, "no option names a store to copy the data to"),
        (&["import", "gold", "--method", "copy-image", "--store", "slow"], 14, "Only images with status active"),
        (&["import", "gold", "--method", "copy-image", "--store", "tape"], 14, "no store `tape`"),
        (&["import", "gold", file, "--method", "glance-direct", "--store", "fast"], 0, ""),
        (&["import", "gold", "--method", "copy-image", "--all-stores"], 0, ""),
        // There is nothing left to do.
        (&["import", "gold", "--method", "copy-image", "--all-stores"], 0, ""),
        (&["import", "gold", "--method", "copy-image", "--store", "slow"], 14, "already present"),
        (&["import", "silver", file, "--method", "web-download", "--url", &web], 0, ""),
        (
            &["import", "bronze", "--method", "web-download", "--url", &never, "--timeout", "3s"],
            14,
            "nothing has changed",
        ),
    ] {
        let ran = goldsmith(&cloud, &[&["images"], arguments].concat(), &cloud.variables());
        assert_eq!(ran.code, Some(code), "{arguments:?}: {} {}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?}: {words}: {}", ran.stderr);
    }
    queued(&cloud, "tin");
    let tin = ["images", "import", "tin", file, "--method", "web-download", "--url", &other];
    let ran = goldsmith(&cloud, &tin, &cloud.variables());
    assert!(ran.code == Some(14) && ran.stderr.contains("other data than what was sent: sha512"), "{}", ran.stderr);

    let shown = cloud.openstack(&["image", "show", "gold"]);
    assert_eq!(stores(&shown["properties"]), ["fast", "slow"], "{shown}");
    let delete = || goldsmith(&cloud, &["images", "delete", "gold", "--store", "fast"], &cloud.variables());
    let would = goldsmith(&cloud, &["images", "delete", "gold", "--store", "fast", "--dry-run"], &cloud.variables());
    assert!(would.stdout.ends_with(": its data in fast\n"), "{}", would.stdout);
    assert!(delete().stdout.ends_with("is deleted from fast\n"));
    let shown = cloud.openstack(&["image", "show", "gold"]);
    assert_eq!((&shown["status"], stores(&shown["properties"])), (&json!("active"), vec!["slow"]));
    let only = delete();
    assert!(only.code == Some(14) && only.stderr.contains("403"), "{}", only.stderr);
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn caches_and_definitions_are_looked_into() {
    let cloud = TestCloud::start();
    let file = built(&cloud, "gold", 1, &Value::Null).join("gold.qcow2");
    let run = |arguments: &[&str]| goldsmith(&cloud, &[&["images"], arguments].concat(), &cloud.variables());
    let create =
        ["image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--file", path(&file), "gold"];
    let id = cloud.openstack(&create)["id"].as_str().expect("an id").to_owned();
    let cached = |what: &str| {
        let started = Instant::now();
        loop {
            let list = run(&["cache", "list"]);
            assert_eq!(list.code, Some(0), "{}", list.stderr);
            if list.stdout.contains(what) {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{what}: {}", list.stdout);
        }
    };
    let row = format!("{id}  cached  1.");
    let none = "the cache is empty\n";
    cached(none);
    assert_eq!(run(&["cache", "queue", "gold"]).stdout, format!("{id} will be fetched into the cache\n"));
    cached(&row);
    assert_eq!(run(&["cache", "list", "--json"]).json()["cached_images"][0]["image_id"], json!(id));
    let would = run(&["cache", "clear", "--dry-run"]).stdout;
    assert_eq!(run(&["cache", "delete", "gold", "--dry-run"]).stdout, would);
    assert!(would.contains(&id), "{would}");
    assert_eq!(run(&["cache", "delete", "gold"]).stdout, format!("{id} is out of the cache\n"));
    cached(none);
    assert_eq!(run(&["cache", "queue", &id]).code, Some(0));
    cached(&row);
    assert_eq!(run(&["cache", "clear"]).stdout, none);
    cached(none);
    let unknown = run(&["cache", "queue", &uuid::Uuid::nil().to_string()]);
    assert!(unknown.code == Some(14) && unknown.stderr.contains("not found"), "{}", unknown.stderr);

    let list = run(&["metadefs"]).stdout;
    assert!(list.lines().any(|line| line.starts_with("OS::Compute::Watchdog") && line.contains("  hw_  ")), "{list}");
    let watchdog = run(&["metadefs", "OS::Compute::Watchdog"]).stdout;
    assert!(
        watchdog.contains("hw_watchdog_action  string  disabled, reset, poweroff, pause, none  For the"),
        "{watchdog}"
    );
    let json = run(&["metadefs", "OS::Compute::Watchdog", "--json"]).json();
    assert_eq!(json["properties"]["watchdog_action"]["enum"][0], json!("disabled"), "{json}");
    let none = run(&["metadefs", "OS::Nothing"]);
    assert!(none.code == Some(2) && none.stderr.contains("no namespace `OS::Nothing`"), "{}", none.stderr);
}
