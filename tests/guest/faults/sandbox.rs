//! A directory with recipes and a cache in which the program runs, and what it leaves behind there.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::shared::SMALL;

/// How long an interrupted program may take to end: what is promised to users.
const PROMISED: Duration = Duration::from_secs(2);

/// Everything of a killed program is gone after this.
const AFTERMATH: Duration = Duration::from_secs(3);

pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    /// A sandbox whose cache has the base of every [`Sandbox::recipe`].
    pub(crate) fn with_base() -> Self {
        let sandbox = Self::new();
        crate::shared::small_cache(&sandbox.cache());
        sandbox
    }

    /// A sandbox whose cache has the packages of the base, but no layer.
    pub(crate) fn without_base() -> Self {
        let sandbox = Self::with_base();
        fs::remove_dir_all(sandbox.cache().join("layers")).unwrap();
        sandbox
    }

    /// A sandbox whose cache is empty.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("gold").tempdir().unwrap();
        for name in ["tmp", "home"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    /// Writes a recipe on the small base, with more keys.
    pub(crate) fn recipe(&self, name: &str, keys: &str) {
        fs::write(self.path(&format!("{name}.yaml")), recipe(name, keys)).unwrap();
    }

    /// Writes a local element.
    pub(crate) fn element(&self, name: &str, keys: &str) {
        let dir = self.path("elements").join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("element.yaml"), format!("name: {name}\ndescription: Of the test\n{keys}")).unwrap();
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        command(self.dir.path(), program)
    }

    fn goldsmith(&self, words: &str) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_goldsmith"));
        command.args(words.split_whitespace()).arg("--cache").arg(self.cache());
        command
    }

    /// Runs the program to its end. Returns its exit code and what it wrote to standard error.
    pub(crate) fn run(&self, words: &str) -> (Option<i32>, String) {
        let output = self.goldsmith(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Starts the program, which tells its events.
    pub(crate) fn start(&self, words: &str) -> Run<'_> {
        let mut command = self.goldsmith(words);
        let stderr = File::create(self.path("stderr")).unwrap();
        let mut child = command.arg("--json").stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Run { sandbox: self, child, stdout, events: Vec::new() }
    }

    /// Processes that the program has started, and their children: number and command line.
    pub(crate) fn processes(&self) -> Vec<(Pid, String)> {
        let mark = self.path("tmp").to_str().unwrap().as_bytes().to_vec();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw)
            else {
                continue;
            };
            // It may end while it is looked at. The dead that nobody has waited for have neither of the two.
            let read = |name| fs::read(entry.path().join(name)).unwrap_or_default();
            let (environment, line) = (read("environ"), read("cmdline"));
            if environment.windows(mark.len()).any(|part| part == mark) && !line.is_empty() {
                found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
            }
        }
        found
    }

    /// QEMU, which runs.
    pub(crate) fn qemu(&self) -> Pid {
        let processes = self.processes();
        let qemu = processes.iter().find(|(_, line)| line.starts_with("/") && line.contains("qemu-system"));
        qemu.unwrap_or_else(|| panic!("no QEMU among {processes:#?}")).0
    }

    /// Nothing runs, nothing is mounted, no temporary file is there, and every layer is whole.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.processes(), []);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.dir.path().to_str().unwrap()), "{mounts}");
        assert_eq!(self.names("tmp"), [""; 0]);
        assert_eq!(self.names("cache/tmp"), [""; 0]);
        let (code, stderr) = self.run("cache verify");
        assert_eq!(code, Some(0), "{stderr}");
    }

    /// After a kill nothing can be tidied up, but nothing may go on either.
    pub(crate) fn await_silence(&self) {
        let killed = Instant::now();
        while !self.processes().is_empty() {
            assert!(killed.elapsed() < AFTERMATH, "{:#?}", self.processes());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Names in a directory below this one, sorted; none if it is not there.
    pub(crate) fn names(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(dir)).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Layers of the cache: step, key and state.
    pub(crate) fn layers(&self) -> Vec<(String, String, String)> {
        let output = self.goldsmith("cache ls --json").output().unwrap();
        let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        list.iter().map(|layer| (text(&layer["meta"]["step"]), text(&layer["key"]), text(&layer["state"]))).collect()
    }
}

/// The program, at work.
pub(crate) struct Run<'a> {
    sandbox: &'a Sandbox,
    child: Child,
    stdout: BufReader<ChildStdout>,
    events: Vec<Value>,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) events: Vec<Value>,
}

impl Run<'_> {
    fn next(&mut self) -> Option<&Value> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        // A kill may come in the middle of a line.
        self.events.push(serde_json::from_str(&line).unwrap_or(Value::Null));
        self.events.last()
    }

    /// Reads events until one is as wanted.
    pub(crate) fn until(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) {
        loop {
            match self.next() {
                Some(event) if wanted(event) => return,
                Some(_) => {}
                None => panic!("it ended before {what}: {:#?}", self.events.last()),
            }
        }
    }

    /// Reads events until an activity begins.
    pub(crate) fn until_activity(&mut self, name: &str) {
        self.until(name, |event| {
            event["event"] == "activity-started" && event["activity"].as_str().unwrap_or_default().starts_with(name)
        });
    }

    /// Reads events until a line of output begins so.
    pub(crate) fn until_output(&mut self, text: &str) {
        self.until(text, |event| {
            event["event"] == "output" && event["line"].as_str().unwrap_or_default().starts_with(text)
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        while self.next().is_some() {}
        let code = self.child.wait().unwrap().code();
        Ended { code, events: std::mem::take(&mut self.events) }
    }

    /// Interrupts it: it ends in time, as it should, and leaves nothing.
    pub(crate) fn interrupt(self, signal: Signal) -> Ended {
        let sandbox = self.sandbox;
        self.signal(signal);
        let signalled = Instant::now();
        let ended = self.end();
        let elapsed = signalled.elapsed();
        assert_eq!(ended.code, Some(130), "{:#?}", ended.events.last());
        assert!(elapsed < PROMISED, "it took {elapsed:?} to end");
        let failed = ended.events.last().unwrap();
        assert_eq!((&failed["event"], &failed["kind"]), (&"failed".into(), &"interrupted".into()), "{failed}");
        sandbox.assert_clean();
        ended
    }
}

/// A test that fails leaves no build behind. One that has ended is not harmed.
impl Drop for Run<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn recipe(name: &str, keys: &str) -> String {
    format!("name: {name}\n{SMALL}{keys}")
}

/// A program with nothing of this machine's environment but what it has to find.
fn command(dir: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).env_clear().env("HOME", dir.join("home")).env("TMPDIR", dir.join("tmp"));
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8").stdin(Stdio::null());
    // Where libguestfs keeps its appliance by itself, if TMPDIR says nothing.
    command.env("LIBGUESTFS_CACHEDIR", std::env::var_os("LIBGUESTFS_CACHEDIR").unwrap_or("/var/tmp".into()));
    command
}
