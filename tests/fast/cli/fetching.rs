//! What is downloaded is believed for a reason only, and what is secret stays so.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goldsmith::digest::Sha256;
use goldsmith::fetch::image::pin;
use goldsmith::fetch::netrc::Netrc;
use goldsmith::fetch::{Checksum, Network, PinPolicy};
use goldsmith::interrupt::Interrupt;
use goldsmith::recipe::ImageSource;
use minisign::KeyPair;

use super::sandbox::Sandbox;

/// A server of a few files. What begins with `-> ` is a redirect. It notes every request with its login.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn start(files: &[(&str, &[u8])]) -> Self {
        let files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(name, content)| (format!("/{name}"), content.to_vec())).collect();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
                let login =
                    lines.iter().find_map(|line| line.to_lowercase().strip_prefix("authorization: ").map(str::len));
                log.lock().expect("log").push(format!("{path} {}", login.is_some()));
                let content = files.get(path.split('?').next().unwrap_or_default());
                let text = content.map(|content| String::from_utf8_lossy(content).into_owned()).unwrap_or_default();
                let (head, body) = match (text.strip_prefix("-> "), content) {
                    (Some(to), _) => (format!("302 Found\r\nLocation: {to}"), &[][..]),
                    (None, Some(content)) => ("200 OK".to_owned(), &content[..]),
                    (None, None) => ("404 No".to_owned(), &[][..]),
                };
                let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                // Whoever has gone away wants nothing any more.
                let _ = stream.write_all(&[head.as_bytes(), body].concat());
            }
        });
        Self { url, seen }
    }
}

/// Makes a key of OpenPGP in a new home directory of gpg.
pub(super) fn key(home: &Path) {
    std::fs::create_dir(home).expect("a directory");
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o700)).expect("a mode");
    gpg(home, &["--quick-generate-key", "Images <i@example.org>", "ed25519", "sign", "1d"]);
}

fn found(list: &str, key: Option<&Path>, network: &Network, cache: &Path) -> Result<Checksum, String> {
    let policy = PinPolicy { max_age: Duration::ZERO, newer_than: Some(std::time::SystemTime::now()), offline: false };
    let signed_by = key.map(|key| key.display().to_string());
    let (source, sha256) = ("a.qcow2".to_owned(), list.to_owned());
    let source = ImageSource { source, sha256, signed_by, insecure: true, ..ImageSource::default() };
    pin(&source, cache, cache, &policy, network, &Interrupt::new()).map_err(|error| error.to_string())
}

pub(super) fn gpg(home: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut gpg = Command::new("gpg");
    gpg.args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", "--homedir"]).arg(home);
    let output = gpg.args(arguments).output().expect("gpg");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn a_list_signed_by_openpgp_is_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let text = |name: &str| at(name).display().to_string();
    let digest = Sha256::of(b"image");
    std::fs::write(at("sums"), format!("{digest}  a.qcow2\n")).expect("a file");
    for (home, key) in [("mine", "mine.asc"), ("other", "other.asc")] {
        self::key(&at(home));
        std::fs::write(at(key), gpg(&at(home), &["--armor", "--export"])).expect("a file");
    }
    std::fs::write(at("mine.gpg"), gpg(&at("mine"), &["--export"])).expect("a file");
    let sums = std::fs::read(at("sums")).expect("a file");
    let armored = gpg(&at("mine"), &["--armor", "--detach-sign", "--output", "-", &text("sums")]);
    let binary = gpg(&at("mine"), &["--detach-sign", "--output", "-", &text("sums")]);
    let within = gpg(&at("mine"), &["--clear-sign", "--output", "-", &text("sums")]);
    for home in ["mine", "other"] {
        let _ = Command::new("gpgconf").arg("--homedir").arg(at(home)).args(["--kill", "all"]).status();
    }
    let other = Sha256::of(b"other");
    let forged = String::from_utf8(within.clone()).expect("text").replace(&digest.to_string(), &other.to_string());
    // What follows the signature is signed by nobody.
    let longer = [&within[..], format!("{other}  a.qcow2\n").as_bytes()].concat();
    let server = Server::start(&[
        ("asc/SHA256SUMS", &sums),
        ("asc/SHA256SUMS.asc", &armored),
        ("gpg/SHA256SUMS", &sums),
        ("gpg/SHA256SUMS.gpg", &binary),
        ("sign/SHA256SUMS", &sums),
        ("sign/SHA256SUMS.sign", &armored),
        ("within/SHA256SUMS", &within),
        ("longer/SHA256SUMS", &longer),
        ("forged/SHA256SUMS", forged.as_bytes()),
        ("changed/SHA256SUMS", forged.lines().nth(3).unwrap_or_default().as_bytes()),
        ("changed/SHA256SUMS.asc", &armored),
        ("none/SHA256SUMS", &sums),
    ]);
    let ask = |place: &str, key: &str| {
        let list = format!("{}/{place}/SHA256SUMS", server.url);
        found(&list, Some(&at(key)), &Network::default(), &at("cache"))
    };
    for place in ["asc", "gpg", "sign", "within"] {
        for key in ["mine.asc", "mine.gpg"] {
            assert_eq!(ask(place, key), Ok(digest.into()), "{place} {key}");
        }
        let error = ask(place, "other.asc").expect_err(place);
        assert!(error.contains("is not signed by the key in"), "{error}");
    }
    for (place, words) in [
        ("forged", "is not signed by the key in"),
        ("changed", "is not signed by the key in"),
        ("none", "has no signature"),
    ] {
        let error = ask(place, "mine.asc").expect_err(place);
        assert!(error.contains(words), "{place}: {error}");
    }
    assert_ne!(ask("longer", "mine.asc"), Ok(other.into()));
    let error = ask("asc", "sums").expect_err("no key");
    assert!(error.contains("neither a public key of OpenPGP nor one of minisign"), "{error}");
}

#[test]
fn a_list_signed_by_minisign_is_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let digest = Sha256::of(b"image");
    let sums = format!("SHA256 (a.qcow2) = {digest}\n");
    let [mine, other] = ["mine.pub", "other.pub"].map(|name| {
        let pair = KeyPair::generate_unencrypted_keypair().expect("a key");
        let path = dir.path().join(name);
        std::fs::write(&path, pair.pk.to_box().expect("a key").into_string()).expect("a file");
        (path, pair)
    });
    let signature = minisign::sign(Some(&mine.1.pk), &mine.1.sk, Cursor::new(&sums), None, None).expect("a signature");
    let signature = signature.into_string();
    let server = Server::start(&[
        ("good/SHA256SUMS", sums.as_bytes()),
        ("good/SHA256SUMS.minisig", signature.as_bytes()),
        ("changed/SHA256SUMS", sums.to_uppercase().as_bytes()),
        ("changed/SHA256SUMS.minisig", signature.as_bytes()),
    ]);
    let ask = |place: &str, key: &Path| {
        found(&format!("{}/{place}/SHA256SUMS", server.url), Some(key), &Network::default(), dir.path())
    };
    assert_eq!(ask("good", &mine.0), Ok(digest.into()));
    for (place, key) in [("good", &other.0), ("changed", &mine.0)] {
        let error = ask(place, key).expect_err("it is refused");
        assert!(error.contains("is not signed by the key in"), "{error}");
    }
}

#[test]
fn a_login_goes_to_its_server_and_not_where_that_one_points_to() {
    let digest = Sha256::of(b"image");
    let sums = format!("{digest}  a.qcow2\n");
    let dir = tempfile::tempdir().expect("a directory");
    let target = Server::start(&[("SHA256SUMS", sums.as_bytes())]);
    let away = format!("-> {}/SHA256SUMS", target.url);
    let server = Server::start(&[
        ("here/SHA256SUMS", b"-> /SHA256SUMS"),
        ("SHA256SUMS", sums.as_bytes()),
        ("away/SHA256SUMS", away.as_bytes()),
        ("loop/SHA256SUMS", b"-> /loop/SHA256SUMS"),
        ("file/SHA256SUMS", b"-> file:///etc/passwd"),
    ]);
    let logins = Netrc::parse("machine 127.0.0.1 login me password s3cret").expect("logins");
    let network = Network { logins, ..Network::default() };
    let ask = |place: &str| found(&format!("{}/{place}/SHA256SUMS", server.url), None, &network, dir.path());
    assert_eq!(ask("here"), Ok(digest.into()));
    assert_eq!(ask("away"), Ok(digest.into()));
    assert_eq!(
        *server.seen.lock().expect("log"),
        ["/here/SHA256SUMS true", "/SHA256SUMS true", "/away/SHA256SUMS true"]
    );
    assert_eq!(*target.seen.lock().expect("log"), ["/SHA256SUMS false"]);
    for (place, words) in [("loop", "redirects more than"), ("file", "neither http nor https")] {
        let error = ask(place).expect_err(place);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn secrets_of_addresses_reach_neither_the_disk_nor_the_output() {
    let sandbox = Sandbox::new();
    let sums = format!("{}  a.qcow2\n", Sha256::of(b"image"));
    let server = Server::start(&[("SHA256SUMS", sums.as_bytes())]);
    let recipe = |source: &str, sums: &str| {
        format!(
            "name: x\narch: x86_64\nbase:\n  image:\n    source: {source}\n    sha256: {sums}\n    insecure: true\n"
        )
    };
    let list = format!("{}/SHA256SUMS?sig=s3cret", server.url);
    sandbox.write("query.yaml", recipe(&format!("{}/a.qcow2?sig=s3cret", server.url), &list));
    sandbox.write("login.yaml", recipe("https://me:s3cret@h/a.qcow2", "https://me:s3cret@h/SHA256SUMS"));
    sandbox.write("http.yaml", recipe("https://h/a.qcow2", "http://h/SHA256SUMS").replace("    insecure: true\n", ""));
    let query = sandbox.run("plan query.yaml");
    assert!(query.code == Some(11) && query.stderr.contains("the server answers 404"), "{query:?}");
    assert!(query.stderr.contains("comes over http without a signature"), "{query:?}");
    let login = sandbox.run("validate login.yaml");
    assert!(login.code == Some(10) && login.stderr.contains("login.yaml:5:13"), "{login:?}");
    assert!(login.stderr.contains("~/.netrc") && login.stderr.contains("*********@h"), "{login:?}");
    let json = sandbox.run("validate --json login.yaml");
    let http = sandbox.run("validate http.yaml");
    assert!(http.code == Some(10) && http.stderr.contains("http.yaml:6:13"), "{http:?}");
    assert!(http.stderr.contains("anybody on the way"), "{http:?}");
    for ran in [query, login, json] {
        assert!(!ran.stdout.contains("s3cret") && !ran.stderr.contains("s3cret"), "{ran:?}");
    }
    let mut grep = Command::new("grep");
    grep.args(["-rl", "s3cret", "--exclude=query.yaml", "--exclude=login.yaml"]).arg(sandbox.path(""));
    let output = grep.output().expect("grep");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(1), ""));
}
