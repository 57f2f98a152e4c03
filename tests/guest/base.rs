//! Bases: images from a server of this test's own, and disks made of a mirror's packages.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goldsmith::base::{self, BootstrapError, BootstrapRequest};
use goldsmith::digest::Sha256;
use goldsmith::distro;
use goldsmith::event::{Event, Reporter, Silent};
use goldsmith::fetch::image::{self, ImageError};
use goldsmith::fetch::{self, Network, PinPolicy, repository};
use goldsmith::image::Format;
use goldsmith::interrupt::Interrupt;
use goldsmith::plan::DiskPlan;
use goldsmith::recipe::{Arch, Bootstrap, ImageSource};
use goldsmith::units::ByteSize;

const FRESH: PinPolicy = PinPolicy { max_age: Duration::from_secs(3600), newer_than: None, offline: false };
const OFFLINE: PinPolicy = PinPolicy { offline: true, ..FRESH };

/// A server of a few files. It notes each request's path and range, and can break connections.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    /// Knows ranges.
    Good,
    /// Ends the first connection half way.
    Drops,
    /// Does not know ranges, and ends the first connection half way.
    DropsWithoutRanges,
    /// Answers every request with an error page.
    Refuses(u16),
}

impl Server {
    fn start(files: BTreeMap<&'static str, Vec<u8>>, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for (count, stream) in listener.incoming().enumerate() {
                let drops = matches!(behaviour, Behaviour::Drops | Behaviour::DropsWithoutRanges) && count == 0;
                serve(&stream.expect("connection"), &files, behaviour, drops, &log);
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("log").clone()
    }
}

fn serve(
    mut stream: &TcpStream,
    files: &BTreeMap<&'static str, Vec<u8>>,
    behaviour: Behaviour,
    drops: bool,
    log: &Mutex<Vec<String>>,
) {
    let lines: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let range = lines.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let start: usize = range.as_deref().and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(0);
    log.lock().expect("log").push(format!("{path} {start}"));
    let close = "Connection: close";
    let head = match (behaviour, files.get(path.as_str())) {
        (Behaviour::Refuses(status), _) => format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n{close}\r\n\r\n"),
        (_, None) => format!("HTTP/1.1 404 No\r\nContent-Length: 0\r\n{close}\r\n\r\n"),
        (Behaviour::DropsWithoutRanges, Some(content)) => {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{close}\r\n\r\n", content.len())
        }
        (_, Some(content)) if range.is_some() && start >= content.len() => {
            format!("HTTP/1.1 416 No\r\nContent-Length: 0\r\n{close}\r\n\r\n")
        }
        (_, Some(content)) if range.is_some() => {
            let (end, length) = (content.len() - 1, content.len());
            let rest = length - start;
            format!(
                "HTTP/1.1 206 Part\r\nContent-Range: bytes {start}-{end}/{length}\r\nContent-Length: {rest}\r\n{close}\r\n\r\n"
            )
        }
        (_, Some(content)) => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{close}\r\n\r\n", content.len()),
    };
    let body = files.get(path.as_str()).filter(|_| head.starts_with("HTTP/1.1 2"));
    let start = if head.starts_with("HTTP/1.1 206") { start } else { 0 };
    let body = body.map_or(&[][..], |content| &content[start..]);
    let body = if drops { &body[..body.len() / 2] } else { body };
    // The client may have gone, as some tests want.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn qcow2() -> Vec<u8> {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("disk");
    let raw = directory.path().join("raw");
    let mut content: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
    content.resize(20 << 20, 0);
    std::fs::write(&raw, content).expect("write");
    run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", &raw.display().to_string(), &path.display().to_string()]);
    std::fs::read(&path).expect("read")
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect(program);
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stdout));
}

fn source(source: &str, sha256: impl ToString) -> ImageSource {
    ImageSource { source: source.to_owned(), sha256: sha256.to_string(), insecure: true, ..ImageSource::default() }
}

fn fetch_image(server_path: &str, sha256: &Sha256, cache: &Path) -> Result<image::CachedImage, ImageError> {
    image::fetch(
        &source(server_path, sha256),
        &(*sha256).into(),
        cache,
        cache,
        false,
        &Network::default(),
        &Silent,
        &Interrupt::new(),
    )
}

fn leftovers(cache: &Path) -> Vec<String> {
    let names = std::fs::read_dir(cache.join("images")).expect("images");
    let names = names.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".part")).collect()
}

#[test]
fn a_download_that_breaks_goes_on() {
    let content = qcow2();
    let sha256 = Sha256::of(&content);
    for (behaviour, ranges) in [
        (Behaviour::Good, vec![0]),
        (Behaviour::Drops, vec![0, content.len() / 2]),
        (Behaviour::DropsWithoutRanges, vec![0, content.len() / 2]),
    ] {
        let cache = tempfile::tempdir().expect("temporary directory");
        let server = Server::start(BTreeMap::from([("/a.qcow2", content.clone())]), behaviour);
        let url = format!("{}/a.qcow2", server.url);
        let image = fetch_image(&url, &sha256, cache.path()).expect("image");
        assert_eq!((image.format, image.virtual_size), (Format::Qcow2, 20 << 20));
        assert_eq!(std::fs::read(&image.path).expect("read"), content);
        let asked: Vec<_> = ranges.iter().map(|start| format!("/a.qcow2 {start}")).collect();
        assert_eq!(server.requests(), asked);
        assert_eq!(fetch_image(&url, &sha256, cache.path()).expect("image"), image);
        assert_eq!(server.requests().len(), asked.len(), "what is in the cache is not fetched again");
    }
}

#[test]
fn a_download_of_an_earlier_run_is_resumed_but_not_trusted() {
    let content = qcow2();
    let sha256 = Sha256::of(&content);
    for (part, asked) in [
        (content[..300_000].to_vec(), vec!["/a 300000".to_owned()]),
        // Whole, but never renamed.
        (content.clone(), vec![format!("/a {}", content.len())]),
        // Of another file: noticed at the end, and begun anew.
        (vec![1; 300_000], vec!["/a 300000".to_owned(), "/a 0".to_owned()]),
    ] {
        let cache = tempfile::tempdir().expect("temporary directory");
        std::fs::create_dir(cache.path().join("images")).expect("directory");
        std::fs::write(cache.path().join(format!("images/{sha256}.part")), part).expect("part");
        let server = Server::start(BTreeMap::from([("/a", content.clone())]), Behaviour::Good);
        let image = fetch_image(&format!("{}/a", server.url), &sha256, cache.path()).expect("image");
        assert_eq!(std::fs::read(&image.path).expect("read"), content);
        assert_eq!(server.requests(), asked);
    }
}

#[test]
fn what_is_wrong_does_not_stay() {
    let content = qcow2();
    let page = b"<html>log in</html>".to_vec();
    let files = BTreeMap::from([("/a", content), ("/page", page.clone()), ("/half", qcow2()[..70_000].to_vec())]);
    let server = Server::start(files, Behaviour::Good);
    for (path, sha256, reason) in [
        ("/a", Sha256::of(b"other"), "another SHA-256"),
        ("/page", Sha256::of(&page), "web page"),
        ("/half", Sha256::of(&qcow2()[..70_000]), "truncated"),
        ("/none", Sha256::of(b"x"), "404"),
    ] {
        let cache = tempfile::tempdir().expect("temporary directory");
        let error = fetch_image(&format!("{}{path}", server.url), &sha256, cache.path()).expect_err(path).to_string();
        assert!(error.contains(reason), "{path}: {error}");
        let empty = leftovers(cache.path())
            .iter()
            .all(|name| std::fs::metadata(cache.path().join("images").join(name)).is_ok_and(|part| part.len() == 0));
        assert!(empty, "{path} left {:?}", leftovers(cache.path()));
    }
}

#[test]
fn a_server_in_trouble_is_asked_several_times_and_named() {
    let cache = tempfile::tempdir().expect("temporary directory");
    let server = Server::start(BTreeMap::new(), Behaviour::Refuses(503));
    let url = server.url.clone() + "/a?secret";
    let error = fetch_image(&url, &Sha256::of(b"x"), cache.path()).expect_err("503").to_string();
    assert!(error.contains("503") && error.contains("/a") && !error.contains("secret"), "{error}");
    assert_eq!(server.requests().len(), 4);
    let url = server.url.replace("http://", "http://me:secret@") + "/a";
    let error = fetch_image(&url, &Sha256::of(b"x"), cache.path()).expect_err("a login").to_string();
    assert!(error.contains("netrc") && !error.contains("secret"), "{error}");
    assert_eq!(server.requests().len(), 4, "it is not asked");
}

#[test]
fn local_images_are_copied_and_checked() {
    let cache = tempfile::tempdir().expect("temporary directory");
    let content = qcow2();
    let sha256 = Sha256::of(&content);
    std::fs::write(cache.path().join("disk.qcow2"), &content).expect("write");
    let image = fetch_image("./disk.qcow2", &sha256, cache.path()).expect("image");
    assert_eq!(std::fs::read(&image.path).expect("read"), content);
    let error = fetch_image("disk.qcow2", &Sha256::of(b"x"), cache.path()).expect_err("digest");
    assert!(matches!(error, ImageError::WrongDigest { found, .. } if found == sha256.into()), "{error}");
    assert!(fetch_image("missing", &Sha256::of(b"y"), cache.path()).is_err());
}

#[test]
fn digests_come_from_lists_and_are_remembered() {
    let cache = tempfile::tempdir().expect("temporary directory");
    let digest = Sha256::of(b"x");
    let sums = format!("{digest}  disk.qcow2\n").into_bytes();
    std::fs::write(cache.path().join("SHA256SUMS"), &sums).expect("write");
    let server = Server::start(BTreeMap::from([("/d/SHA256SUMS", sums)]), Behaviour::Good);
    let remote = source(&format!("{}/d/disk.qcow2", server.url), format!("{}/d/SHA256SUMS", server.url));
    let pin = |source: &ImageSource, policy| {
        image::pin(source, cache.path(), cache.path(), &policy, &Network::default(), &Interrupt::new())
    };
    assert!(pin(&remote, OFFLINE).is_err());
    for policy in [FRESH, FRESH, OFFLINE] {
        assert_eq!(pin(&remote, policy).expect("digest"), digest.into());
    }
    assert_eq!(server.requests().len(), 1);
    assert_eq!(pin(&source("disk.qcow2", "SHA256SUMS"), FRESH).expect("digest"), digest.into());
    let error = pin(&source("other.qcow2", "SHA256SUMS"), FRESH).expect_err("not listed").to_string();
    assert!(error.contains("other.qcow2"), "{error}");
}

#[test]
fn an_interrupt_ends_a_download_at_once() {
    let cache = tempfile::tempdir().expect("temporary directory");
    // Accepts and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let url = format!("http://{}/a", listener.local_addr().expect("address"));
    let interrupt = Interrupt::new();
    let raise = interrupt.clone();
    std::thread::spawn(move || {
        let _connection = listener.accept();
        raise.raise();
        std::thread::park();
    });
    let sha256 = Sha256::of(b"x");
    let result = image::fetch(
        &source(&url, sha256),
        &sha256.into(),
        cache.path(),
        cache.path(),
        false,
        &Network::default(),
        &Silent,
        &interrupt,
    );
    assert!(matches!(result, Err(ImageError::Interrupted)));
}

fn bootstrap(mirror: Option<String>) -> Bootstrap {
    Bootstrap {
        keyring: None,
        allow_expired: false,
        client_certificate: None,
        certificate_authority: None,
        distro: "debian".to_owned(),
        release: "bookworm".to_owned(),
        security_mirror: mirror.clone(),
        mirror,
        components: vec!["main".to_owned()],
    }
}

/// How Debian is made of packages.
fn how() -> distro::Bootstrap {
    let distros = distro::Distros::built_in();
    distros.get("debian").and_then(|debian| debian.file.bootstrap.as_ref()).expect("it is there").of(
        "bookworm",
        &[],
        Arch::X86_64,
    )
}

#[test]
fn repositories_are_pinned_once_and_remembered() {
    let cache = tempfile::tempdir().expect("temporary directory");
    let index = |day: &str| {
        format!("-----BEGIN PGP SIGNED MESSAGE-----\n\nDate: Sat, {day} Sep 2023 09:08:31 UTC\n").into_bytes()
    };
    let files = BTreeMap::from([
        ("/dists/bookworm/InRelease", index("02")),
        ("/dists/bookworm-updates/InRelease", index("09")),
        ("/dists/bookworm-security/InRelease", index("16")),
    ]);
    let server = Server::start(files, Behaviour::Good);
    let source = bootstrap(Some(format!("{}/", server.url)));
    let pin = |policy| {
        repository::pin(
            &source,
            (&how(), Arch::X86_64),
            &fetch::Mirrors::default(),
            cache.path(),
            &policy,
            &Network::default(),
            &Interrupt::new(),
        )
    };
    assert!(pin(OFFLINE).expect_err("never seen").to_string().contains("without --offline"));
    let pins = pin(FRESH).expect("pins");
    let suites: Vec<_> = pins.iter().map(|pin| pin.suite.as_str()).collect();
    assert_eq!(suites, ["bookworm", "bookworm-updates", "bookworm-security"]);
    assert_eq!(pins[1].sha256, Sha256::of(&index("09")));
    assert_eq!(pins[1].date, 1_694_250_511);
    assert_eq!((pin(FRESH).expect("pins"), server.requests().len()), (pins.clone(), 3));
    assert_eq!(pin(OFFLINE).expect("pins"), pins);
    assert_eq!(pin(PinPolicy { newer_than: Some(std::time::SystemTime::now()), ..FRESH }).expect("pins"), pins);
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn a_mirror_that_is_none_is_named() {
    let cache = tempfile::tempdir().expect("temporary directory");
    let portal = Server::start(
        BTreeMap::from([
            ("/dists/bookworm/InRelease", b"<html>".to_vec()),
            ("/dists/bookworm-updates/InRelease", b"<html>".to_vec()),
            ("/dists/bookworm-security/InRelease", b"<html>".to_vec()),
        ]),
        Behaviour::Good,
    );
    let empty = Server::start(BTreeMap::new(), Behaviour::Good);
    for (mirror, words) in [
        (None, &["base.bootstrap.mirror"][..]),
        (Some(portal.url.clone()), &["is not the index", "/dists/bookworm"]),
        (Some(empty.url.clone()), &["404", "/dists/bookworm", "base.bootstrap.mirror"]),
    ] {
        let result = repository::pin(
            &bootstrap(mirror),
            (&how(), Arch::X86_64),
            &fetch::Mirrors::default(),
            cache.path(),
            &FRESH,
            &Network::default(),
            &Interrupt::new(),
        );
        let error = result.expect_err("no mirror").to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

/// Keeps the lines that tools print, for the message of a test that fails.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Reporter for Lines {
    fn report(&self, event: &Event) {
        if let Event::Output { line } = event {
            self.0.lock().expect("lines").push(line.clone());
        }
    }
}

fn build(
    directory: &Path,
    packages: &[&str],
    size: ByteSize,
    change: impl FnOnce(&mut Vec<goldsmith::plan::RepositoryPin>),
    interrupt: &Interrupt,
) -> Result<base::Bootstrapped, BootstrapError> {
    let mirrors = fetch::host_mirrors(&how());
    let mut pins = repository::pin(
        &bootstrap(None),
        (&how(), Arch::X86_64),
        &mirrors,
        directory,
        &FRESH,
        &Network::default(),
        &Interrupt::new(),
    )
    .expect("a package mirror");
    change(&mut pins);
    let packages: Vec<_> = packages.iter().map(|name| (*name).to_owned()).collect();
    let disk = DiskPlan { size, ..DiskPlan::default() };
    let lines = Lines::default();
    let result = base::bootstrap::build(
        &BootstrapRequest {
            keyring: None,
            allow_expired: false,
            client_certificate: None,
            certificate_authority: None,
            distro: "debian",
            how: &how(),
            release: "bookworm",
            arch: Arch::X86_64,
            repositories: &pins,
            packages: &packages,
            disk: &disk,
            seed: Sha256::of(b"seed"),
            target: &directory.join("disk.qcow2"),
            cache_dir: &directory.join("cache"),
        },
        &lines,
        interrupt,
    );
    if let Err(BootstrapError::Failed(_)) = result {
        panic!("{}", lines.0.lock().expect("lines").join("\n"));
    }
    result
}

/// Runs `debugfs` on the root file system of a finished disk.
fn debugfs(directory: &Path, request: &str) -> String {
    let raw = directory.join("disk.raw");
    let root = directory.join("root.ext4");
    if !root.exists() {
        let disk = directory.join("disk.qcow2");
        run(
            "qemu-img",
            &["convert", "-f", "qcow2", "-O", "raw", &disk.display().to_string(), &raw.display().to_string()],
        );
        let (input, output) = (format!("if={}", raw.display()), format!("of={}", root.display()));
        run("dd", &[&input, &output, "bs=1M", "skip=102", "conv=sparse", "status=none"]);
    }
    let output = Command::new("debugfs").args(["-R", request]).arg(root).output().expect("debugfs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "needs a package mirror; run by make test"]
fn a_mirror_becomes_a_disk() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path();
    let built = build(path, &["netbase"], ByteSize::mebibytes(2048), |_| {}, &Interrupt::new()).expect("disk");
    assert_eq!(built.mounts.iter().map(|mount| mount.path.as_str()).collect::<Vec<_>>(), ["/", "/boot/efi"]);
    for name in ["apt", "netbase", "dpkg"] {
        assert!(built.packages.iter().any(|package| package.name == name), "{name} is missing");
    }
    assert!(!built.packages.iter().any(|package| package.name == "systemd"), "more than was asked for");
    let checked = debugfs(path, "stats");
    assert!(checked.contains("Filesystem state:         clean"), "{checked}");
    run("e2fsck", &["-fn", &path.join("root.ext4").display().to_string()]);
    assert!(debugfs(path, "cat /etc/fstab").contains("/boot/efi vfat"));
    assert_eq!(debugfs(path, "cat /etc/resolv.conf"), "");
    assert_eq!(debugfs(path, "cat /etc/apt/sources.list").lines().count(), 3);
    for gone in ["/etc/apt/apt.conf.d/99mmdebstrap", "/usr/sbin/policy-rc.d", "/etc/hostname"] {
        assert!(!debugfs(path, &format!("stat {gone}")).contains("Inode:"), "{gone} is in the image");
    }
    assert!(!debugfs(path, "ls /var/cache/apt/archives").contains(".deb"));
    let shadow = debugfs(path, "stat /etc/shadow");
    assert!(shadow.contains("User:     0   Group:    42"), "identities are those of the image: {shadow}");
    let null = debugfs(path, "stat /dev/null");
    assert!(null.contains("Type: character special    Mode:  0666"), "device nodes are there: {null}");
    let cache = path.join("cache/packages/debian-bookworm-amd64");
    assert!(std::fs::read_dir(cache).expect("cache").count() > 50, "packages are kept");
    assert_eq!(std::fs::read_dir(path.join("cache/tmp")).expect("tmp").count(), 0);

    // The same cache serves builds that fail, each for its own reason.
    let size = ByteSize::mebibytes(2048);
    let error = build(path, &["no-such-package"], size, |_| {}, &Interrupt::new()).expect_err("package");
    assert!(
        matches!(&error, BootstrapError::PackageNotFound { packages } if packages == &["no-such-package"]),
        "{error}"
    );
    let moved = |pins: &mut Vec<goldsmith::plan::RepositoryPin>| pins[0].sha256 = Sha256::of(b"yesterday");
    let error = build(path, &["netbase"], size, moved, &Interrupt::new()).expect_err("digest");
    assert!(matches!(error, BootstrapError::RepositoryMoved), "{error}");
    let gone = |pins: &mut Vec<goldsmith::plan::RepositoryPin>| {
        for pin in pins {
            pin.url = "http://127.0.0.1:1/debian".to_owned();
            pin.sha256 = Sha256::of(b"other");
        }
    };
    let error = build(path, &["netbase"], size, gone, &Interrupt::new()).expect_err("mirror");
    assert!(matches!(error, BootstrapError::Mirror { .. }), "{error}");
    let error = build(path, &["netbase"], ByteSize::mebibytes(400), |_| {}, &Interrupt::new()).expect_err("size");
    assert!(matches!(error, BootstrapError::DiskTooSmall { .. }), "{error}");
    let interrupt = Interrupt::new();
    interrupt.raise();
    let error = build(path, &["netbase"], size, |_| {}, &interrupt).expect_err("interrupt");
    assert!(matches!(error, BootstrapError::Interrupted), "{error}");
    assert_eq!(std::fs::read_dir(path.join("cache/tmp")).expect("tmp").count(), 0);
}
