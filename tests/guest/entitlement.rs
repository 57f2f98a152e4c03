//! Packages from a mirror that asks for a client certificate, as Red Hat's does: a tiny repository, a server with TLS, and dnf.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use goldsmith::base::{BootstrapError, Bootstrapped};
use goldsmith::digest::Sha256;
use goldsmith::distro::{self, Distros, Keyring, Mirrors};
use goldsmith::fetch::repository::{self, RepositoryError};
use goldsmith::fetch::{MirrorCertificates, Network, PinPolicy};
use goldsmith::interrupt::Interrupt;
use goldsmith::plan::RepositoryPin;
use goldsmith::process::capture;
use goldsmith::recipe::{Arch, Bootstrap};

use crate::synthetic::Server;
use crate::tiny::{Tiny, file_of_disk};

/// An authority, and what it has signed: a server for 127.0.0.1, and a client whose file holds its key too.
const CERTIFICATES: &str = r#"
cd "$1"
request() { openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout authority.key -out authority.pem -days 2 -subj /CN=authority 2>/dev/null
echo subjectAltName=IP:127.0.0.1 >server.ext
echo extendedKeyUsage=clientAuth >client.ext
for name in server client; do
    request $name
    openssl x509 -req -in $name.csr -CA authority.pem -CAkey authority.key -days 2 -extfile $name.ext -out $name.crt 2>/dev/null
    cat $name.crt $name.key >$name.pem
done
"#;

/// Starts a server of the repository, or one that redirects to another server.
fn serve(work: &Path, elsewhere: &[&str]) -> Server {
    let mut python = Command::new("python3");
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls_server.py"));
    python.args(["out", "server.pem", "authority.pem"].map(|name| work.join(name))).args(elsewhere);
    Server::of(python)
}

struct Mirror {
    work: tempfile::TempDir,
    server: Server,
    how: distro::Bootstrap,
}

impl Mirror {
    fn new() -> Self {
        let work = tempfile::tempdir().expect("a directory");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/zypper/make.sh");
        capture(Command::new("sh").arg(script).arg(work.path())).expect("the repository");
        capture(Command::new("sh").args(["-euc", CERTIFICATES, "sh"]).arg(work.path())).expect("certificates");
        let server = serve(work.path(), &[]);
        let distros = Distros::built_in();
        let rhel = distros.get("rhel").and_then(|it| it.file.bootstrap.as_ref()).expect("it is known");
        let how = rhel.of("9", &["repo".to_owned()], Arch::X86_64);
        let key = work.path().join("out/key.asc").display().to_string();
        let packages = ["filesystem", "zypper", "Leap-release"].map(str::to_owned).to_vec();
        let how = distro::Bootstrap { keyring: Keyring { file: key, ..how.keyring.clone() }, packages, ..how };
        Self { work, server, how }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// Pins the repository as a recipe with these keys does. The secret `entitlement` is the content of the file.
    fn pin(&self, url: &str, client: Option<&str>, authority: bool) -> Result<Vec<RepositoryPin>, RepositoryError> {
        let mut json = serde_json::json!({ "distro": "rhel", "release": "9", "mirror": url });
        if client.is_some() {
            json["client-certificate"] = "entitlement".into();
        }
        if authority {
            json["certificate-authority"] = self.path("authority.pem").to_str().into();
        }
        let source: Bootstrap = serde_json::from_value(json).expect("a bootstrap");
        let secrets = client.map(|file| ("entitlement".to_owned(), fs::read(self.path(file)).expect("a file")));
        let secrets: BTreeMap<_, _> = secrets.into_iter().collect();
        let certificates = MirrorCertificates::of(&source, &secrets).map_err(RepositoryError::Certificates)?;
        let network = Network { certificates, ..Network::default() };
        let policy = PinPolicy { max_age: Duration::ZERO, newer_than: None, offline: false };
        let cache = tempfile::tempdir().expect("a directory");
        let how = (&self.how, Arch::X86_64);
        repository::pin(&source, how, &Mirrors::default(), cache.path(), &policy, &network, &Interrupt::new())
    }

    fn build(&self, client: Option<(&[u8], &Path)>) -> Result<Bootstrapped, BootstrapError> {
        let work = self.work.path();
        let tiny = Tiny { distro: "rhel", release: "9", suite: "repo", how: &self.how, work, client };
        let index = Sha256::of_file(&self.path("out/repo/repodata/repomd.xml")).expect("an index");
        tiny.build(&self.server.url, &[], index)
    }
}

#[test]
#[ignore = "needs dnf, rpmbuild and openssl"]
fn a_mirror_that_asks_for_a_client_certificate_gets_it_and_the_image_does_not() {
    let mirror = Mirror::new();
    let pins = mirror.pin(&mirror.server.url, Some("client.pem"), true).expect("pins");
    assert_eq!(pins.len(), 1);
    let client = fs::read(mirror.path("client.pem")).expect("a file");
    let authority = mirror.path("authority.pem");
    mirror.build(Some((&client, &authority))).expect("a disk");
    let list = file_of_disk(&mirror.path("disk.qcow2"), "/etc/yum.repos.d/goldsmith.repo");
    assert!(list.contains(&mirror.server.url) && !list.contains("ssl"), "{list}");
    // Neither the cache nor the disk keeps the key.
    let key = fs::read_to_string(mirror.path("client.key")).expect("a file");
    let line = key.lines().nth(5).expect("a line of the key");
    let cache = mirror.path("cache");
    let found = Command::new("grep").args(["-rlF", line]).args([&cache, &mirror.path("disk.raw")]).output();
    assert_eq!(String::from_utf8_lossy(&found.expect("grep").stdout), "");
}

#[test]
#[ignore = "needs dnf, rpmbuild and openssl"]
fn a_mirror_refuses_others_and_the_reason_is_said() {
    let mirror = Mirror::new();
    for (client, authority, text) in [
        (None, true, "certificate"),
        (Some("client.pem"), false, "certificate"),
        (
            Some("client.crt"),
            true,
            "`entitlement` cannot be a client certificate: it is no PEM file with a private key",
        ),
        (
            Some("client.key"),
            true,
            "`entitlement` cannot be a client certificate: it is no PEM file with a certificate",
        ),
    ] {
        let error = mirror.pin(&mirror.server.url, client, authority).expect_err(text).to_string();
        assert!(error.to_lowercase().contains(&text.to_lowercase()), "{client:?} {authority}: {error}");
    }
    let redirecting = serve(mirror.work.path(), &[&mirror.server.url]);
    let error = mirror.pin(&redirecting.url, Some("client.pem"), true).expect_err("the other server gets none");
    assert!(error.to_string().contains("certificate"), "{error}");
    let error = mirror.build(None).expect_err("dnf does not know the authority");
    assert!(matches!(error, BootstrapError::Mirror { .. }), "{error}");
}
