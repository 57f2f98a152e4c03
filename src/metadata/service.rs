//! The metadata service: it answers like Nova's, on a Unix socket.

use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::answer::{Answer, answer};
use super::http::{Connection, Unread};
use super::{Instance, MAX_USER_DATA, MetadataError};

/// Largest number of connections at a time. An instance opens one or two.
const MAX_CONNECTIONS: usize = 16;

/// Largest number of requests that are recorded, and of characters of each text in a record.
const MAX_REQUESTS: (usize, usize) = (4096, 200);

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Time since the start of the service.
    pub time: Duration,
    /// Method, made printable: `GET`.
    pub method: String,
    /// Path, made printable and shortened.
    pub path: String,
    /// Status of the answer.
    pub status: u16,
}

/// A running metadata service for one instance. It ends when this value is dropped.
///
/// It listens on a Unix socket, which only processes with access to the socket can reach. [`super::relay`] connects an instance
/// to it. It reads no files: all answers come from the [`Instance`].
#[derive(Debug)]
pub struct Service {
    socket: PathBuf,
    listener: Arc<UnixListener>,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    instance: Instance,
    started: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    password: Option<Vec<u8>>,
}

impl State {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Starts the service. The socket must not exist yet. Only its directory protects it.
    ///
    /// # Errors
    ///
    /// If the user data is longer than Nova accepts, or if the socket cannot be created: its path has at most 107 bytes.
    pub fn start(instance: Instance, socket: &Path) -> Result<Self, MetadataError> {
        if instance.user_data.len() > MAX_USER_DATA {
            return Err(MetadataError::UserDataTooLong { bytes: instance.user_data.len() });
        }
        let failed = |source| MetadataError::Socket { socket: socket.to_owned(), source };
        let listener = Arc::new(UnixListener::bind(socket).map_err(failed)?);
        let state = Arc::new(State { instance, started: Instant::now(), seen: Mutex::default() });
        let mut service = Self { socket: socket.to_owned(), listener, state, accepting: None };
        let (listener, state) = (Arc::clone(&service.listener), Arc::clone(&service.state));
        let thread = std::thread::Builder::new().name("metadata".to_owned());
        service.accepting = Some(thread.spawn(move || accept(&listener, &state)).map_err(failed)?);
        Ok(service)
    }

    /// Returns the answered requests in order. Of very many, only the first ones are recorded.
    pub fn requests(&self) -> Vec<Request> {
        self.state.seen().requests.clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // On Linux this wakes the thread that waits for connections, and refuses new ones.
        let _ = rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.accepting.take() {
            // The thread has no result. A panic in it was already printed.
            let _ = thread.join();
        }
        // The socket's directory may be gone already.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Serves connections until the listener is shut down, and then closes the remaining ones.
fn accept(listener: &UnixListener, state: &Arc<State>) {
    let mut open: Vec<(UnixStream, JoinHandle<()>)> = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        open.retain(|(_, thread)| !thread.is_finished());
        if open.len() >= MAX_CONNECTIONS {
            continue;
        }
        let state = Arc::clone(state);
        let Ok(other) = stream.try_clone() else { continue };
        let thread = std::thread::Builder::new().name("metadata client".to_owned());
        let serving = move || {
            if let Ok(ended) = stream.try_clone() {
                serve(stream, &state);
                // Otherwise the clone in `accept`, which closes the connection at the end, would keep it open.
                let _ = ended.shutdown(Shutdown::Both);
            }
        };
        if let Ok(thread) = thread.spawn(serving) {
            open.push((other, thread));
        }
    }
    for (stream, thread) in open {
        // The connection may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
        let _ = thread.join();
    }
}

/// Answers all requests of a connection.
fn serve(stream: UnixStream, state: &State) {
    let Ok(mut connection) = Connection::new(stream) else { return };
    loop {
        let (answer, with_body, keep_alive) = match connection.read() {
            Ok(request) => {
                let time = state.started.elapsed();
                let mut seen = state.seen();
                let answer =
                    answer(&state.instance, &mut seen.password, &request.method, &request.target, &request.body);
                let (method, path, status) = (cut(&request.method), cut(&request.target), answer.status);
                if seen.requests.len() < MAX_REQUESTS.0 {
                    seen.requests.push(Request { time, method, path, status });
                }
                (answer, request.method != "HEAD", request.keep_alive)
            }
            Err(Unread::Bad(status)) => (Answer::error(status), true, false),
            Err(Unread::Ended) => return,
        };
        if connection.write(&answer, with_body, keep_alive).is_err() || !keep_alive {
            return;
        }
    }
}

fn cut(text: &str) -> String {
    crate::text::printable(text.as_bytes()).chars().take(MAX_REQUESTS.1).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::super::instance::tests::instance;
    use super::*;

    fn service() -> (tempfile::TempDir, PathBuf, Service) {
        let work = tempfile::tempdir().expect("a temporary directory");
        let socket = work.path().join("metadata.sock");
        let service = Service::start(instance(), &socket).expect("it starts");
        (work, socket, service)
    }

    fn open(socket: &Path) -> UnixStream {
        let stream = UnixStream::connect(socket).expect("it connects");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
        stream
    }

    /// Sends bytes, and reads until the service closes the connection.
    fn ask(socket: &Path, bytes: &[u8]) -> String {
        let mut stream = open(socket);
        stream.write_all(bytes).expect("it is sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }

    #[test]
    fn a_connection_carries_several_requests_and_all_are_remembered() {
        let (_work, socket, service) = service();
        let text = ask(
            &socket,
            b"GET /latest/meta-data/hostname HTTP/1.1\r\nHost: x\r\n\r\n\
              HEAD /latest/meta-data/hostname HTTP/1.1\r\n\r\n\
              GET /no%1bthing HTTP/1.1\r\nConnection: close\r\n\r\n",
        );
        insta::assert_snapshot!(text.replace('\r', ""));
        let requests = service.requests();
        let lines: Vec<_> =
            requests.iter().map(|seen| format!("{} {} {}", seen.method, seen.path, seen.status)).collect();
        assert_eq!(
            lines,
            ["GET /latest/meta-data/hostname 200", "HEAD /latest/meta-data/hostname 200", "GET /no%1bthing 404"]
        );
        assert!(requests.is_sorted_by_key(|request| request.time));
    }

    #[test]
    fn what_is_no_request_is_told_so_and_closed() {
        let (_work, socket, service) = service();
        let text = ask(&socket, b"\x16\x03\x01nonsense\r\n\r\n");
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
        assert!(service.requests().is_empty());
    }

    #[test]
    fn one_client_too_many_does_not_keep_the_others_from_being_served() {
        let (_work, socket, _service) = service();
        let mut idle: Vec<_> = (0..MAX_CONNECTIONS).map(|_| open(&socket)).collect();
        let mut extra = open(&socket);
        assert!(!matches!(extra.read(&mut [0]), Ok(count) if count > 0), "it is closed");
        let last = idle.last_mut().expect("some");
        last.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it is sent");
        let mut text = String::new();
        last.read_to_string(&mut text).expect("an answer");
        assert!(text.ends_with("\nlatest"), "{text}");
    }

    #[test]
    fn its_end_closes_connections_and_leaves_no_socket() {
        let (work, socket, service) = service();
        let mut idle = open(&socket);
        let started = Instant::now();
        drop(service);
        assert_eq!(idle.read(&mut [0]).expect("closed"), 0);
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(std::fs::read_dir(work.path()).expect("a directory").count(), 0);
    }

    #[test]
    fn what_cannot_be_listened_on_is_told() {
        let error = Service::start(instance(), Path::new("/nonexistent/metadata.sock")).expect_err("no such directory");
        let text = error.to_string();
        assert!(
            text.starts_with("cannot start the metadata service on `/nonexistent/metadata.sock`: No such"),
            "{text}"
        );
    }
}
