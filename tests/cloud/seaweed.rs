//! An object store of a test's own that keeps conditions: SeaweedFS from PyPI, on loopback, without root. And a wire to it that can
//! be slow, cut, silent or lying.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use goldsmith::bucket::{Credentials, Place};
use goldsmith::remote::{ObjectStore as _, S3};

use crate::cloud::{Programs, free_port, tail};

/// Longest time until it answers, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bucket of the tests.
pub(crate) const BUCKET: &str = "layers";

/// Users: one may do everything, the other may only read.
const USERS: &str = r#"{ "identities": [
    { "name": "writer", "credentials": [{ "accessKey": "writer", "secretKey": "writers-secret" }], "actions": ["Admin"] },
    { "name": "reader", "credentials": [{ "accessKey": "reader", "secretKey": "readers-secret" }], "actions": ["Read", "List"] }
] }"#;

pub(crate) struct Seaweed {
    server: Child,
    dir: tempfile::TempDir,
    port: u16,
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Seaweed {
    /// A store with a bucket. Between the choice of its ports and its start, another program may take one of them.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A store with a bucket that has no room for an object.
    pub(crate) fn full() -> Self {
        Self::start_with(&["-volume.minFreeSpace=100"])
    }

    fn start_with(more: &[&str]) -> Self {
        let programs = Programs::install_as("seaweedfs", include_str!("cloud/requirements-seaweedfs.txt"));
        let mut log = String::new();
        for _ in 0..3 {
            match Self::try_start(&programs, more) {
                Ok(seaweed) => return seaweed,
                Err(said) => log = said,
            }
        }
        panic!("SeaweedFS does not answer:\n{log}")
    }

    /// Starts a store, or returns its log.
    fn try_start(programs: &Programs, more: &[&str]) -> Result<Self, String> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("s3.json"), USERS).expect("a file");
        fs::create_dir(dir.path().join("data")).expect("a directory");
        // It takes the port 10000 above each of these for itself.
        let [master, volume, filer, port] = [(); 4].map(|()| low_port());
        let out = File::create(dir.path().join("out")).expect("a file");
        let server = programs
            .service("weed")
            .arg("server")
            .arg(format!("-dir={}", dir.path().join("data").display()))
            .args([
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-filer",
                "-s3",
                "-volume.max=20",
                "-master.volumeSizeLimitMB=64",
                // Servers that have the same ports in every SeaweedFS of this machine.
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
            ])
            .args([format!("-master.port={master}"), format!("-volume.port={volume}")])
            .args([format!("-filer.port={filer}"), format!("-s3.port={port}")])
            .args(more)
            .arg(format!("-s3.config={}", dir.path().join("s3.json").display()))
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a file"))
            .stderr(out)
            .spawn()
            .expect("setpriv of util-linux");
        let mut seaweed = Self { server, dir, port };
        let started = Instant::now();
        while !(seaweed.make_bucket() && (!more.is_empty() || seaweed.takes_objects())) {
            if !matches!(seaweed.server.try_wait(), Ok(None)) || started.elapsed() > PATIENCE {
                return Err(tail(&seaweed.dir.path().join("out")));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        Ok(seaweed)
    }

    fn make_bucket(&self) -> bool {
        use rusty_s3::{Bucket, S3Action as _, UrlStyle};
        let endpoint = self.endpoint().parse().expect("a URL");
        let bucket = Bucket::new(endpoint, UrlStyle::Path, BUCKET, "us-east-1").expect("a bucket");
        let credentials = Credentials::new("writer", "writers-secret");
        let url = bucket.create_bucket(&credentials).sign(Duration::from_secs(60));
        // One that was made although the answer was lost is there.
        matches!(ureq::put(url.as_str()).send_empty(), Ok(_) | Err(ureq::Error::StatusCode(409)))
    }

    /// Writes and removes an object. The first one makes the server prepare the disk, which takes seconds on a busy machine; a build
    /// would not wait so long for a lease.
    fn takes_objects(&self) -> bool {
        let store = self.open("writer", &self.endpoint());
        store.put_new("started", b"yes").is_ok() && store.remove("started").is_ok()
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The store as a user sees it, perhaps through a wire.
    pub(crate) fn open(&self, user: &str, endpoint: &str) -> S3 {
        let place = Place {
            endpoint: endpoint.to_owned(),
            bucket: BUCKET.to_owned(),
            prefix: "team".to_owned(),
            region: "us-east-1".to_owned(),
            path_style: true,
            ..Place::default()
        };
        S3::new(place, Credentials::new(user, format!("{user}s-secret"))).expect("an address")
    }
}

/// Returns a port that is free, and the one 10000 above it too.
fn low_port() -> u16 {
    loop {
        let port = 20_000 + free_port() % 20_000;
        if [port, port + 10_000].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return port;
        }
    }
}

/// What a wire does with the answers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fault {
    /// Takes connections, and passes nothing on.
    pub(crate) silent: bool,
    /// Breaks a connection after so many bytes of answers.
    pub(crate) cut_after: Option<usize>,
    /// Changes the byte at this place of the answers.
    pub(crate) lie_at: Option<usize>,
    /// Bytes in a second.
    pub(crate) rate: Option<usize>,
}

/// A wire to a server.
pub(crate) struct Wire {
    pub(crate) endpoint: String,
    fault: Arc<Mutex<Fault>>,
}

impl Wire {
    pub(crate) fn to(port_of: &Seaweed) -> Self {
        Self::to_port(port_of.port)
    }

    pub(crate) fn to_port(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let fault = Arc::new(Mutex::new(Fault::default()));
        let shared = Arc::clone(&fault);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let fault = *shared.lock().expect("no panic");
                std::thread::spawn(move || drop(pass(&client, port, fault)));
            }
        });
        Self { endpoint, fault }
    }

    /// Sets what happens to connections that begin from now on.
    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().expect("no panic") = fault;
    }
}

fn pass(client: &TcpStream, port: u16, fault: Fault) -> io::Result<()> {
    if fault.silent {
        std::thread::sleep(PATIENCE);
        return Ok(());
    }
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let (mut client, mut passed) = (client.try_clone()?, 0);
    let mut buffer = vec![0; fault.rate.map_or(16 << 10, |rate| (rate / 10).max(1))];
    loop {
        let count = server.read(&mut buffer)?;
        if count == 0 {
            return client.shutdown(std::net::Shutdown::Both);
        }
        let end = fault.cut_after.map_or(count, |limit| count.min(limit.saturating_sub(passed)));
        if let Some(at) = fault.lie_at.and_then(|at| at.checked_sub(passed)).filter(|at| *at < end) {
            buffer[at] ^= 1;
        }
        client.write_all(&buffer[..end])?;
        passed += end;
        if end < count {
            return client.shutdown(std::net::Shutdown::Both);
        }
        if fault.rate.is_some() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Makes a file with bytes that do not compress.
pub(crate) fn noise(path: &Path, size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(size).collect();
    fs::write(path, &bytes).expect("a file");
    bytes
}
