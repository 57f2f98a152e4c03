//! What several tests need and takes minutes: images, and caches with all of their layers. Each is made once for a build
//! of the program and kept below the target directory. Nobody else writes there: tests get copies of the caches.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use goldsmith::digest::Sha256;
use goldsmith::process::capture;

/// A recipe of a small base, of which others may have more keys.
#[allow(dead_code, reason = "of those who share this not all need it")]
pub(crate) const SMALL: &str =
    "base: { bootstrap: { distro: debian, release: bookworm } }\ndisk: { size: 1GiB, layout: bios }\n";

/// How long it is as a build would make it: what a mirror said counts for longer.
const FRESH: Duration = Duration::from_secs(6 * 3600);

/// The image file that `GOLDSMITH_TEST_IMAGE` names, made of `recipes/debian-12.yaml`, or that recipe's.
pub(crate) fn debian_12() -> PathBuf {
    if let Some(image) = std::env::var_os("GOLDSMITH_TEST_IMAGE") {
        return PathBuf::from(image).canonicalize().expect("GOLDSMITH_TEST_IMAGE is a file");
    }
    Made::debian_12().dir.join("out/debian-12.qcow2")
}

/// The image file of a recipe that has this name.
#[allow(dead_code, reason = "of those who share this not all need it")]
pub(crate) fn image(name: &str, recipe: &str) -> PathBuf {
    Made::of(name, recipe).dir.join(format!("out/{name}.qcow2"))
}

/// The cache that has built such an image, and so knows the checks of its elements.
#[allow(dead_code, reason = "of those who share this not all need it")]
pub(crate) fn cache(image: &Path) -> PathBuf {
    image.ancestors().nth(2).expect("a directory of images").join("cache")
}

/// Copies a cache to a place where nothing is, in which every layer of `recipes/debian-12.yaml` is.
#[allow(dead_code, reason = "of those who share this not all need it")]
pub(crate) fn debian_12_cache(to: &Path) {
    Made::debian_12().copy_cache(to);
}

/// Copies a cache to a place where nothing is, in which the base of [`SMALL`] recipes is.
#[allow(dead_code, reason = "of those who share this not all need it")]
pub(crate) fn small_cache(to: &Path) {
    Made::of("small", &format!("name: small\n{SMALL}")).copy_cache(to);
}

/// The image file of the base of [`SMALL`] recipes.
#[allow(dead_code, reason = "of those who share this not all need it")]
pub(crate) fn small_image() -> PathBuf {
    image("small", &format!("name: small\n{SMALL}"))
}

/// What was built, locked until this is dropped.
struct Made {
    dir: PathBuf,
    _lock: File,
}

impl Made {
    fn debian_12() -> Self {
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/debian-12.yaml");
        Self::of("debian-12", &fs::read_to_string(recipe).expect("a recipe"))
    }

    /// Builds a recipe, unless this build of the program has done so.
    fn of(name: &str, recipe: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared").join(name);
        fs::create_dir_all(&dir).expect("a directory");
        let lock = File::create(dir.join("lock")).expect("a lock file");
        lock.lock().expect("the lock");
        let program = Path::new(env!("CARGO_BIN_EXE_goldsmith"));
        let maker = format!("{}\n{recipe}", Sha256::of_file(program).expect("the program"));
        let done = dir.join("made-by");
        let age = fs::metadata(&done).and_then(|it| it.modified()).ok().and_then(|made| made.elapsed().ok());
        let same = fs::read_to_string(&done).is_ok_and(|made_by| made_by == maker);
        if same && age.is_some_and(|age| age < FRESH) {
            return Self { dir, _lock: lock };
        }
        let _ = fs::remove_file(&done);
        if !same {
            // Another build of the program may make other layers. Packages and what mirrors said are the same.
            let _ = fs::remove_dir_all(dir.join("cache/layers"));
        }
        fs::write(dir.join("recipe.yaml"), recipe).expect("a recipe");
        let mut goldsmith = Command::new(program);
        goldsmith.current_dir(&dir).args(["build", "--no-verify", "recipe.yaml", "--cache", "cache", "--out", "out"]);
        capture(&mut goldsmith).unwrap_or_else(|error| panic!("{error}"));
        fs::write(done, maker).expect("a file");
        Self { dir, _lock: lock }
    }

    fn copy_cache(&self, to: &Path) {
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto", "--sparse=always"]).arg(self.dir.join("cache")).arg(to);
        capture(&mut copy).unwrap_or_else(|error| panic!("{error}"));
    }
}
