//! Ubuntu, as far as that can be seen without its keys: a plan from repositories that look like its own.

use std::path::{Path, PathBuf};

use goldsmith::distro::Distros;
use goldsmith::plan::{self, BasePlan, RepositoryPin};
use goldsmith::recipe::{self, Arch, Base, Loaded};

use super::options;

/// Loads the recipe for Ubuntu 24.04, with other words in some places.
fn load(changes: &[(&str, &str)]) -> Loaded {
    let mut text = std::fs::read_to_string("recipes/ubuntu-24.04.yaml").expect("a recipe");
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    let loaded = recipe::load_str(Path::new("recipes/ubuntu.yaml"), &text, &options(None), None);
    loaded.unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn releases_of_ubuntu_differ_in_data() {
    let distros = Distros::built_in();
    let ubuntu = distros.get("ubuntu").expect("it is known");
    let facts = |name: &str, version: &str| {
        let os = ubuntu.os(&ubuntu.named(name.to_owned(), version.to_owned()), Arch::Aarch64);
        let how = os.bootstrap.expect("it can be bootstrapped");
        let suites: Vec<_> = how.suites.iter().chain(&how.security_suites).cloned().collect();
        format!("{} | {} | {}", os.packages["network"].join(" "), os.units["cloud_init"], suites.join(" "))
    };
    let told: Vec<_> = ubuntu.file.releases.iter().map(|one| facts(&one.name, &one.version)).collect();
    assert_eq!(
        told,
        [
            "netplan.io | cloud-init.service | focal focal-updates focal-security",
            "netplan.io | cloud-init.service | jammy jammy-updates jammy-security",
            "systemd-resolved netplan.io | cloud-init.service | noble noble-updates noble-security",
            "systemd-resolved netplan.io | cloud-init-network.service | resolute resolute-updates resolute-security",
        ]
    );
}

/// The packages that need each other, or exclude each other.
#[test]
fn ubuntus_boot_loaders_fit_the_firmware() {
    for (layout, arch, there, absent) in [
        ("bios+uefi", "x86_64", &["grub-pc", "grub-pc-bin", "grub-efi-amd64-signed"][..], "grub-cloud-amd64"),
        ("uefi", "x86_64", &["grub-efi-amd64-signed", "shim-signed"], "grub-pc"),
        ("bios", "x86_64", &["grub-pc-bin"], "shim-signed"),
        ("uefi", "aarch64", &["grub-efi-arm64-signed", "shim-signed", "linux-image-virtual"], "grub-pc"),
    ] {
        let without = if layout == "bios" { "" } else { "  - uefi\n" };
        let arch = format!("arch: {arch}\ndisk: {{ size: 3GiB, layout: {layout} }}");
        let loaded = load(&[("disk: { size: 3GiB, layout: bios+uefi }", &arch), ("  - uefi\n", without)]);
        let packages = loaded.composition.expect("its distribution is known").packages;
        assert!(there.iter().all(|name| packages.contains_key(*name)), "{arch}: {packages:?}");
        assert!(!packages.contains_key(absent), "{arch}: {packages:?}");
        for name in ["initramfs-tools", "netplan.io"] {
            assert!(packages.contains_key(name), "{arch}: {name} is only recommended by others");
        }
    }
}

#[test]
fn a_recipe_names_a_keyring_and_allows_expired_indexes_for_apt_only() {
    let loaded = load(&[("release: noble }", "release: noble, keyring: keys/ubuntu.gpg }")]);
    let Base::Bootstrap(source) = &loaded.recipe.base else { panic!("a bootstrap") };
    let keyring = Path::new(source.keyring.as_deref().expect("a keyring"));
    assert!(keyring.is_absolute() && keyring.ends_with("recipes/keys/ubuntu.gpg"), "{keyring:?}");
    assert!(!serde_json::to_string(source).expect("JSON").contains("keyring"), "a path of the host is in no manifest");

    let text = "name: x\nbase: { bootstrap: { distro: fedora, release: \"42\", keyring: k.gpg } }\n";
    let error = recipe::load_str(Path::new("x.yaml"), text, &options(None), None).expect_err("dnf cannot").to_string();
    assert!(error.contains("`keyring` is for distributions with apt"), "{error}");
    let text = text.replace("keyring: k.gpg", "allow-expired: true");
    let refused = recipe::load_str(Path::new("x.yaml"), &text, &options(None), None);
    let error = refused.expect_err("dnf has no such setting").to_string();
    assert!(error.contains("`allow-expired` is for distributions with apt"), "{error}");
}

#[test]
fn ubuntu_is_planned_from_its_own_repositories() {
    let loaded = load(&[]);
    let how = loaded.recipe.bootstrap.clone().expect("it is made of packages");
    let Base::Bootstrap(source) = &loaded.recipe.base else { panic!("a bootstrap") };
    assert_eq!(source.components, ["main", "universe"]);
    assert_eq!(how.keyring.file, "/usr/share/keyrings/ubuntu-archive-keyring.gpg");
    assert_eq!(how.keyring.fingerprints, ["F6ECB3762474EDA9D21B7022871920D1991BC93C"]);

    // Indexes as its mirrors would have them, and no host that has mirrors of Ubuntu.
    let index = "-----BEGIN PGP SIGNED MESSAGE-----\n\nDate: Sat, 09 Sep 2023 09:08:31 UTC\n";
    let mirror = tempfile::tempdir().expect("a temporary folder");
    for suite in ["noble", "noble-updates", "noble-security"] {
        let dir = mirror.path().join("dists").join(suite);
        std::fs::create_dir_all(&dir).expect("a folder");
        std::fs::write(dir.join("InRelease"), format!("{index}Suite: {suite}\n")).expect("a file");
    }
    let server = serve(mirror.path().to_owned(), 3);
    let mirrors = goldsmith::fetch::Mirrors { main: Some(server.clone()), security: Some(server.clone()) };
    let cache = tempfile::tempdir().expect("a temporary folder");
    let policy = goldsmith::fetch::PinPolicy { max_age: std::time::Duration::ZERO, newer_than: None, offline: false };
    let interrupt = goldsmith::interrupt::Interrupt::new();
    let repositories = goldsmith::fetch::repository::pin(
        source,
        (&how, Arch::X86_64),
        &mirrors,
        cache.path(),
        &policy,
        &Default::default(),
        &interrupt,
    )
    .expect("pins");
    let suites: Vec<_> = repositories.iter().map(|pin: &RepositoryPin| pin.suite.as_str()).collect();
    assert_eq!(suites, ["noble", "noble-updates", "noble-security"]);

    let composition = loaded.composition.clone().expect("its distribution is known");
    let base = BasePlan::Bootstrap { source: source.clone(), repositories };
    let plan = plan::resolve(&loaded.recipe, composition, base, Vec::new());
    assert_eq!(plan.steps[0].id.to_string(), "base ubuntu noble");
    for (package, there) in
        [("linux-image-virtual", true), ("linux-image-cloud-amd64", false), ("grub-efi-amd64-signed", true)]
    {
        assert_eq!(plan.packages.contains_key(package), there, "{package}");
    }
    let ingredients = &plan.steps[0].ingredients;
    assert_eq!(ingredients["base"]["bootstrap"]["keyring"], "/usr/share/keyrings/ubuntu-archive-keyring.gpg");
    assert_eq!(ingredients["mechanisms"]["packages"], "apt");
    let checks = serde_json::to_string(&plan.checks).expect("JSON");
    assert!(checks.contains("/boot/efi/EFI/ubuntu/shimx64.efi"), "{checks}");
}

/// Answers so many requests with files of a folder; its URL.
fn serve(root: PathBuf, requests: usize) -> String {
    use std::io::{BufRead as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            let mut stream = stream.expect("a request");
            let mut lines = std::io::BufReader::new(stream.try_clone().expect("a socket")).lines();
            let first = lines.next().expect("a line").expect("a request");
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let path = first.split(' ').nth(1).expect("a path").trim_start_matches('/').to_owned();
            let body = std::fs::read(root.join(path)).expect("a file that is there");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).expect("a reader");
        }
    });
    url
}
