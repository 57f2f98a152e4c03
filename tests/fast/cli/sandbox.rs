//! A directory of its own in which the program runs, with nothing of this machine's environment but `PATH`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use goldsmith::digest::Sha256;

/// Base of the recipes whose base is not what a test is about.
pub(crate) const BASE: &str = "base: { bootstrap: { distro: debian, release: bookworm } }\n";

pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
}

/// How a run ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for name in ["home", "tmp", "images"] {
            std::fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, content).expect("a file");
    }

    /// A recipe whose base is an image.
    pub(crate) fn image_recipe(&self, name: &str, source: &str, sha256: &str) {
        self.write(
            name,
            format!("name: x\narch: x86_64\nbase:\n  image:\n    source: {source}\n    sha256: \"{sha256}\"\n"),
        );
    }

    /// An image, and a recipe of the same name that says its digest.
    pub(crate) fn image(&self, name: &str, content: &[u8]) {
        self.write(&format!("images/{name}"), content);
        let sha256 = Sha256::of(content).to_string();
        self.image_recipe(&format!("{name}.yaml"), &format!("images/{name}"), &sha256);
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("LANG", "C.UTF-8");
        command
    }

    /// Runs the program with words that are separated by spaces.
    pub(crate) fn run(&self, words: &str) -> Ran {
        self.run_with(words, &[])
    }

    pub(crate) fn run_with(&self, words: &str, env: &[(&str, &str)]) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_goldsmith"));
        let ran: Ran = command
            .args(words.split_whitespace())
            .envs(env.iter().copied())
            .output()
            .expect("the program starts")
            .into();
        assert!(!ran.stderr.contains("panicked"), "{words}: {ran:?}");
        assert_eq!(names(&self.path("tmp")), Vec::<String>::new(), "{words} leaves temporary files");
        ran
    }

    /// Runs the program once for each line, and writes down what a person would see.
    pub(crate) fn session(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            let Ran { code, stdout, stderr } = self.run(line);
            let code = code.map_or("killed".to_owned(), |code| code.to_string());
            text.push_str(&format!("$ goldsmith {line}\n{stdout}{stderr}[{code}]\n\n"));
        }
        text
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// The last line of standard output: how a run with `--json` ended.
    pub(crate) fn last_json(&self) -> serde_json::Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Compares with the snapshot of this name, without what differs from run to run.
macro_rules! assert_session {
    ($sandbox:expr, $text:expr) => {{
        let dir = $sandbox.path("");
        let dir = dir.to_str().expect("UTF-8").trim_end_matches('/');
        insta::with_settings!({
            filters => vec![
                (regex::escape(dir).as_str(), "[dir]"),
                (r#""version":"[^"]+""#, r#""version":"[version]""#),
                (r"127\.0\.0\.1:\d{2,}", "127.0.0.1:[port]"),
                (r"done in \d+\.\d s", "done in [time]"),
                (r"stopped after \d+\.\d s", "stopped after [time]"),
            ],
            omit_expression => true,
            prepend_module_to_snapshot => false,
        }, {
            insta::assert_snapshot!($text);
        });
    }};
}
pub(crate) use assert_session;
