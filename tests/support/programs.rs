//! Python programs from PyPI, installed once for all tests below the target directory.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIREMENTS: &str = include_str!("../cloud/requirements.txt");

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A Python environment with programs.
#[derive(Clone)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// The services of a cloud, and clients of others.
    pub(crate) fn install() -> Self {
        Self::install_as("programs", REQUIREMENTS)
    }

    /// An environment of its own for other requirements. It is made anew where they have changed.
    pub(crate) fn install_as(name: &str, requirements: &str) -> Self {
        let (dir, _lock) = shared();
        let programs = Self(dir.join(name));
        let done = programs.0.join("requirements.txt");
        if fs::read_to_string(&done).is_ok_and(|installed| installed == requirements) {
            return programs;
        }
        let _ = fs::remove_dir_all(&programs.0);
        run(Command::new("python3").args(["-m", "venv"]).arg(&programs.0));
        let list = dir.join("requirements.txt");
        fs::write(&list, requirements).expect("a file");
        // Python compiles what it imports, which is a small part of what is installed, and keeps it for later.
        let install = ["install", "--quiet", "--no-compile", "--requirement"];
        run(programs.command("pip").args(install).arg(&list));
        fs::write(done, requirements).expect("a file");
        programs
    }

    /// A file or directory of the environment.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A program.
    pub(crate) fn command(&self, name: &str) -> Command {
        self.run_by(name, &[])
    }

    /// A program that ends with this process, however that ends.
    pub(crate) fn service(&self, name: &str) -> Command {
        self.run_by(name, &["setpriv", "--pdeathsig", "KILL"])
    }

    fn run_by(&self, name: &str, runner: &[&str]) -> Command {
        let program = self.0.join("bin").join(name);
        let mut words = runner.iter().map(OsStr::new).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().expect("a program"));
        // With this variable, which some containers have, Python compiles the services anew at each start.
        command.args(words).env_remove("PYTHONDONTWRITEBYTECODE");
        command
    }
}

/// The directory of what tests share, and the lock that is held while something is made in it.
pub(crate) fn shared() -> (PathBuf, File) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openstack");
    fs::create_dir_all(&dir).expect("a directory");
    let lock = File::create(dir.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    (dir, lock)
}
