//! Container images of a Debian tree in a real registry.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use goldsmith::process::capture;

use crate::registry::Registry;

/// Lines of `sources.list` with the mirrors of this machine.
const SOURCES: &str = include_str!("debian_sources.sh");

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
    let registry = Registry::start(dir, private, false);
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
