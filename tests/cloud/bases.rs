//! Images of a cloud that other images start from.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use goldsmith::digest::Sha256;
use goldsmith::event::Silent;
use goldsmith::fetch::image::Means;
use goldsmith::fetch::{Network, PinPolicy};
use goldsmith::interrupt::Interrupt;
use goldsmith::layer::GcPolicy;
use goldsmith::openstack::base::{CloudBase, fetch, pin};
use goldsmith::openstack::config::Places;
use goldsmith::recipe::GlanceSource;

use crate::cloud::TestCloud;

const NOW: PinPolicy = PinPolicy { max_age: Duration::ZERO, newer_than: None, offline: false };
const HOUR: PinPolicy = PinPolicy { max_age: Duration::from_secs(3600), ..NOW };
const OFFLINE: PinPolicy = PinPolicy { offline: true, ..NOW };

/// A disk whose bytes are not those of another one, and its digest.
fn disk(cloud: &TestCloud, name: &str, format: &str) -> Sha256 {
    let (raw, file) = (cloud.path("raw"), cloud.path(name));
    let content: Vec<u8> =
        (0..3 << 20).map(|at: u32| name.as_bytes()[at as usize % name.len()] ^ (at >> 9) as u8).collect();
    std::fs::write(&raw, content).expect("a file");
    let mut convert = Command::new("qemu-img");
    let made = convert.args(["convert", "-f", "raw", "-O", format]).args([&raw, &file]).status();
    assert!(made.expect("qemu-img").success());
    Sha256::of_file(&file).expect("a file")
}

fn create(cloud: &TestCloud, name: &str, format: &str, more: &[&str]) -> String {
    let file = cloud.path(name).display().to_string();
    let common = ["image", "create", "--disk-format", format, "--container-format", "bare", "--file", &file];
    cloud.openstack(&[&common, more, &["gold"]].concat())["id"].as_str().expect("an id").to_owned()
}

struct User {
    places: Places,
    network: Network,
    interrupt: Interrupt,
}

impl User {
    fn new(cloud: &TestCloud) -> Self {
        let variables = cloud.variables().map(|(name, value)| (name.to_owned(), value));
        let places = Places::search(cloud.path("store"), &|_| None, variables);
        Self { places, network: Network::default(), interrupt: Interrupt::new() }
    }

    fn means<'a>(&'a self, cache: &'a Path, offline: bool) -> Means<'a> {
        let Self { network, interrupt, .. } = self;
        Means { directory: cache, cache, offline, network, reporter: &Silent, interrupt }
    }

    fn pinned(&self, source: &GlanceSource, policy: &PinPolicy, cache: &Path) -> Result<CloudBase, String> {
        pin(source, &self.places, policy, &self.means(cache, policy.offline)).map_err(|error| error.to_string())
    }
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn an_image_of_a_cloud_is_pinned_and_fetched_once() {
    let cloud = TestCloud::start();
    let (user, cache) = (User::new(&cloud), cloud.path("cache"));
    goldsmith::layer::prepare(&cache).expect("a cache");
    let source = |image: Option<&str>, tag: Option<&str>| GlanceSource {
        image: image.map(str::to_owned),
        tag: tag.map(str::to_owned),
        ..GlanceSource::default()
    };
    let (named, tagged) = (source(Some("gold"), None), source(None, Some("stable")));
    let error = user.pinned(&named, &NOW, &cache).expect_err("there is none");
    assert_eq!(error, "image `gold` of the cloud: there is none");
    let error = user.pinned(&named, &OFFLINE, &cache).expect_err("there is no pin");
    assert!(error.contains("is not pinned yet: build once without --offline"), "{error}");

    let first = disk(&cloud, "first", "qcow2");
    let id = create(&cloud, "first", "qcow2", &["--tag", "stable"]);
    let old = user.pinned(&named, &NOW, &cache).expect("a pin");
    assert_eq!((old.id.as_str(), old.to_string()), (id.as_str(), format!("gold (image {id})")));
    assert_eq!(user.pinned(&tagged, &NOW, &cache).expect("a pin"), old);
    let image = fetch(&named, &old, &user.places, &user.means(&cache, false)).expect("an image");
    assert_eq!((image.sha256, Sha256::of_file(&image.path).expect("a file")), (first, first));
    // The service is not needed again.
    let nowhere = User { places: Places::default(), ..User::new(&cloud) };
    assert_eq!(fetch(&named, &old, &nowhere.places, &nowhere.means(&cache, true)).expect("cached"), image);

    // A second image: the name is not enough, the tag means the newest one, and a recent pin still means the first one.
    let second = disk(&cloud, "second", "vmdk");
    let new = create(&cloud, "second", "vmdk", &["--tag", "stable"]);
    let error = user.pinned(&named, &NOW, &cache).expect_err("there are two");
    assert_eq!(error, "image `gold` of the cloud: there are 2");
    assert_eq!(user.pinned(&named, &HOUR, &cache), Ok(old.clone()));
    let newest = user.pinned(&tagged, &NOW, &cache).expect("a pin");
    assert_eq!(newest.id, new);
    assert_eq!(user.pinned(&source(Some("gold"), Some("stable")), &NOW, &cache), Ok(newest.clone()));
    assert_eq!(user.pinned(&source(Some(&id), None), &NOW, &cache), Ok(old));
    let image = fetch(&tagged, &newest, &user.places, &user.means(&cache, false)).expect("an image");
    assert_eq!(image.sha256, second);
    assert!(image.path.extension().is_some_and(|extension| extension == "qcow2"), "a VMDK is converted: {image:?}");
    // With another time, `--refresh` asks anew.
    let refresh = PinPolicy { newer_than: Some(SystemTime::now()), ..HOUR };
    assert!(user.pinned(&named, &refresh, &cache).is_err());
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn what_cannot_be_a_base_is_refused_and_leaves_nothing() {
    let cloud = TestCloud::start();
    let (user, cache) = (User::new(&cloud), cloud.path("cache"));
    goldsmith::layer::prepare(&cache).expect("a cache");
    let by_id = |id: &str| GlanceSource { image: Some(id.to_owned()), ..GlanceSource::default() };
    disk(&cloud, "good", "qcow2");
    let file = cloud.path("raw").display().to_string();
    let kernel = ["image", "create", "--disk-format", "aki", "--container-format", "aki", "--file", &file, "kernel"];
    let kernel = cloud.openstack(&kernel)["id"].as_str().expect("an id").to_owned();
    let error = user.pinned(&by_id(&kernel), &NOW, &cache).expect_err("no disk");
    assert!(error.ends_with("is no disk image that can be a base: its disk format is `aki`"), "{error}");
    crate::importing::queued(&cloud, "empty");
    let error = user.pinned(&by_id("empty"), &NOW, &cache).expect_err("no data");
    assert!(error.ends_with("its status is `queued`"), "{error}");
    let gone = create(&cloud, "good", "qcow2", &[]);
    let pinned = user.pinned(&by_id(&gone), &NOW, &cache).expect("a pin");
    cloud.openstack_plain(&["image", "delete", &gone]);
    let error = fetch(&by_id(&gone), &pinned, &user.places, &user.means(&cache, false)).expect_err("it is gone");
    assert!(error.to_string().ends_with("there is none"), "{error}");

    // What the service calls raw is a text. Nothing of it stays.
    std::fs::write(cloud.path("text"), "no disk\n".repeat(100)).expect("a file");
    let text = create(&cloud, "text", "raw", &[]);
    let pinned = user.pinned(&by_id(&text), &NOW, &cache).expect("a pin");
    let error = fetch(&by_id(&text), &pinned, &user.places, &user.means(&cache, false)).expect_err("no disk");
    assert!(error.to_string().contains("cannot be used as a disk image"), "{error}");
    let left = std::fs::read_dir(cache.join("images")).expect("a directory").flatten();
    let left: Vec<_> = left.filter(|entry| !entry.file_name().to_string_lossy().ends_with(".lock")).collect();
    assert!(left.is_empty(), "{left:?}");

    // A download that a killed run has left is garbage that `cache gc` knows.
    let part = goldsmith::openstack::part(&cache.join(format!("images/{}.part", Sha256::of(b"x"))), &gone);
    std::fs::write(&part, "half").expect("a file");
    let policy = GcPolicy { max_age: Some(Duration::ZERO), ..GcPolicy::default() };
    goldsmith::layer::Store::open(&cache).expect("a store").gc(policy).expect("gc");
    assert!(!part.exists());
}
