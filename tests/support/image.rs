//! A real image to test with.

use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith::process::capture;

/// The image file that `GOLDSMITH_TEST_IMAGE` names, made of `recipes/debian-12.yaml`; or that, built into a directory
/// below `work` with the cache of the machine.
pub(crate) fn debian_12(work: &Path) -> PathBuf {
    if let Some(image) = std::env::var_os("GOLDSMITH_TEST_IMAGE") {
        return PathBuf::from(image).canonicalize().expect("GOLDSMITH_TEST_IMAGE is a file");
    }
    let out = work.join("out");
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--no-verify", "recipes/debian-12.yaml", "--out"]);
    capture(goldsmith.arg(&out)).unwrap_or_else(|error| panic!("{error}"));
    out.join("debian-12.qcow2")
}
