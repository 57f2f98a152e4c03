//! Official cloud images by name: what the data say, what a recipe may name, and whose checksums are believed.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use goldsmith::digest::Sha256;
use goldsmith::event::Silent;
use goldsmith::fetch::image::{fetch, pin};
use goldsmith::fetch::{Network, PinPolicy};
use goldsmith::interrupt::Interrupt;
use goldsmith::recipe::{Base, ImageSource, LoadOptions, load};

use super::fetching::{Server, gpg, key};
use super::sandbox::Sandbox;

fn named(image: &str) -> String {
    format!("name: x\narch: x86_64\nbase: {{ image: {image} }}\ndisk: {{ size: 4GiB }}\n")
}

#[test]
fn cloud_images_are_listed_and_shown() {
    let sandbox = Sandbox::new();
    let all = sandbox.run("bases");
    for words in ["debian-12", "ubuntu-24.04", "Fedora 43", "x86_64, aarch64", "signed checksums", "checksums by https"]
    {
        assert!(all.code == Some(0) && all.stdout.contains(words), "{words}: {all:?}");
    }
    let one = sandbox.run("bases ubuntu-noble");
    let place = "https://cloud-images.ubuntu.com/releases/noble/release/";
    for words in [
        format!("x86_64         {place}ubuntu-24.04-server-cloudimg-amd64.img"),
        format!("{place}SHA256SUMS"),
        "D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81".to_owned(),
        "in a recipe: base: { image: ubuntu-24.04 }".to_owned(),
    ] {
        assert!(one.stdout.contains(&words), "{words}: {one:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&sandbox.run("bases --json").stdout).expect("JSON");
    let names: Vec<_> = json.as_array().expect("a list").iter().filter_map(|image| image["name"].as_str()).collect();
    assert!(names.contains(&"rocky-9") && names.contains(&"arch-rolling"), "{names:?}");
    // Each has what a recipe needs, and nothing is left to be filled in.
    for image in json.as_array().expect("a list") {
        for (arch, file) in image["files"].as_object().expect("files") {
            for url in [&file["source"], &file["checksums"]].map(|url| url.as_str().expect("a URL")) {
                assert!(url.starts_with("https://"), "{arch} {url}");
                for placeholder in ["ARCH", "VERSION", "RELEASE", "FILE"] {
                    assert!(!url.contains(placeholder), "{url}");
                }
            }
        }
    }
    let unknown = sandbox.run("bases ubuntu-24.4");
    assert!(unknown.code == Some(2) && unknown.stderr.contains("did you mean `ubuntu-24.04`?"), "{unknown:?}");
}

#[test]
fn a_recipe_names_a_cloud_image() {
    let sandbox = Sandbox::new();
    for name in ["debian-12", "debian-bookworm", "\"{{ 'ubuntu-24' }}.04\""] {
        sandbox.write("a.yaml", named(name));
        let ran = sandbox.run("validate a.yaml");
        assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
    }
    for (name, arch, words) in [
        ("debian-21", "x86_64", "a.yaml:3:16"),
        ("debian-21", "x86_64", "did you mean `debian-11`?"),
        ("arch-rolling", "aarch64", "there is no image `arch-rolling` for aarch64"),
        ("[debian-12]", "x86_64", "the name of a cloud image, or `{ source: ..., sha256: ... }`"),
        ("{ source: a.qcow2 }", "x86_64", "sha256"),
    ] {
        sandbox.write("a.yaml", named(name).replace("x86_64", arch));
        let ran = sandbox.run("validate a.yaml");
        assert!(ran.code == Some(10) && ran.stderr.contains(words), "{words}: {ran:?}");
    }
}

#[test]
fn the_data_of_images_are_checked() {
    let sandbox = Sandbox::new();
    let data = |images: &str| {
        format!(
            "name: point\ntitle: Point\nextends: debian\nreleases: [{{ name: one, version: \"1\" }}]\nimages:\n  - {images}\n"
        )
    };
    let http = "{ releases: [one], source: \"http://h/a.qcow2\", checksums: SUMS }";
    for (images, words) in [
        (http.to_owned(), "a list of checksums without a signature comes over https only"),
        (http.replace("http:", "https:").replace("[one]", "[on]"), "unknown release `on`"),
        (http.replace("http:", "https:").replace("SUMS", "../SUMS"), "not the name of a file"),
    ] {
        sandbox.write("distros/point/distro.yaml", data(&images));
        let ran = sandbox.run("bases");
        assert!(ran.code == Some(10) && ran.stderr.contains(words), "{words}: {ran:?}");
    }
    sandbox.write("distros/point/distro.yaml", data(&http.replace("http:", "https:")));
    assert!(sandbox.run("bases point-one").stdout.contains("https://h/SUMS"));
}

/// Loads a recipe that names an image, and fetches the image as a build does.
fn fetched(sandbox: &Sandbox) -> Result<Sha256, String> {
    let recipe =
        load(&sandbox.path("a.yaml"), &LoadOptions::new(goldsmith::recipe::Arch::X86_64), None).expect("a recipe");
    let Base::Image(source) = &recipe.recipe.base else { panic!("an image") };
    let policy = PinPolicy { max_age: Duration::ZERO, newer_than: Some(SystemTime::now()), offline: false };
    let (here, cache) = (sandbox.path(""), sandbox.path("cache"));
    goldsmith::layer::prepare(&cache).expect("a cache");
    let wanted = pin(source, &here, &cache, &policy, &Network::default(), &Interrupt::new());
    let wanted = wanted.map_err(|error| error.to_string())?;
    let image = fetch(source, &wanted, &here, &cache, false, &Network::default(), &Silent, &Interrupt::new());
    image.map(|image| image.sha256).map_err(|error| error.to_string())
}

fn sha512(file: &Path) -> String {
    let output = Command::new("sha512sum").arg(file).output().expect("sha512sum");
    String::from_utf8(output.stdout).expect("text").split(' ').next().expect("a digest").to_owned()
}

#[test]
fn only_the_vendors_key_counts_for_a_cloud_image() {
    let sandbox = Sandbox::new();
    let made =
        Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(sandbox.path("a.qcow2")).arg("8M").status();
    assert!(made.expect("qemu-img").success());
    let image = std::fs::read(sandbox.path("a.qcow2")).expect("an image");
    // Debian's and Alpine's lists have SHA-512 only.
    let sums = format!("{}  point-1.qcow2\n", sha512(&sandbox.path("a.qcow2")));
    sandbox.write("sums", &sums);
    let sign = |home: &str| {
        let list = sandbox.path("sums").display().to_string();
        gpg(&sandbox.path(home), &["--armor", "--detach-sign", "--output", "-", &list])
    };
    let fingerprints = ["vendor", "other"].map(|home| {
        key(&sandbox.path(home));
        let list = String::from_utf8(gpg(&sandbox.path(home), &["--list-keys", "--with-colons"])).expect("text");
        let line = list.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
        line.split(':').nth(9).expect("a fingerprint").to_owned()
    });
    let exported = ["vendor", "other"].map(|home| gpg(&sandbox.path(home), &["--export"]));
    sandbox.write("ring.gpg", exported.concat());
    let signatures = ["vendor", "other"].map(sign);
    for home in ["vendor", "other"] {
        let _ = Command::new("gpgconf").arg("--homedir").arg(sandbox.path(home)).args(["--kill", "all"]).status();
    }
    let serve = |signature: &[u8]| {
        let server =
            Server::start(&[("point-1.qcow2", &image), ("SHA512SUMS", sums.as_bytes()), ("SHA512SUMS.gpg", signature)]);
        let data = format!(
            "name: point\ntitle: Point\nextends: debian\nreleases: [{{ name: one, version: \"1\" }}]\nimages:\n  - releases: [one]\n    source: {}/point-VERSION.qcow2\n    checksums: SHA512SUMS\n    keyring: {{ file: {}, package: point-keys, fingerprints: [{}] }}\n",
            server.url,
            sandbox.path("ring.gpg").display(),
            fingerprints[0],
        );
        sandbox.write("distros/point/distro.yaml", data);
        sandbox.write("a.yaml", named("point-1"));
        server
    };
    // Both keys are in the file, and one of them counts.
    let other = serve(&signatures[1]);
    let error = fetched(&sandbox).expect_err("another key");
    assert!(error.contains(&format!("and only {} counts", fingerprints[0])), "{error}");
    drop(other);
    let vendor = serve(&signatures[0]);
    assert_eq!(fetched(&sandbox), Ok(Sha256::of(&image)));
    // The image is there already: its SHA-256 is known from its SHA-512.
    vendor.seen.lock().expect("log").clear();
    assert_eq!(fetched(&sandbox), Ok(Sha256::of(&image)));
    let seen = vendor.seen.lock().expect("log").clone();
    assert!(seen.iter().any(|path| path.starts_with("/SHA512SUMS.gpg")), "{seen:?}");
    assert!(!seen.iter().any(|path| path.contains("qcow2")), "{seen:?}");
    std::fs::remove_file(sandbox.path("ring.gpg")).expect("remove");
    let error = fetched(&sandbox).expect_err("no key");
    assert!(error.contains("the package `point-keys` contains it"), "{error}");
}

#[test]
fn an_image_with_another_sha_512_is_not_kept() {
    let sandbox = Sandbox::new();
    let server = Server::start(&[("a.qcow2", b"something else"), ("a.qcow2.sha512", "ab".repeat(64).as_bytes())]);
    let source = ImageSource {
        source: format!("{}/a.qcow2", server.url),
        sha256: format!("{}/a.qcow2.sha512", server.url),
        insecure: true,
        ..ImageSource::default()
    };
    let (cache, network) = (sandbox.path("cache"), Network::default());
    goldsmith::layer::prepare(&cache).expect("a cache");
    let policy = PinPolicy { max_age: Duration::ZERO, newer_than: None, offline: false };
    let wanted = pin(&source, &cache, &cache, &policy, &network, &Interrupt::new()).expect("a digest");
    let error =
        fetch(&source, &wanted, &cache, &cache, false, &network, &Silent, &Interrupt::new()).expect_err("wrong");
    assert!(error.to_string().contains("has another SHA-512 than the recipe says"), "{error}");
    let kept = std::fs::read_dir(cache.join("images")).expect("a directory").flatten();
    let kept: Vec<_> = kept.filter(|entry| !entry.file_name().to_string_lossy().ends_with(".lock")).collect();
    assert!(kept.is_empty(), "{kept:?}");
}
