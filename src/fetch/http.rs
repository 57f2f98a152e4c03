//! HTTP for builds: repeats failed requests, and reacts to an interrupt at any time.
//!
//! A blocking read cannot be interrupted. So each request has its own thread. The caller checks the interrupt while it waits, and
//! may leave the thread behind, whose time is limited.

use std::io::Read as _;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use super::Network;
use super::connection::{HttpError, redacted};
use super::network::Headers;
use crate::interrupt::Interrupt;

const POLL: Duration = Duration::from_millis(50);
/// Largest number of consecutive failed attempts.
pub(crate) const ATTEMPTS: u32 = 4;
/// Longest time that a server may ask to wait before the next attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const CHUNK: usize = 256 * 1024;

/// An answer: its header is complete, its body still arrives.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) length: Option<u64>,
    pub(super) content_range: Option<String>,
    /// Type of the body.
    pub(super) content_type: Option<String>,
    /// How the server wants to know who asks (RFC 9110, 11.6.1).
    pub(super) challenges: Vec<String>,
    /// Seconds after which the server wants to be asked again (RFC 9110, 10.2.3).
    retry_after: Option<u64>,
    chunks: Receiver<Result<Vec<u8>, HttpError>>,
}

/// Returns whether a source is an HTTP URL.
pub(super) fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Sends one GET request for the bytes from `from` on.
pub(super) fn get(url: &str, from: u64, network: &Network, interrupt: &Interrupt) -> Result<Answer, HttpError> {
    get_with(url, from, &Headers::default(), network, interrupt)
}

/// Sends one GET request with further headers.
pub(super) fn get_with(
    url: &str,
    from: u64,
    headers: &Headers,
    network: &Network,
    interrupt: &Interrupt,
) -> Result<Answer, HttpError> {
    let (head_sender, head) = mpsc::sync_channel(1);
    let (sender, chunks) = mpsc::sync_channel(8);
    let (asked, network, headers) = (url.to_owned(), network.clone(), headers.clone());
    std::thread::spawn(move || {
        let mut response = match network.get(&asked, from, &headers) {
            Ok(response) => response,
            // Without a receiver, nobody needs the answer; the same applies below.
            Err(error) => return drop(head_sender.send(Err(error))),
        };
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let length = header("content-length").and_then(|length| length.parse().ok());
        let texts = response.headers().get_all("www-authenticate").iter().filter_map(|value| value.to_str().ok());
        let head = Head {
            status: response.status().as_u16(),
            length,
            content_range: header("content-range"),
            content_type: header("content-type"),
            challenges: texts.map(str::to_owned).collect(),
            retry_after: header("retry-after").and_then(|seconds| seconds.parse().ok()),
        };
        if head_sender.send(Ok(head)).is_err() {
            return;
        }
        let mut body = response.body_mut().as_reader();
        loop {
            let mut chunk = vec![0; CHUNK];
            let message = match body.read(&mut chunk) {
                Ok(0) => return,
                Ok(n) => {
                    chunk.truncate(n);
                    Ok(chunk)
                }
                Err(error) => {
                    Err(HttpError::Failed { url: redacted(&asked), reason: error.to_string(), transient: true })
                }
            };
            let last = message.is_err();
            if sender.send(message).is_err() || last {
                return;
            }
        }
    });
    let gone =
        || HttpError::Failed { url: redacted(url), reason: "the request was dropped".to_owned(), transient: true };
    let Head { status, length, content_range, content_type, challenges, retry_after } =
        wait(&head, interrupt)?.ok_or_else(gone)??;
    Ok(Answer { status, length, content_range, content_type, challenges, retry_after, chunks })
}

/// What comes before the body.
struct Head {
    status: u16,
    length: Option<u64>,
    content_range: Option<String>,
    content_type: Option<String>,
    challenges: Vec<String>,
    retry_after: Option<u64>,
}

/// Fetches a small file, with several attempts if necessary.
pub(super) fn get_small(
    url: &str,
    limit: usize,
    network: &Network,
    interrupt: &Interrupt,
) -> Result<Vec<u8>, HttpError> {
    let mut attempt = 1;
    loop {
        match get_once(url, limit, network, interrupt) {
            Err(HttpError::Failed { transient: true, .. }) if attempt < ATTEMPTS => pause(attempt, interrupt)?,
            result => return result,
        }
        attempt += 1;
    }
}

/// Fetches a small file; returns `None` if the server does not have it.
pub(super) fn get_if_there(
    url: &str,
    limit: usize,
    network: &Network,
    interrupt: &Interrupt,
) -> Result<Option<Vec<u8>>, HttpError> {
    // Object stores also answer 403 for a missing file.
    let is_absent = |status| matches!(status, 403 | 404 | 410);
    match get(url, 0, network, interrupt) {
        Ok(answer) if is_absent(answer.status) => Ok(None),
        Err(HttpError::Interrupted) => Err(HttpError::Interrupted),
        // Now with several attempts.
        _ => get_small(url, limit, network, interrupt).map(Some),
    }
}

fn get_once(url: &str, limit: usize, network: &Network, interrupt: &Interrupt) -> Result<Vec<u8>, HttpError> {
    let answer = get(url, 0, network, interrupt)?;
    if answer.status != 200 {
        return Err(answer.refused(url));
    }
    answer.read(url, limit, interrupt)
}

/// Waits before the next attempt: 0.5 s, 1 s, 2 s, ...
pub(crate) fn pause(attempt: u32, interrupt: &Interrupt) -> Result<(), HttpError> {
    sleep(Duration::from_millis(250 << attempt.min(6)), interrupt)
}

fn sleep(time: Duration, interrupt: &Interrupt) -> Result<(), HttpError> {
    let end = std::time::Instant::now() + time;
    while std::time::Instant::now() < end {
        if interrupt.is_raised() {
            return Err(HttpError::Interrupted);
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

impl Answer {
    /// Returns the next piece of the body, `None` at its end.
    pub(super) fn next(&self, interrupt: &Interrupt) -> Result<Option<Vec<u8>>, HttpError> {
        wait(&self.chunks, interrupt)?.transpose()
    }

    /// Reads the whole body, which has at most `limit` bytes.
    pub(super) fn read(&self, url: &str, limit: usize, interrupt: &Interrupt) -> Result<Vec<u8>, HttpError> {
        let failed = |reason: String, transient| HttpError::Failed { url: redacted(url), reason, transient };
        let mut content = Vec::new();
        while let Some(chunk) = self.next(interrupt)? {
            content.extend(chunk);
            if content.len() > limit {
                return Err(failed(format!("it is larger than {limit} bytes"), false));
            }
        }
        match self.length {
            Some(length) if length != content.len() as u64 => {
                Err(failed(format!("the connection ended after {} of {length} bytes", content.len()), true))
            }
            _ => Ok(content),
        }
    }

    /// Waits for as long as the server asks, but not for minutes.
    pub(super) fn wait_as_asked(&self, interrupt: &Interrupt) -> Result<(), HttpError> {
        match self.retry_after {
            Some(seconds) if matches!(self.status, 429 | 503) => {
                sleep(Duration::from_secs(seconds).min(LONGEST_WAIT), interrupt)
            }
            _ => Ok(()),
        }
    }

    /// Returns the error for a status.
    pub(super) fn refused(&self, url: &str) -> HttpError {
        let transient = self.status >= 500 || self.status == 429 || self.status == 408;
        let more = match (self.status, self.retry_after) {
            (401, _) => ": it wants a login, which belongs into ~/.netrc".to_owned(),
            (429, Some(seconds)) => format!(": too many requests; it wants to be asked again after {seconds} s"),
            (429, None) => ": too many requests".to_owned(),
            _ => String::new(),
        };
        HttpError::Failed { url: redacted(url), reason: format!("the server answers {}{more}", self.status), transient }
    }
}

fn wait<T>(receiver: &Receiver<T>, interrupt: &Interrupt) -> Result<Option<T>, HttpError> {
    loop {
        if interrupt.is_raised() {
            return Err(HttpError::Interrupted);
        }
        match receiver.recv_timeout(POLL) {
            Ok(value) => return Ok(Some(value)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
}
