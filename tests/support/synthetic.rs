//! Repositories of synthetic distributions: scripts make them of Debian's packages, once for all tests, and a server of their
//! files.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use goldsmith::digest::Sha256;
use goldsmith::process::capture;

/// What `make.sh` in the directory `tests/support/NAME` makes, which it calls `OUT`. The first call makes it, for all processes
/// and until a file of the directory changes. Nobody writes there.
pub(crate) fn made(name: &str) -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(name);
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared").join(name.replace('_', "-"));
    fs::create_dir_all(&shared).expect("a directory");
    let lock = File::create(shared.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let made = shared.join("made");
    let maker = maker(&scripts);
    let made_by = shared.join("made-by");
    if made.exists() && fs::read_to_string(&made_by).is_ok_and(|by| by == maker) {
        return made;
    }
    if made.exists() {
        fs::remove_dir_all(&made).expect("the old repository can be removed");
    }
    let mut make = Command::new("sh");
    make.arg(scripts.join("make.sh")).arg(shared.join("debs")).arg(&made);
    capture(&mut make).unwrap_or_else(|error| panic!("{error}"));
    fs::write(made_by, maker).expect("a file");
    made
}

/// Names and digests of all files of a directory.
fn maker(scripts: &Path) -> String {
    let mut directories = vec![scripts.to_owned()];
    let mut lines = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                lines.push(format!("{} {}\n", Sha256::of_file(&path).expect("a file"), path.display()));
            }
        }
    }
    lines.sort();
    lines.concat()
}

/// A server of a directory's files.
pub(crate) struct Server {
    /// Its URL, without a slash at the end.
    pub(crate) url: String,
    process: Child,
}

impl Server {
    pub(crate) fn start(directory: &Path) -> Self {
        let mut python = Command::new("python3");
        python.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(directory);
        Self::of(python)
    }

    /// Starts a server that prints its URL between brackets.
    pub(crate) fn of(mut python: Command) -> Self {
        let mut process = python.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("Python");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        // Serving HTTP on 127.0.0.1 port 40123 (http://127.0.0.1:40123/) ...
        let url = line.split_once('(').and_then(|(_, rest)| rest.split_once("/)")).expect("a URL").0.to_owned();
        Self { url, process }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
