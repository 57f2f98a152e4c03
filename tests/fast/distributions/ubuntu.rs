//! Ubuntu, as far as that can be seen without its keys: a plan from repositories that look like its own.

use std::path::{Path, PathBuf};

use goldsmith::plan::{self, BasePlan, RepositoryPin};
use goldsmith::recipe::{self, Base};

use super::options;

#[test]
fn ubuntu_is_planned_from_its_own_repositories() {
    let text = std::fs::read_to_string("recipes/debian-12.yaml").expect("a recipe");
    let text = text.replace("{ distro: debian, release: bookworm }", "{ distro: ubuntu, release: noble }");
    let loaded = recipe::load_str(Path::new("recipes/ubuntu.yaml"), &text, &options(None), None);
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
    let how = loaded.recipe.bootstrap.clone().expect("it is made of packages");
    let Base::Bootstrap(source) = &loaded.recipe.base else { panic!("a bootstrap") };
    assert_eq!(source.components, ["main", "universe"]);
    assert_eq!(how.keyring.file, "/usr/share/keyrings/ubuntu-archive-keyring.gpg");

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
    let policy = goldsmith::fetch::PinPolicy { max_age: std::time::Duration::ZERO, refresh: false, offline: false };
    let interrupt = goldsmith::interrupt::Interrupt::new();
    let repositories = goldsmith::fetch::repository::pin(
        source,
        &how,
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
