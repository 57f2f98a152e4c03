//! A client of the QEMU guest agent. The guest is not trusted: its answers prove nothing.
//!
//! The protocol is that of QEMU's `qga/qapi-schema.json`: one JSON object a line. The connection outlives its users and agents:
//! an answer to an earlier user, or half an answer of an agent that restarted, may still come. So `guest-sync-delimited`
//! precedes every command. Its answer follows a byte that no JSON text contains.

use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

/// The byte that precedes the answer of `guest-sync-delimited`.
const DELIMITER: u8 = 0xff;

/// Longest answer that is read.
const ANSWER: usize = 1 << 20;

/// Most interfaces, and addresses of one interface, that are returned.
const INTERFACES: usize = 64;

/// The reason why the agent gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Nothing answers in time: no agent runs.
    #[error("the guest agent does not answer")]
    Silent,
    /// The machine has ended.
    #[error("the connection to the guest agent broke")]
    Broken(#[source] io::Error),
    /// The answer breaks the protocol, or is longer than any answer.
    #[error("the guest agent's answer is not understood: {0}")]
    Protocol(String),
    /// The agent refuses.
    #[error("the guest agent refuses {command}: {reason}")]
    Refused {
        /// Name of the command.
        command: String,
        /// Reason in the agent's words, made printable.
        reason: String,
    },
}

/// A network interface of the guest, as the agent reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Name, made printable: `ens2`.
    pub name: String,
    /// Hardware address: `52:54:00:67:6f:01`.
    pub mac: Option<String>,
    /// Addresses of the interface.
    pub addresses: Vec<IpAddr>,
}

/// A connection to the agent.
#[derive(Debug)]
pub struct Agent {
    stream: UnixStream,
    /// Bytes that were read, but not yet used.
    buffer: Vec<u8>,
    number: u32,
}

impl Agent {
    pub(super) fn over(stream: UnixStream) -> Self {
        Self { stream, buffer: Vec::new(), number: 0 }
    }

    /// Asks the agent for a sign of life.
    pub fn ping(&mut self, deadline: Duration) -> Result<(), AgentError> {
        self.execute("guest-ping", &json!({}), deadline).map(drop)
    }

    /// Returns the network interfaces of the guest.
    pub fn interfaces(&mut self, deadline: Duration) -> Result<Vec<Interface>, AgentError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct InterfaceReply {
            name: String,
            hardware_address: Option<String>,
            #[serde(default)]
            ip_addresses: Vec<Address>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Address {
            ip_address: IpAddr,
        }
        let answer = self.execute("guest-network-get-interfaces", &json!({}), deadline)?;
        let told: Vec<InterfaceReply> =
            serde_json::from_value(answer).map_err(|error| AgentError::Protocol(error.to_string()))?;
        let interface = |told: InterfaceReply| Interface {
            name: crate::text::printable(told.name.as_bytes()),
            mac: told.hardware_address.map(|mac| crate::text::printable(mac.as_bytes())),
            addresses: told.ip_addresses.iter().take(INTERFACES).map(|address| address.ip_address).collect(),
        };
        Ok(told.into_iter().take(INTERFACES).map(interface).collect())
    }

    /// Gives a command and returns its answer.
    pub fn execute(&mut self, command: &str, arguments: &Value, deadline: Duration) -> Result<Value, AgentError> {
        let until = Instant::now() + deadline;
        self.synchronise(until)?;
        self.send(&json!({ "execute": command, "arguments": arguments }), &[], until)?;
        let mut answer = self.object(until)?;
        if let Some(answer) = answer.get_mut("return") {
            return Ok(answer.take());
        }
        match answer.pointer("/error/desc").and_then(Value::as_str) {
            Some(reason) => {
                let reason = crate::text::printable(reason.as_bytes());
                Err(AgentError::Refused { command: command.to_owned(), reason })
            }
            None => Err(AgentError::Protocol(crate::text::printable(answer.to_string().as_bytes()))),
        }
    }

    /// Skips everything that the agent sent before.
    fn synchronise(&mut self, until: Instant) -> Result<(), AgentError> {
        self.number = self.number.wrapping_add(1);
        // The number differs for each process and command, so that an old answer is not taken for the new one.
        let id = u64::from(std::process::id()) << 16 | u64::from(self.number & 0xffff);
        // The byte ends an incomplete command that the agent may have read.
        self.send(&json!({ "execute": "guest-sync-delimited", "arguments": { "id": id } }), &[DELIMITER], until)?;
        loop {
            while let Some(at) = self.buffer.iter().position(|byte| *byte == DELIMITER) {
                self.buffer.drain(..=at);
                // Late answers to earlier commands are skipped too.
                if self.object(until)?.get("return") == Some(&json!(id)) {
                    return Ok(());
                }
            }
            self.buffer.clear();
            self.receive(until)?;
        }
    }

    fn send(&mut self, command: &Value, before: &[u8], until: Instant) -> Result<(), AgentError> {
        self.stream.set_write_timeout(Some(left(until)?)).map_err(AgentError::Broken)?;
        let mut line = before.to_vec();
        line.extend_from_slice(command.to_string().as_bytes());
        line.push(b'\n');
        self.stream.write_all(&line).map_err(broken)
    }

    /// Reads the next line, as JSON.
    fn object(&mut self, until: Instant) -> Result<Value, AgentError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).map_err(|_| AgentError::Protocol(crate::text::printable(&line)));
            }
            if self.buffer.len() > ANSWER {
                return Err(AgentError::Protocol(format!("it has more than {ANSWER} bytes")));
            }
            self.receive(until)?;
        }
    }

    fn receive(&mut self, until: Instant) -> Result<(), AgentError> {
        self.stream.set_read_timeout(Some(left(until)?)).map_err(AgentError::Broken)?;
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer).map_err(broken)? {
            0 => Err(AgentError::Broken(io::ErrorKind::UnexpectedEof.into())),
            read => {
                self.buffer.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }
}

/// Returns the time until the deadline.
fn left(until: Instant) -> Result<Duration, AgentError> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(AgentError::Silent) } else { Ok(left) }
}

fn broken(error: io::Error) -> AgentError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AgentError::Silent,
        _ => AgentError::Broken(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};

    const DEADLINE: Duration = Duration::from_secs(20);

    /// An agent that says `before`, and answers every question but synchronisation with the next of these lines.
    fn agent(before: &'static [u8], answers: &'static [&'static str]) -> Agent {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        std::thread::spawn(move || {
            theirs.write_all(before).expect("room");
            let mut answers = answers.iter();
            for line in BufReader::new(theirs.try_clone().expect("a handle")).split(b'\n') {
                let line = line.expect("open");
                let line = line.strip_prefix(&[DELIMITER]).unwrap_or(&line);
                let command: Value = serde_json::from_slice(line).expect("JSON");
                if command["execute"] == "guest-sync-delimited" {
                    theirs.write_all(&[DELIMITER]).expect("open");
                    writeln!(theirs, "{}", json!({ "return": command["arguments"]["id"] })).expect("open");
                } else if let Some(answer) = answers.next() {
                    writeln!(theirs, "{answer}").expect("open");
                } else {
                    return;
                }
            }
        });
        Agent::over(ours)
    }

    #[test]
    fn what_was_left_from_before_is_passed_over() {
        let mut agent = agent(b"{\"return\": {}}\n{\"half\xff{\"return\": 7}\n{\"ret", &[r#"{"return": {}}"#]);
        agent.ping(DEADLINE).expect("an answer");
        assert!(matches!(agent.ping(DEADLINE), Err(AgentError::Broken(_))), "it has gone");
    }

    #[test]
    fn interfaces_are_read_and_refusals_told() {
        let mut agent = agent(
            b"",
            &[
                concat!(
                    r#"{"return": [{"name": "lo\u001b[1m", "ip-addresses": [{"ip-address": "127.0.0.1", "prefix": 8}]},"#,
                    r#"{"name": "ens2", "hardware-address": "52:54:00:67:6f:01"}]}"#
                ),
                r#"{"error": {"class": "CommandNotFound", "desc": "disabled"}}"#,
                r#"{"return": "text"}"#,
                "[]",
            ],
        );
        let mac = Some("52:54:00:67:6f:01".to_owned());
        assert_eq!(
            agent.interfaces(DEADLINE).expect("an answer"),
            [
                Interface { name: "lo".to_owned(), mac: None, addresses: vec![IpAddr::from([127, 0, 0, 1])] },
                Interface { name: "ens2".to_owned(), mac, addresses: Vec::new() },
            ]
        );
        let error = agent.interfaces(DEADLINE).expect_err("refused").to_string();
        assert_eq!(error, "the guest agent refuses guest-network-get-interfaces: disabled");
        assert!(matches!(agent.interfaces(DEADLINE), Err(AgentError::Protocol(_))));
        assert!(matches!(agent.interfaces(DEADLINE), Err(AgentError::Protocol(_))));
    }

    #[test]
    fn silence_and_endless_answers_end() {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let begun = Instant::now();
        assert!(matches!(Agent::over(ours).ping(Duration::from_millis(200)), Err(AgentError::Silent)));
        assert!(begun.elapsed() < Duration::from_secs(10));
        drop(theirs);
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        std::thread::spawn(move || {
            let flood = vec![b'x'; 1 << 16];
            let _ = theirs.write_all(&[DELIMITER]);
            while theirs.write_all(&flood).is_ok() {}
        });
        let error = Agent::over(ours).ping(DEADLINE).expect_err("no answer");
        assert!(matches!(error, AgentError::Protocol(_)), "{error}");
    }
}
