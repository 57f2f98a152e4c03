//! A small HTTP/1.1 server for the metadata service. Its clients are not trusted.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::answer::{Answer, reason};

/// Size limit of a request's line and headers, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Largest number of headers of a request.
const MAX_HEADERS: usize = 64;

/// Size limit of a request's body, in bytes.
const MAX_BODY: usize = 64 << 10;

/// Time limit for a request to arrive after its first byte.
const ARRIVAL: Duration = Duration::from_secs(10);

/// Time limit for a pause between requests.
const REST: Duration = Duration::from_secs(60);

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) body: Vec<u8>,
    /// Whether the connection stays open for another request.
    pub(super) keep_alive: bool,
}

/// The reason why there is no request.
#[derive(Debug)]
pub(super) enum Unread {
    /// The client has closed the connection, or is gone.
    Ended,
    /// The request is bad. The client gets this status, and then the connection is closed.
    Bad(u16),
}

/// A connection, with data that has arrived but is not read yet.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    arrived: Vec<u8>,
}

impl Connection {
    /// Makes a connection.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        // An answer fits the socket's buffer. The service does not wait longer for clients that do not read it.
        stream.set_write_timeout(Some(ARRIVAL))?;
        Ok(Self { stream, arrived: Vec::new() })
    }

    /// Waits for the next request.
    pub(super) fn read(&mut self) -> Result<Request, Unread> {
        if self.arrived.is_empty() {
            self.more(Instant::now() + REST).map_err(|_| Unread::Ended)?;
        }
        let until = Instant::now() + ARRIVAL;
        loop {
            if let Some((length, body, mut request)) = head(&self.arrived)? {
                while self.arrived.len() < length + body {
                    self.more(until)?;
                }
                request.body = self.arrived[length..length + body].to_vec();
                self.arrived.drain(..length + body);
                return Ok(request);
            }
            if self.arrived.len() > MAX_HEAD {
                return Err(Unread::Bad(431));
            }
            self.more(until)?;
        }
    }

    /// Sends an answer. That to a `HEAD` has no body.
    pub(super) fn write(&mut self, answer: &Answer, with_body: bool, keep_alive: bool) -> io::Result<()> {
        let mut message = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {}\r\n\r\n",
            answer.status,
            reason(answer.status),
            answer.kind,
            answer.body.len(),
            if keep_alive { "keep-alive" } else { "close" }
        )
        .into_bytes();
        if with_body {
            message.extend_from_slice(&answer.body);
        }
        self.stream.write_all(&message)
    }

    /// Receives more data.
    fn more(&mut self, until: Instant) -> Result<(), Unread> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unread::Bad(408));
        }
        let mut buffer = [0; 4096];
        let read = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut buffer));
        match read {
            Ok(0) => Err(Unread::Ended),
            Ok(count) => {
                self.arrived.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(Unread::Bad(408))
            }
            Err(_) => Err(Unread::Ended),
        }
    }
}

/// Reads the head of a request, if it is complete. Returns its length, the length of the body, and the request without the body.
fn head(bytes: &[u8]) -> Result<Option<(usize, usize, Request)>, Unread> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(&bytes[..bytes.len().min(MAX_HEAD)]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Unread::Bad(431)),
        Err(_) => return Err(Unread::Bad(400)),
    };
    let mut keep_alive = parsed.version == Some(1);
    let mut body = None;
    for header in parsed.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(|_| Unread::Bad(400))?.trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            // Only digits: programs disagree about signs and lists (RFC 9110, section 8.6).
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || body.is_some_and(|other| other != value) {
                return Err(Unread::Bad(400));
            }
            body = Some(value);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Unread::Bad(501));
        } else if header.name.eq_ignore_ascii_case("connection") {
            for option in value.split(',').map(str::trim) {
                if option.eq_ignore_ascii_case("close") {
                    keep_alive = false;
                } else if option.eq_ignore_ascii_case("keep-alive") {
                    keep_alive = true;
                }
            }
        }
    }
    // Digits that do not parse are a number that is too large.
    let body = body.map_or(0, |digits| digits.parse().unwrap_or(usize::MAX));
    if body > MAX_BODY {
        return Err(Unread::Bad(413));
    }
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        body: Vec::new(),
        keep_alive,
    };
    Ok(Some((length, body, request)))
}

/// Interface for the fuzz targets.
#[cfg(feature = "testing")]
pub(super) mod seam {
    use super::*;

    /// Returns the number of requests in a client's bytes.
    pub fn requests(bytes: &[u8]) -> io::Result<usize> {
        let (mut client, server) = UnixStream::pair()?;
        // Data that does not fit the socket's buffer is dropped, so that nobody waits.
        client.set_nonblocking(true)?;
        let _ = client.write_all(bytes);
        drop(client);
        let mut connection = Connection::new(server)?;
        let mut count = 0;
        while let Ok(request) = connection.read() {
            assert!(request.body.len() <= MAX_BODY && request.target.len() <= MAX_HEAD, "a request has limits");
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns everything that is read from bytes, after which the client closes the connection.
    fn read(bytes: &[u8]) -> Vec<Result<Request, Unread>> {
        let (mut client, server) = UnixStream::pair().expect("a pair of sockets");
        client.write_all(bytes).expect("it fits the buffer");
        drop(client);
        let mut connection = Connection::new(server).expect("a connection");
        let mut all = Vec::new();
        loop {
            let one = connection.read();
            let last = one.is_err();
            all.push(one);
            if last {
                return all;
            }
        }
    }

    fn first(bytes: &[u8]) -> String {
        match read(bytes).swap_remove(0) {
            Ok(request) => format!("{request:?}"),
            Err(unread) => format!("{unread:?}"),
        }
    }

    #[test]
    fn requests_follow_each_other() {
        let both = read(b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /b HTTP/1.0\r\nHost: x\r\n\r\n");
        let [Ok(one), Ok(two), Err(Unread::Ended)] = both.as_slice() else { panic!("{both:?}") };
        assert_eq!((one.method.as_str(), one.body.as_slice(), one.keep_alive), ("POST", &b"xyz"[..], true));
        assert_eq!((two.target.as_str(), two.keep_alive), ("/b", false));
        let kept = read(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        assert!(matches!(&kept[0], Ok(request) if request.keep_alive), "{kept:?}");
        let closed = read(b"GET / HTTP/1.1\r\nConnection: x, close\r\n\r\n");
        assert!(matches!(&closed[0], Ok(request) if !request.keep_alive), "{closed:?}");
    }

    #[test]
    fn what_is_no_request_or_too_much_of_one_is_refused() {
        let long = [b"GET /".as_slice(), &[b'a'; MAX_HEAD], b" HTTP/1.1\r\n\r\n"].concat();
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        for (bytes, expected) in [
            (&b""[..], "Ended"),
            (b"GET / HT", "Ended"),
            (b"\x16\x03\x01\x02\x00\x01\x00", "Bad(400)"),
            (b"GET /\xff HTTP/1.1\r\nA: \xff\r\n\r\n", "Bad(400)"),
            (&long, "Bad(431)"),
            (many.as_bytes(), "Bad(431)"),
            (b"POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nxyz", "Bad(400)"),
            (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nxyz", "Bad(400)"),
            (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", "Bad(413)"),
            (b"POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", "Bad(413)"),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Bad(501)"),
            (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nxy", "Ended"),
        ] {
            assert_eq!(first(bytes), expected, "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]));
        }
    }
}
