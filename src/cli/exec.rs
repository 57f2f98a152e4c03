//! The command `goldsmith exec`: runs a command in the guest of a build that waits after a failed step.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};

use super::build_host::SOCKET;
use super::failure::{Failure, FailureKind, exit};
use super::output::{note, print};
use super::settings::Global;
use crate::text::shell;
use crate::workdir::WorkDir;

/// Longest standard input that is passed on, in bytes. A request has it in base64.
const INPUT: u64 = 32 << 20;

/// `goldsmith exec`.
#[derive(Debug, Args)]
pub(super) struct Exec {
    /// Pass standard input on to the command
    #[arg(long, requires = "words")]
    stdin: bool,
    /// Run the failed step again from its beginning, and end the wait
    #[arg(long, conflicts_with_all = ["end", "words"])]
    retry: bool,
    /// End the build
    #[arg(long, conflicts_with = "words")]
    end: bool,
    /// Socket of the build [default: that of the only build that waits]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The command and its arguments; root runs it, with the image as its root directory
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true, required_unless_present_any = ["retry", "end"])]
    words: Vec<String>,
}

/// Runs the command, passes on what it prints, and returns its exit code.
pub(super) fn exec(args: &Exec, global: &Global) -> Result<u8, Failure> {
    let stream = connect(args)?;
    if args.retry || args.end {
        ask(&stream, &json!({ "end": { "retry": args.retry } }))?;
        return Ok(exit::OK);
    }
    let mut input = Vec::new();
    if args.stdin {
        let host = |error: std::io::Error| Failure::new(FailureKind::Host, &error);
        std::io::stdin().lock().take(INPUT + 1).read_to_end(&mut input).map_err(host)?;
        if input.len() as u64 > INPUT {
            return Err(Failure::of(FailureKind::Usage, format!("standard input has more than {INPUT} bytes")));
        }
    }
    let command = shell::command(args.words.iter().map(String::as_str));
    let answer = ask(&stream, &json!({ "run": { "command": command, "input": STANDARD.encode(input) } }))?;
    let bytes = |name: &str| STANDARD.decode(answer[name].as_str().unwrap_or_default()).unwrap_or_default();
    let (output, errors) = (bytes("output"), bytes("errors"));
    let status = answer["status"].as_u64().and_then(|status| u8::try_from(status).ok()).unwrap_or(u8::MAX);
    if global.json {
        let [output, errors] = [output, errors].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        print(&format!("{}\n", json!({ "status": status, "output": output, "errors": errors })));
    } else {
        note(std::io::stdout().write_all(&output));
        note(std::io::stderr().write_all(&errors));
    }
    Ok(status)
}

/// Connects with the build that waits.
fn connect(args: &Exec) -> Result<UnixStream, Failure> {
    if let Some(path) = &args.socket {
        return UnixStream::connect(path).map_err(|error| {
            Failure::of(FailureKind::Usage, format!("no build waits at {}: {error}", path.display()))
        });
    }
    let sockets = WorkDir::all_in_tmp(&std::env::temp_dir()).into_iter().map(|dir| dir.join(SOCKET));
    // The socket of a process that was killed answers nobody.
    let mut found: Vec<_> =
        sockets.filter_map(|path| UnixStream::connect(&path).ok().map(|stream| (path, stream))).collect();
    match found.len() {
        0 => Err(Failure::of(FailureKind::Usage, "no build waits")
            .hint("`goldsmith build RECIPE --on-failure wait` waits when a step fails")),
        1 => Ok(found.remove(0).1),
        _ => {
            let paths: Vec<_> = found.iter().map(|(path, _)| path.display().to_string()).collect();
            Err(Failure::of(FailureKind::Usage, format!("several builds wait: {}", paths.join(", ")))
                .hint("name one of them by --socket"))
        }
    }
}

/// Sends a request, and returns the answer.
fn ask(mut stream: &UnixStream, request: &Value) -> Result<Value, Failure> {
    let ended = |reason: String| Failure::of(FailureKind::Build, format!("the build does not wait any more: {reason}"));
    writeln!(stream, "{request}").map_err(|error| ended(error.to_string()))?;
    let mut line = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut line).map_err(|error| ended(error.to_string()))?;
    let answer: Value = serde_json::from_slice(&line).map_err(|_| ended("it has closed the connection".to_owned()))?;
    match answer["error"].as_str() {
        Some(error) => Err(Failure::of(FailureKind::Build, error.to_owned())),
        None => Ok(answer),
    }
}
