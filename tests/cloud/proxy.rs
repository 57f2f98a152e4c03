//! A proxy between Goldsmith and a real service. It passes everything on but for the faults that it was told.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// Longest time that a request is held: a test that has failed releases nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where in a request something happens. Nothing of it is at the service yet, or some percent of its body, or all of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum At {
    Head,
    Body(u64),
    /// All is read, and nothing passed on.
    Drained,
    /// All is passed on, and the service is at work.
    Sent,
    /// The service has answered, and so many percent of that are passed on.
    Answer(u64),
}

/// What happens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// A status with headers, and a text.
    Say(&'static str, &'static str),
    /// A status with headers, and what was asked.
    Echo(&'static str),
    Reset,
    /// Nothing moves for so long, then the connection is closed.
    Stall(Duration),
    /// Nothing moves until [`Proxy::release`].
    Hold,
    /// A text of the answer is another one of the same length.
    Change(fn(String) -> String),
}

/// Something that happens to requests of a method whose path contains a text: to some of them, counted from 0.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) times: Range<usize>,
    pub(crate) at: At,
    pub(crate) act: Act,
}

/// A request that was seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    /// Each with the number of requests that it could have happened to.
    faults: Mutex<Vec<(Fault, usize)>>,
    seen: Mutex<Vec<Seen>>,
    /// Whether a request is held, and whether none is any more.
    gate: Mutex<(bool, bool)>,
    moved: Condvar,
}

impl Proxy {
    /// A proxy before the service of this address.
    pub(crate) fn start(url: &str, faults: Vec<Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let upstream = url.trim_start_matches("http://").to_owned();
        let faults = Mutex::new(faults.into_iter().map(|fault| (fault, 0)).collect());
        let (seen, gate) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { upstream, faults, seen, gate, moved: Condvar::new() });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&served);
                // Who goes away in the midst of it is part of the tests.
                std::thread::spawn(move || drop(shared.serve(client)));
            }
        });
        Self { url: format!("http://{address}"), shared }
    }

    /// Requests of this method whose path contains a text.
    pub(crate) fn seen(&self, method: &str, path: &str) -> Vec<Seen> {
        let seen = self.shared.seen.lock().expect("no panic");
        seen.iter().filter(|seen| seen.method == method && seen.path.contains(path)).cloned().collect()
    }

    /// All tokens that were seen.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.shared.seen.lock().expect("no panic").iter().filter_map(|seen| seen.token.clone()).collect()
    }

    /// Waits until a request is held.
    pub(crate) fn wait_until_held(&self) {
        let gate = self.shared.gate.lock().expect("no panic");
        let (_gate, waited) = self.shared.moved.wait_timeout_while(gate, PATIENCE, |gate| !gate.0).expect("no panic");
        assert!(!waited.timed_out(), "nothing is held");
    }

    /// Lets go what is held, now and later.
    pub(crate) fn release(&self) {
        self.shared.gate.lock().expect("no panic").1 = true;
        self.shared.moved.notify_all();
    }
}

/// The head of a request.
struct Head {
    bytes: Vec<u8>,
    /// What came with it of the body.
    rest: Vec<u8>,
    seen: Seen,
    length: u64,
}

impl Head {
    fn read(client: &mut TcpStream) -> io::Result<Option<Self>> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
        loop {
            let count = client.read(&mut buffer)?;
            if count == 0 {
                return Ok(None);
            }
            bytes.extend_from_slice(&buffer[..count]);
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut request = httparse::Request::new(&mut headers);
            let httparse::Status::Complete(end) = request.parse(&bytes).map_err(io::Error::other)? else { continue };
            let text = |name: &str| {
                let header = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
                Some(String::from_utf8_lossy(header.value).into_owned())
            };
            let length = text("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let told = |text: Option<&str>| text.unwrap_or_default().to_owned();
            let seen = Seen { method: told(request.method), path: told(request.path), token: text("x-auth-token") };
            let rest = bytes.split_off(end);
            return Ok(Some(Self { bytes, rest, seen, length }));
        }
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let Some(head) = Head::read(&mut client)? else { return Ok(()) };
        self.seen.lock().expect("no panic").push(head.seen.clone());
        if head.seen.method == "CONNECT" {
            return tunnel(client, &head.seen.path);
        }
        let fault = self.fault(&head.seen);
        let length = head.length;
        let mut data = io::Cursor::new(head.rest).chain(client.try_clone()?).take(length);
        let met = |at: At, client: &mut TcpStream| match &fault {
            Some(fault) if fault.at == at => self.act(fault.act, &head.bytes, client),
            _ => Ok(ControlFlow::Continue(())),
        };
        if met(At::Head, &mut client)?.is_break() {
            return Ok(());
        }
        if fault.as_ref().is_some_and(|fault| fault.at == At::Drained) {
            io::copy(&mut data, &mut io::sink())?;
            return met(At::Drained, &mut client).map(drop);
        }
        let mut service = TcpStream::connect(&self.upstream)?;
        service.write_all(&head.bytes)?;
        let before = match &fault {
            Some(Fault { at: At::Body(percent), .. }) => length * percent / 100,
            _ => length,
        };
        // A service that refuses reads no further, and has answered.
        let mut taken = pass(&mut data, &mut service, before)?;
        if let Some(Fault { at: at @ At::Body(_), .. }) = fault {
            if met(at, &mut client)?.is_break() {
                return Ok(());
            }
            taken = pass(&mut data, &mut service, length - before)?;
        }
        if taken && met(At::Sent, &mut client)?.is_break() {
            drop((data, client));
            return io::copy(&mut service, &mut io::sink()).map(drop);
        }
        let mut answer = Vec::new();
        // What has come of an answer counts, however the connection ended.
        let _ = service.read_to_end(&mut answer);
        if let Some(Fault { at: at @ At::Answer(percent), act, .. }) = fault {
            if let Act::Change(change) = act {
                answer = change(String::from_utf8_lossy(&answer).into_owned()).into_bytes();
            }
            let before = answer.len() * usize::try_from(percent).expect("a percentage") / 100;
            let rest = answer.split_off(before);
            client.write_all(&answer)?;
            if met(at, &mut client)?.is_break() {
                return Ok(());
            }
            answer = rest;
        }
        client.write_all(&answer)
    }

    /// What happens to a request.
    fn fault(&self, seen: &Seen) -> Option<Fault> {
        let mut faults = self.faults.lock().expect("no panic");
        let fitting =
            faults.iter_mut().filter(|(fault, _)| fault.method == seen.method && seen.path.contains(fault.path));
        let mut found = None;
        for (fault, count) in fitting {
            if fault.times.contains(count) && found.is_none() {
                found = Some(fault.clone());
            }
            *count += 1;
        }
        found
    }

    /// Whether it goes on after that.
    fn act(&self, act: Act, head: &[u8], client: &mut TcpStream) -> io::Result<ControlFlow<()>> {
        match act {
            Act::Say(status, text) => say(client, status, text)?,
            Act::Echo(status) => say(client, status, &String::from_utf8_lossy(head))?,
            Act::Reset => set_socket_linger(&*client, Some(Duration::ZERO))?,
            Act::Stall(time) => std::thread::sleep(time),
            Act::Hold => {
                let mut gate = self.gate.lock().expect("no panic");
                gate.0 = true;
                self.moved.notify_all();
                let _released = self.moved.wait_timeout_while(gate, PATIENCE, |gate| !gate.1).expect("no panic");
                return Ok(ControlFlow::Continue(()));
            }
            Act::Change(_) => return Ok(ControlFlow::Continue(())),
        }
        Ok(ControlFlow::Break(()))
    }
}

fn say(client: &mut TcpStream, status: &str, text: &str) -> io::Result<()> {
    let length = text.len();
    write!(client, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")?;
    // Where data is left unread, closing the connection discards what is not on its way yet.
    std::thread::sleep(Duration::from_millis(300));
    Ok(())
}

/// Passes on so many bytes, and returns whether they were taken. That fewer came is an error: the sender has gone.
fn pass(from: &mut impl Read, to: &mut TcpStream, mut count: u64) -> io::Result<bool> {
    let mut buffer = vec![0; 64 << 10];
    while count > 0 {
        let most = usize::try_from(count).unwrap_or(usize::MAX).min(buffer.len());
        let read = from.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if to.write_all(&buffer[..read]).is_err() {
            return Ok(false);
        }
        count -= read as u64;
    }
    Ok(true)
}

/// What a proxy for HTTP does for whoever wants a connection: RFC 9110, section 9.3.6.
fn tunnel(mut client: TcpStream, target: &str) -> io::Result<()> {
    let mut service = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, service.try_clone()?);
    let sending = std::thread::spawn(move || io::copy(&mut from, &mut to).map(drop));
    io::copy(&mut service, &mut client)?;
    client.shutdown(Shutdown::Both)?;
    sending.join().expect("no panic")
}
