//! A client of the QEMU machine protocol (QMP): one JSON object per line over a Unix socket.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// Longest wait for an answer. QEMU normally answers in milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest line read. QEMU's longest answers are some hundred kilobytes.
const LINE_LIMIT: u64 = 16 << 20;

/// Most events that wait to be read. A guest causes some of them; new ones replace the oldest.
const EVENTS_MAX: usize = 4096;

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QmpError {
    /// The connection failed or QEMU is gone.
    #[error("no answer from QEMU: {0}")]
    Io(#[from] io::Error),
    /// QEMU's answer breaks the protocol.
    #[error("QEMU's answer is not understood: {0}")]
    Protocol(String),
    /// QEMU refuses the command.
    #[error("QEMU refuses {command}: {reason}")]
    Refused {
        /// Name of the command.
        command: String,
        /// Reason in QEMU's words.
        reason: String,
    },
}

/// A connection for commands.
#[derive(Debug)]
pub(crate) struct Qmp {
    reader: BufReader<UnixStream>,
    /// The beginning of an incomplete line.
    line: Vec<u8>,
    events: VecDeque<Value>,
}

impl Qmp {
    /// Connects to a running QEMU.
    pub(crate) fn connect(socket: &Path) -> Result<Self, QmpError> {
        Self::over(UnixStream::connect(socket)?)
    }

    /// Opens the protocol on a new connection of QEMU.
    pub(crate) fn over(stream: UnixStream) -> Result<Self, QmpError> {
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let mut qmp = Self { reader: BufReader::new(stream), line: Vec::new(), events: VecDeque::new() };
        let greeting = qmp.receive()?;
        if greeting.get("QMP").is_none() {
            return Err(QmpError::Protocol(greeting.to_string()));
        }
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Sends a command and returns its answer. Events that arrive meanwhile are kept.
    pub(crate) fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, QmpError> {
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        self.reader.get_mut().write_all(line.as_bytes())?;
        loop {
            let mut message = self.receive()?;
            if message.get("event").is_some() {
                self.keep(message);
            } else if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            } else if let Some(reason) = message.pointer("/error/desc").and_then(Value::as_str) {
                return Err(QmpError::Refused { command: command.to_owned(), reason: reason.to_owned() });
            } else {
                return Err(QmpError::Protocol(message.to_string()));
            }
        }
    }

    /// Waits until a device is gone.
    pub(crate) fn wait_device_deleted(&mut self, device: &str) -> Result<(), QmpError> {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.receive()?,
            };
            let is = |pointer, text| event.pointer(pointer).and_then(Value::as_str) == Some(text);
            if is("/event", "DEVICE_DELETED") && is("/data/device", device) {
                return Ok(());
            }
        }
    }

    /// Returns the unread events that have arrived, also those that QEMU sent before it ended. It does not wait.
    pub(crate) fn events(&mut self) -> Vec<Value> {
        // A broken connection has no further events; commands report its error.
        if self.reader.get_ref().set_nonblocking(true).is_ok() {
            while let Ok(message) = self.receive() {
                self.keep(message);
            }
            let _ = self.reader.get_ref().set_nonblocking(false);
        }
        self.events.drain(..).collect()
    }

    fn keep(&mut self, event: Value) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn receive(&mut self) -> Result<Value, QmpError> {
        let room = LINE_LIMIT.saturating_sub(self.line.len() as u64);
        // Bytes that were read before an error, such as an empty socket, stay in the line.
        (&mut self.reader).take(room).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let line = std::mem::take(&mut self.line);
        serde_json::from_slice(&line).map_err(|_| QmpError::Protocol(crate::text::printable(&line)))
    }
}

/// For the fuzz targets.
#[cfg(feature = "testing")]
pub(super) mod seam {
    use super::*;

    /// Returns how many events and answers are understood after a greeting, among the bytes that QEMU writes before it ends.
    pub fn answers(bytes: &[u8]) -> io::Result<usize> {
        let (ours, mut theirs) = UnixStream::pair()?;
        // Bytes that do not fit into the socket's buffer are cut off, so that nothing blocks.
        theirs.set_nonblocking(true)?;
        let _ = theirs.write_all(bytes);
        theirs.shutdown(std::net::Shutdown::Write)?;
        let Ok(mut qmp) = Qmp::over(ours) else { return Ok(0) };
        let answered = qmp.execute("query-status", &json!({})).is_ok();
        Ok(usize::from(answered) + qmp.events().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A QEMU that says its lines, one for each it is given after the first.
    fn scripted(lines: &'static [&'static str]) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        std::thread::spawn(move || {
            let mut reader = BufReader::new(theirs.try_clone().expect("a second handle"));
            let mut writer = theirs;
            for line in lines {
                if writeln!(writer, "{line}").is_err() || reader.read_line(&mut String::new()).is_err() {
                    return;
                }
            }
        });
        ours
    }

    #[test]
    fn answers_events_and_refusals_are_told_apart() {
        let stream = scripted(&[
            r#"{"QMP": {}}"#,
            r#"{"return": {}}"#,
            "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"gold\"}}\n{\"return\": 7}",
            r#"{"error": {"class": "GenericError", "desc": "no such node"}}"#,
        ]);
        let mut qmp = Qmp::over(stream).expect("a greeting");
        assert_eq!(qmp.execute("one", &json!({})).expect("an answer"), 7);
        qmp.wait_device_deleted("gold").expect("the event that came before the answer");
        let error = qmp.execute("two", &json!({})).expect_err("refused");
        assert_eq!(error.to_string(), "QEMU refuses two: no such node");
        assert!(matches!(qmp.execute("three", &json!({})), Err(QmpError::Io(_))), "the other end is closed");
    }

    #[test]
    fn events_are_had_without_waiting_also_those_that_come_in_pieces() {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        theirs.write_all(b"{\"QMP\": {}}\n{\"return\": {}}\n").expect("room");
        let mut qmp = Qmp::over(ours).expect("a greeting");
        assert_eq!(qmp.events(), Vec::<Value>::new());
        theirs.write_all(b"{\"event\": \"A\"}\n{\"event\": ").expect("room");
        assert_eq!(qmp.events(), [json!({ "event": "A" })]);
        theirs.write_all(b"\"SHUTDOWN\"}\n").expect("room");
        drop(theirs);
        assert_eq!(qmp.events(), [json!({ "event": "SHUTDOWN" })], "what was left at the end");
        assert_eq!(qmp.events(), Vec::<Value>::new());
    }

    #[test]
    fn what_is_not_the_protocol_is_an_error() {
        for greeting in ["SSH-2.0", "{}", "[1]"] {
            let lines: &'static [&'static str] = Box::leak(Box::new([greeting]));
            assert!(matches!(Qmp::over(scripted(lines)), Err(QmpError::Protocol(_))), "{greeting}");
        }
    }

    #[test]
    fn a_flood_of_events_keeps_the_newest() {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        let writer = std::thread::spawn(move || {
            let mut text = "{\"QMP\": {}}\n{\"return\": {}}\n".to_owned();
            for number in 0..EVENTS_MAX + 10 {
                text.push_str(&format!("{{\"event\": \"RTC_CHANGE\", \"data\": {number}}}\n"));
            }
            text.push_str("{\"return\": 7}\n");
            theirs.write_all(text.as_bytes()).expect("the client reads");
            theirs
        });
        let mut qmp = Qmp::over(ours).expect("a greeting");
        assert_eq!(qmp.execute("one", &json!({})).expect("an answer"), 7);
        let _open = writer.join().expect("it has written");
        let events = qmp.events();
        assert_eq!((events.len(), &events[0]["data"]), (EVENTS_MAX, &json!(10)));
    }
}
