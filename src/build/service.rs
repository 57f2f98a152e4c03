//! The socket through which programs of the host work in the guest of a step. A client writes one JSON object per line, and gets one
//! line as an answer.
//!
//! | request | answer |
//! |---|---|
//! | `{"run": {"command": "...", "input": "<base64>"}}` | `{"status": 0, "output": "<base64>", "errors": "<base64>"}` |
//! | `{"put": {"file": "<path on the host>", "path": "<path in the image>"}}` | `{}` |
//! | `{"get": {"path": "<path in the image>", "file": "<path on the host>"}}` | `{}` |
//! | `{"end": {"retry": true}}`, only for a guest that waits after a failed step | `{}` |
//!
//! A request that the guest cannot fulfil is answered by `{"error": "..."}`. `/bin/sh` of the image runs commands, as root.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::guest::{Command, Guest, GuestError};

/// Directory in the guest for what goes in and out. It is on a tmpfs, so nothing in it reaches a layer.
pub(super) const WORK: &str = "/run/goldsmith-service";

/// Longest request and longest output of a command, in bytes.
const LIMIT: u64 = 64 << 20;

/// Runs a command with its standard streams in files. `eval` lets the command be any shell text.
const SCRIPT: &str = r#"eval "$1" <"$2" >"$3" 2>"$4""#;

/// A request of a client.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Request {
    /// Runs a command.
    Run {
        /// Text for `/bin/sh`.
        command: String,
        /// Standard input, in base64.
        #[serde(default)]
        input: String,
    },
    /// Copies a file of the host into the image.
    Put {
        /// The file of the host.
        file: PathBuf,
        /// Path in the image.
        path: String,
    },
    /// Copies a file of the image to the host.
    Get {
        /// Path in the image.
        path: String,
        /// The file of the host.
        file: PathBuf,
    },
    /// Ends the wait after a failed step.
    End {
        /// Whether the step runs again.
        retry: bool,
    },
}

/// A request, and the connection that waits for the answer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Result<Request, String>,
    stream: UnixStream,
}

impl Asked {
    /// Sends the answer. A client that has gone away needs none.
    pub(super) fn answer(mut self, answer: &Value) {
        let _ = writeln!(self.stream, "{answer}");
    }
}

/// The socket while programs of the host may use it. It goes away when it is dropped.
pub(super) struct Service {
    listener: UnixListener,
    path: PathBuf,
}

impl Service {
    /// Makes the socket, accepts connections, and passes on their requests.
    pub(super) fn start<M: From<Asked> + Send + 'static>(path: &Path, messages: Sender<M>) -> std::io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        let accepting = listener.try_clone()?;
        std::thread::spawn(move || {
            for stream in accepting.incoming() {
                let Ok(stream) = stream else { return };
                let messages = messages.clone();
                std::thread::spawn(move || read(&stream, &messages));
            }
        });
        Ok(Self { listener, path: path.to_owned() })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // This wakes the thread that accepts. Both fail only for a socket that is gone already.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        let _ = std::fs::remove_file(&self.path);
    }
}

fn read<M: From<Asked>>(stream: &UnixStream, messages: &Sender<M>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(LIMIT).read_until(b'\n', &mut line) {
            Ok(1..) if line.ends_with(b"\n") => {}
            _ => return,
        }
        let request = serde_json::from_slice(&line).map_err(|error| error.to_string());
        let Ok(stream) = stream.try_clone() else { return };
        // A step that has ended answers nobody.
        if messages.send(Asked { request, stream }.into()).is_err() {
            return;
        }
    }
}

/// Makes the directory in the guest that [`fulfil`] needs.
pub(super) fn prepare(guest: &mut dyn Guest) -> Result<(), GuestError> {
    guest.mkdir(WORK)
}

/// Removes that directory.
pub(super) fn clear(guest: &mut dyn Guest) -> Result<(), GuestError> {
    guest.remove(WORK)
}

/// Does in the guest what a request asks for.
///
/// # Errors
///
/// If the guest is no longer there. Other failures are answers.
pub(super) fn fulfil(
    guest: &mut dyn Guest,
    request: &Request,
    network: bool,
    timeout: Duration,
) -> Result<Value, GuestError> {
    let done = match request {
        Request::Run { command, input } => run(guest, command, input, network, timeout),
        Request::Put { file, path } => guest.upload(file, path).map(|()| json!({})),
        Request::Get { path, file } => guest.download(path, file).map(|()| json!({})),
        Request::End { .. } => Ok(json!({ "error": "the step has not failed" })),
    };
    match done {
        Err(error @ (GuestError::Call { .. } | GuestError::NoSpace { .. })) => {
            Ok(json!({ "error": error.to_string() }))
        }
        done => done,
    }
}

fn run(
    guest: &mut dyn Guest,
    command: &str,
    input: &str,
    network: bool,
    timeout: Duration,
) -> Result<Value, GuestError> {
    let [stdin, stdout, stderr] = ["in", "out", "errors"].map(|name| format!("{WORK}/{name}"));
    let Ok(data) = STANDARD.decode(input) else { return Ok(json!({ "error": "`input` is not base64" })) };
    guest.write(&stdin, &data)?;
    let words = ["-c", SCRIPT, "sh", command, &stdin, &stdout, &stderr].map(str::to_owned);
    let command = Command { program: "/bin/sh", args: &words, network, timeout: Some(timeout), ..Command::default() };
    let ended = guest.run(&command)?;
    let mut files = Vec::new();
    for path in [&stdout, &stderr] {
        // A shell that could not start has written nothing.
        files.push(if guest.kind(path)?.is_some() { guest.read(path, LIMIT)? } else { Vec::new() });
        guest.remove(path)?;
    }
    guest.remove(&stdin)?;
    if files.iter().all(Vec::is_empty) && ended.status != 0 && !ended.tail.is_empty() {
        files[1] = ended.tail.join("\n").into_bytes();
    }
    let [output, errors] = [0, 1].map(|at| STANDARD.encode(&files[at]));
    Ok(json!({ "status": ended.status, "output": output, "errors": errors }))
}
