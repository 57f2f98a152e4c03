//! Container images of a Debian tree, and a real registry that serves them on this host.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use goldsmith::process::capture;

/// Lines of `sources.list` with the mirrors of this machine.
const SOURCES: &str = include_str!("debian_sources.sh");

/// `me:pass` as htpasswd(1) writes it with bcrypt, which the registry reads.
const PASSWORDS: &str = "me:$2b$05$abcdefghijklmnopqrstuuZFBUbfXoM8LFiPx8LYlO/sXZB/Cwk3K\n";

/// Makes an archive of a Debian tree with the mirrors of this machine, once for all tests, and returns its path.
fn debian_tree() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared/debian-tree");
    std::fs::create_dir_all(&dir).expect("a directory");
    let lock = std::fs::File::create(dir.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let tree = dir.join("tree.tar");
    let fresh = |path: &Path| path.metadata().and_then(|it| it.modified()).ok()?.elapsed().ok();
    if fresh(&tree).is_none_or(|age| age > Duration::from_secs(6 * 3600)) {
        let script = format!(
            "set -eu\nrelease=bookworm\n{SOURCES}\ndebian_sources >sources.list\n\
             mmdebstrap --variant=apt bookworm tree.new.tar - <sources.list\nmv tree.new.tar tree.tar"
        );
        capture(Command::new("sh").current_dir(&dir).args(["-c", &script])).unwrap_or_else(|error| panic!("{error}"));
    }
    tree
}

/// Makes an OCI layout `layout` in a directory, whose image `12` has the tree as its lowest layer, and a layer above that.
fn layout(dir: &Path, tree: &Path) {
    let script = "set -eu
        umoci init --layout layout
        umoci new --image layout:12
        umoci raw add-layer --image layout:12 \"$1\"
        mkdir -p above/etc above/usr/share
        echo above >above/etc/made-above
        : >above/usr/share/.wh.doc
        tar --owner=0 --group=0 -C above -cf above.tar etc usr
        umoci raw add-layer --image layout:12 above.tar";
    run(dir, &["sh", "-c", script, "sh", &tree.display().to_string()]);
}

/// Starts a registry that has the image of [`layout`], and returns it with the name of the image.
pub(crate) fn served(dir: &Path, private: bool) -> (Registry, String) {
    layout(dir, &debian_tree());
    let registry = Registry::start(dir, private);
    let name = format!("docker://{}/team/debian:12", registry.host);
    let login: &[&str] = if private { &["--dest-creds=me:pass"] } else { &[] };
    let copy = ["skopeo", "copy", "--dest-tls-verify=false", "oci:layout:12", name.as_str()];
    run(dir, &[&copy, login].concat());
    (registry, name)
}

/// Runs a program in a directory.
pub(crate) fn run(dir: &Path, words: &[&str]) {
    capture(Command::new(words[0]).current_dir(dir).args(&words[1..])).unwrap_or_else(|error| panic!("{error}"));
}

/// A registry, until this is dropped.
pub(crate) struct Registry {
    pub(crate) host: String,
    child: Child,
}

impl Registry {
    /// Starts a registry with its files in a directory, for everybody, or for `me:pass` only.
    fn start(dir: &Path, private: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        let host = format!("127.0.0.1:{port}");
        std::fs::write(dir.join("htpasswd"), PASSWORDS).expect("a file");
        let auth = format!("auth:\n  htpasswd: {{ realm: test, path: {} }}\n", dir.join("htpasswd").display());
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem: {{ rootdirectory: {} }}\nhttp: {{ addr: \"{host}\" }}\n{}",
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
