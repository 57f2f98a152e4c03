//! Copies between a connection of an instance and the metadata service.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Copies between a service's socket and a pair of streams until either side ends. QEMU starts a process that runs this for every
/// connection of an instance to the service's address.
///
/// When `input` ends, the service gets an end of file and may still answer. The thread that reads `input` may outlive the
/// service's side; it ends with the process.
///
/// # Errors
///
/// If there is no service at the socket, or if `output` is closed before everything is written.
pub fn relay(socket: &Path, mut input: impl Read + Send + 'static, mut output: impl Write) -> io::Result<()> {
    let mut service = UnixStream::connect(socket)?;
    let mut sink = service.try_clone()?;
    std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
        // The service sees an end of file in any case. Its answer shows whether there was an error.
        let _ = copy(&mut input, &mut sink);
        let _ = sink.shutdown(Shutdown::Write);
    })?;
    copy(&mut service, &mut output)
}

/// Copies without buffering, because the other side may wait for each byte.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count]).and_then(|()| to.flush())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::super::instance::tests::instance;
    use super::super::{Service, relay};
    use super::*;

    #[test]
    fn a_request_and_its_answer_pass_through() {
        let work = tempfile::tempdir().expect("a temporary directory");
        let socket = work.path().join("metadata.sock");
        let _service = Service::start(instance(), &socket).expect("it starts");
        let mut output = Vec::new();
        // The input ends before the answer arrives.
        relay(&socket, &b"GET /openstack HTTP/1.1\r\n\r\n"[..], &mut output).expect("it passes");
        let text = String::from_utf8(output).expect("text");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\nlatest"), "{text}");
    }

    #[test]
    fn it_ends_when_the_service_does_although_the_input_does_not() {
        let work = tempfile::tempdir().expect("a temporary directory");
        let socket = work.path().join("metadata.sock");
        let service = Service::start(instance(), &socket).expect("it starts");
        let (_silent, input) = UnixStream::pair().expect("a pair of sockets");
        let (told, ended) = mpsc::channel();
        let relaying = socket.clone();
        std::thread::spawn(move || told.send(relay(&relaying, input, io::sink())));
        assert!(ended.recv_timeout(Duration::from_millis(200)).is_err(), "it waits");
        drop(service);
        // An aborted connection is a valid end too.
        let _ = ended.recv_timeout(Duration::from_secs(10)).expect("it ends");
        assert!(relay(&socket, io::empty(), io::sink()).is_err(), "there is no service any more");
    }
}
