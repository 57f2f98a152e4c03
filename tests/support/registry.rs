//! A real registry on this host.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `me:pass` as htpasswd(1) writes it with bcrypt, which the registry reads.
const PASSWORDS: &str = "me:$2b$05$abcdefghijklmnopqrstuuZFBUbfXoM8LFiPx8LYlO/sXZB/Cwk3K\n";

/// A registry, until this is dropped.
pub(crate) struct Registry {
    pub(crate) host: String,
    child: Child,
}

impl Registry {
    /// Starts a registry with its files in a directory, for everybody, or for `me:pass` only, that allows to delete or not.
    pub(crate) fn start(dir: &Path, private: bool, deletes: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        let host = format!("127.0.0.1:{port}");
        std::fs::write(dir.join("htpasswd"), PASSWORDS).expect("a file");
        let auth = format!("auth:\n  htpasswd: {{ realm: test, path: {} }}\n", dir.join("htpasswd").display());
        let config = format!(
            "version: 0.1\nstorage:\n  delete: {{ enabled: {deletes} }}\n  filesystem: {{ rootdirectory: {} }}\nhttp: {{ addr: \"{host}\" }}\n{}",
            dir.join("registry").display(),
            if private { auth.as_str() } else { "" }
        );
        std::fs::write(dir.join("registry.yml"), config).expect("a file");
        let log = std::fs::File::create(dir.join("registry.log")).expect("a file");
        let mut registry = Command::new("docker-registry");
        registry.arg("serve").arg(dir.join("registry.yml")).stdin(Stdio::null());
        registry.stdout(log.try_clone().expect("a file")).stderr(log);
        let child = registry.spawn().expect("docker-registry is there");
        let registry = Self { host, child };
        let began = Instant::now();
        while TcpStream::connect(&registry.host).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "the registry does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
