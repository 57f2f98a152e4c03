//! Logins by SSH: runs scripts in a guest with OpenSSH's programs.

use std::io::{Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::fsx::{IoContext as _, PathError};
use crate::process::{ProcessError, capture, die_with_parent};
use crate::text::printable;

/// Bytes that are kept of each of a script's two outputs.
const OUTPUT: usize = 1 << 20;

/// Longest wait for a connection on this host, and for a server's greeting.
const CONNECT: Duration = Duration::from_millis(200);
const GREETING: Duration = Duration::from_secs(2);

/// Exit status of `ssh` if `ssh`, not the script, failed.
const FAILED: i32 = 255;

/// An SSH server, and the account and key for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Host: `127.0.0.1`.
    pub host: String,
    /// Port of the server.
    pub port: u16,
    /// Account to log in to.
    pub user: String,
    /// File with the private key.
    pub key: PathBuf,
}

/// The result of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status of the script; never 255, see [`SshError::Failed`].
    pub status: i32,
    /// First mebibyte of the script's standard output.
    pub stdout: Vec<u8>,
    /// First mebibyte of the script's standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Returns the standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// The reason why a script did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// A program of OpenSSH is missing.
    #[error("cannot run {program}, which is part of OpenSSH (Debian's package openssh-client)")]
    Program {
        /// Name of the program.
        program: &'static str,
        /// Error of the system.
        #[source]
        source: std::io::Error,
    },
    /// There is no connection, or it broke; or the script ended with exit status 255.
    #[error("no connection: {0}")]
    Failed(String),
    /// The server answers, but refuses this account with this key.
    #[error("the login was refused: {0}")]
    Refused(String),
    /// The deadline has passed.
    #[error("no end within {} s", .0.as_secs())]
    Deadline(Duration),
}

impl Ssh {
    /// Returns the command with which a person logs in.
    pub fn command(&self) -> Vec<String> {
        let mut words = vec!["ssh".to_owned(), "-i".to_owned(), self.key.display().to_string()];
        for option in
            ["UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "LogLevel=ERROR", "IdentitiesOnly=yes"]
        {
            words.extend(["-o".to_owned(), option.to_owned()]);
        }
        words.extend(["-p".to_owned(), self.port.to_string(), format!("{}@{}", self.user, self.host)]);
        words
    }

    /// Returns whether an SSH server greets. A connection alone proves nothing: QEMU accepts it before the guest does.
    pub fn greets(&self) -> bool {
        let Ok(mut addresses) = (self.host.as_str(), self.port).to_socket_addrs() else { return false };
        let Some(mut stream) = addresses.find_map(|to| TcpStream::connect_timeout(&to, CONNECT).ok()) else {
            return false;
        };
        let mut greeting = [0; 4];
        stream.set_read_timeout(Some(GREETING)).is_ok()
            && stream.read_exact(&mut greeting).is_ok()
            && &greeting == b"SSH-"
    }

    /// Runs a script by `sh` in the guest.
    ///
    /// # Errors
    ///
    /// The login failed, or the deadline passed. A non-zero exit status of the script is no error.
    pub fn run(&self, script: &str, deadline: Duration) -> Result<Output, SshError> {
        let mut command = self.client(deadline);
        command.args(["-i"]).arg(&self.key).args(["-o", "PreferredAuthentications=publickey", "-o", "LogLevel=ERROR"]);
        command.args(["-T", "--", &self.host, "exec sh -s"]);
        let (status, stdout, stderr) = run(&mut command, "ssh", script, deadline)?;
        match status.code() {
            Some(FAILED) | None => Err(failure(&stderr)),
            Some(status) => Ok(Output { status, stdout, stderr }),
        }
    }

    /// Returns the login methods that the server offers this account: `publickey`, `password`, ... None if anybody may log in.
    pub fn methods(&self, deadline: Duration) -> Result<Vec<String>, SshError> {
        let mut command = self.client(deadline);
        command.args(["-o", "PreferredAuthentications=none", "-o", "LogLevel=ERROR", "-T", "--", &self.host, "true"]);
        let (status, _, stderr) = run(&mut command, "ssh", "", deadline)?;
        if status.success() {
            return Ok(Vec::new());
        }
        match failure(&stderr) {
            SshError::Refused(text) => Ok(offered(&text)),
            error => Err(error),
        }
    }

    /// Returns the server's public keys, sorted: `ssh-ed25519 AAAA...`.
    pub fn host_keys(&self, deadline: Duration) -> Result<Vec<String>, SshError> {
        let mut command = Command::new("ssh-keyscan");
        command.args(["-T", &deadline.as_secs().max(1).to_string(), "-p", &self.port.to_string()]);
        command.args(["-t", "rsa,ecdsa,ed25519", "--", &self.host]);
        let (_, stdout, stderr) = run(&mut command, "ssh-keyscan", "", deadline)?;
        let text = String::from_utf8_lossy(&stdout).into_owned();
        let keys = text.lines().filter(|line| !line.starts_with('#'));
        let mut keys: Vec<_> = keys.filter_map(|line| Some(printable(line.split_once(' ')?.1.as_bytes()))).collect();
        keys.sort();
        if keys.is_empty() { Err(failure(&stderr)) } else { Ok(keys) }
    }

    /// Makes an `ssh` command without this user's configuration, keys and known hosts.
    fn client(&self, deadline: Duration) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-p", &self.port.to_string(), "-l", &self.user]);
        let connect = format!("ConnectTimeout={}", deadline.as_secs().clamp(1, 60));
        for option in [
            "BatchMode=yes",
            // Nobody knows the keys of a new machine.
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "ControlPath=none",
            "ClearAllForwardings=yes",
            "ServerAliveInterval=15",
            &connect,
        ] {
            command.args(["-o", option]);
        }
        command
    }
}

/// Finds the reason why `ssh` failed in its last message.
fn failure(stderr: &[u8]) -> SshError {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<_> = text.lines().map(|line| printable(line.as_bytes())).filter(|line| !line.is_empty()).collect();
    let last = lines.last().cloned().unwrap_or_else(|| "ssh printed no reason".to_owned());
    if last.contains("Permission denied") { SshError::Refused(last) } else { SshError::Failed(last) }
}

/// Returns the methods that `debian@127.0.0.1: Permission denied (publickey,password).` names.
fn offered(refusal: &str) -> Vec<String> {
    let list = refusal.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(list, _)| list);
    list.split(',').map(str::trim).filter(|method| !method.is_empty()).map(str::to_owned).collect()
}

/// Runs a program with a text as its input, to its end or the deadline.
fn run(
    command: &mut Command,
    program: &'static str,
    input: &str,
    deadline: Duration,
) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), SshError> {
    let broken = |source| SshError::Program { program, source };
    let begun = Instant::now();
    die_with_parent(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Group(command.spawn().map_err(broken)?);
    let (sender, ended) = mpsc::channel::<(bool, Vec<u8>)>();
    let outputs: [Option<Box<dyn Read + Send>>; 2] =
        [child.0.stdout.take().map(|pipe| Box::new(pipe) as _), child.0.stderr.take().map(|pipe| Box::new(pipe) as _)];
    for (number, pipe) in outputs.into_iter().enumerate() {
        let (sender, Some(pipe)) = (sender.clone(), pipe) else { continue };
        std::thread::spawn(move || sender.send((number == 0, beginning(pipe))));
    }
    if let Some(mut stdin) = child.0.stdin.take() {
        let input = input.to_owned();
        // Writing fails if the program gave up; the program then reports why. It is a thread because the program may not read.
        std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    }
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        match ended.recv_timeout(deadline.saturating_sub(begun.elapsed())) {
            Ok((true, bytes)) => stdout = bytes,
            Ok((false, bytes)) => stderr = bytes,
            Err(RecvTimeoutError::Timeout) => return Err(SshError::Deadline(deadline)),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok((child.0.wait().map_err(broken)?, stdout, stderr))
}

/// A program and its children, killed when this value is dropped.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            if let Some(group) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
                // It may have ended just now.
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            let _ = self.0.wait();
        }
    }
}

/// Returns the beginning of a pipe's data. The rest is read and dropped.
fn beginning(mut pipe: impl Read) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    while let Ok(read) = pipe.read(&mut buffer)
        && read > 0
    {
        let room = read.min(OUTPUT - kept.len());
        kept.extend_from_slice(&buffer[..room]);
    }
    kept
}

/// A key pair for one machine.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// File of the private key.
    pub private: PathBuf,
    /// The public key as `authorized_keys` has it, in one line.
    pub public: String,
}

/// The reason why no key pair could be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// `ssh-keygen` failed or is missing.
    #[error("cannot make a key pair; ssh-keygen is part of OpenSSH (Debian's package openssh-client)")]
    Tool(#[source] ProcessError),
    /// The key cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
}

impl KeyPair {
    /// Makes a key pair without passphrase in a private directory: `id_ed25519` and `id_ed25519.pub`. It replaces files with
    /// these names.
    pub fn make(dir: &Path, comment: &str) -> Result<Self, KeyError> {
        let private = dir.join("id_ed25519");
        let public = dir.join("id_ed25519.pub");
        for file in [&private, &public] {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at(file)?,
                _ => {}
            }
        }
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(&private);
        capture(&mut command).map_err(KeyError::Tool)?;
        let text = std::fs::read_to_string(&public).at(&public)?;
        Ok(Self { private, public: text.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_broken_connections() {
        let refused = failure(b"Warning: x\r\ndebian@127.0.0.1: Permission denied (publickey,password).\r\n");
        assert!(matches!(&refused, SshError::Refused(text) if offered(text) == ["publickey", "password"]), "{refused}");
        let broken = failure(b"kex_exchange_identification: read: Connection reset by peer\n\n");
        assert!(matches!(&broken, SshError::Failed(text) if text.ends_with("by peer")), "{broken}");
        assert_eq!(offered("Permission denied ()"), [""; 0]);
    }

    #[test]
    fn programs_are_ended_at_their_deadline_and_their_output_is_cut() {
        let shell = |script: &str, input: &str, deadline| {
            run(Command::new("sh").args(["-c", script]), "sh", input, Duration::from_millis(deadline))
        };
        let (status, stdout, stderr) = shell("cat; echo no >&2; exit 3", "given", 20_000).expect("it ends");
        assert_eq!((status.code(), stdout, stderr), (Some(3), b"given".to_vec(), b"no\n".to_vec()));
        let (_, stdout, _) = shell("head -c 3000000 /dev/zero", "", 20_000).expect("it ends");
        assert_eq!(stdout.len(), OUTPUT);
        let begun = Instant::now();
        let error = shell("sleep 100 & wait", "", 200).expect_err("it does not end");
        assert!(matches!(error, SshError::Deadline(_)), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_server_that_greets_is_told_from_one_that_is_silent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let ssh = Ssh { host: "127.0.0.1".to_owned(), port, user: "x".to_owned(), key: "x".into() };
        let server = std::thread::spawn(move || {
            // The first client is kept waiting, the second refused, the third greeted.
            let silent = listener.accept().expect("a client");
            drop(listener.accept().expect("a client"));
            listener.accept().expect("a client").0.write_all(b"SSH-2.0-test\r\n").expect("it listens");
            drop(silent);
        });
        assert_eq!([(); 3].map(|()| ssh.greets()), [false, false, true]);
        server.join().expect("no panic");
        assert!(!ssh.greets(), "nobody listens any more");
    }

    #[test]
    fn key_pairs_are_fresh() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = KeyPair::make(dir.path(), "test").expect("OpenSSH");
        let second = KeyPair::make(dir.path(), "test").expect("OpenSSH");
        assert!(first.public.starts_with("ssh-ed25519 ") && first.public.ends_with(" test"), "{}", first.public);
        assert_ne!(first.public, second.public);
    }
}
