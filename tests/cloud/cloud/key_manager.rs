//! A Barbican of a test's own, in an environment that only tests of signatures need.

use std::fs;
use std::path::Path;
use std::process::Child;

use super::{Admin, Programs, TestCloud, free_port, identity, uwsgi};

const REQUIREMENTS: &str = include_str!("requirements-key-manager.txt");

/// A key of Fernet: 32 bytes in base64.
const KEK: &str = "Z29sZHNtaXRoLWtleS1vZi10ZXN0cy1vbmx5LW5vdCE=";

impl TestCloud {
    /// A cloud with a key manager, whose Glance verifies signatures by the certificates in it.
    pub(crate) fn start_with_key_manager() -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let more = "[key_manager]\nbackend = barbican\n[barbican]\nauth_endpoint = AUTH_URL\nbarbican_endpoint = ";
        let mut cloud = Self::start_with(&format!("{more}{url}\n"));
        let programs = Programs::install_as("key-manager", REQUIREMENTS);
        configure(&programs, cloud.dir.path(), &cloud.auth_url, &url);
        cloud.barbican = Some(serve(&programs, cloud.dir.path(), port));
        cloud.wait_for(&format!("{url}/healthcheck"), "barbican");
        Admin::new(&cloud.auth_url).make_service("key-manager", "barbican", &url);
        cloud
    }
}

/// Secrets are kept in a database, under a key of the configuration, which is read from the home directory.
fn configure(programs: &Programs, dir: &Path, auth_url: &str, url: &str) {
    let at = |name: &str| dir.join(name).display().to_string();
    fs::create_dir_all(dir.join("key-manager/.barbican")).expect("a directory");
    let paste = "barbican-api-paste.ini";
    fs::copy(programs.path("etc/barbican").join(paste), dir.join("key-manager").join(paste)).expect("a file");
    let text = format!(
        "[DEFAULT]
log_file = {log}
host_href = {url}
db_auto_create = True
[database]
connection = sqlite:///{database}
{identity}[simple_crypto_plugin]
kek = {KEK}
",
        identity = identity(auth_url),
        log = at("barbican.log"),
        database = at("barbican.db"),
    );
    fs::write(dir.join("key-manager/.barbican/barbican.conf"), text).expect("a file");
}

fn serve(programs: &Programs, dir: &Path, port: u16) -> Child {
    let home = dir.join("key-manager");
    let mut uwsgi = uwsgi(programs, dir, "barbican", port);
    uwsgi.args(["--paste", &format!("config:{}", home.join("barbican-api-paste.ini").display())]).env("HOME", home);
    uwsgi.spawn().expect("setpriv of util-linux")
}
