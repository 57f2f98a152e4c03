//! The verb that QEMU starts to connect a guest with the metadata service.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use goldsmith::metadata::{Instance, Service};

#[test]
fn a_process_connects_its_streams_with_the_service() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let socket = work.path().join("metadata.sock");
    let service = Service::start(Instance::new("gold", "ssh-ed25519 AAAA", Vec::new()), &socket).expect("it starts");
    let mut relay = Command::new(env!("CARGO_BIN_EXE_goldsmith"))
        .arg("relay")
        .arg(&socket)
        // As QEMU may have it.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = relay.stdin.take().expect("a pipe");
    let mut output = relay.stdout.take().expect("a pipe");
    input.write_all(b"GET /latest/meta-data/hostname HTTP/1.1\r\n\r\n").expect("it is sent");
    let mut answer = Vec::new();
    // The answer comes while both sides are open.
    while !answer.ends_with(b"\r\n\r\ngold") {
        let mut byte = [0];
        assert_eq!(output.read(&mut byte).expect("an answer"), 1, "{}", String::from_utf8_lossy(&answer));
        answer.push(byte[0]);
    }
    // Its end is the service's, although the input is open.
    drop(service);
    assert!(relay.wait().expect("it ends").success());
}

#[test]
fn a_service_that_is_not_there_is_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_goldsmith"))
        .args(["relay", "/nonexistent/metadata.sock"])
        .env_clear()
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(11), "{text}");
    assert!(text.contains("cannot relay to the metadata service `/nonexistent/metadata.sock`: No such file"), "{text}");
}
