//! Mirrors that answer, and that do not; and the plans made with them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::sandbox::{Sandbox, assert_session};

const INDEX: &str =
    "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Test\nDate: Sat, 09 Sep 2023 09:08:31 UTC\n";

/// Answers so many requests with an index or a page, then listens no more.
fn mirror(requests: usize, body: &'static str) -> (u16, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let thread = std::thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().expect("a request");
            let mut request = Vec::new();
            let mut byte = [0; 1];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("a request") > 0 {
                request.push(byte[0]);
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("a reader");
        }
    });
    (port, thread)
}

fn recipe(sandbox: &Sandbox, port: u16) {
    let mirror = format!("http://127.0.0.1:{port}/debian");
    sandbox.write(
        "x.yaml",
        format!(
            "name: x\narch: x86_64\nbase:\n  bootstrap:\n    distro: debian\n    release: bookworm\n    \
             mirror: {mirror}\n    security-mirror: {mirror}-security\nelements: [local]\npackages: [nginx]\n\
             steps:\n  configure:\n    - write: {{ path: /etc/motd, content: hello }}\n"
        ),
    );
    sandbox.write(
        "elements/local/element.yaml",
        "name: local\ndescription: Of the test\npackages: { debian: [curl] }\nsteps:\n  boot:\n    - remove: [/etc/motd]\n",
    );
}

/// A port at which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port()
}

#[test]
fn mirrors_that_do_not_answer() {
    let sandbox = Sandbox::new();
    recipe(&sandbox, closed_port());
    assert_session!(
        sandbox,
        sandbox.session(&["plan x.yaml", "plan --offline x.yaml", "build x.yaml", "plan --json x.yaml"])
    );
}

#[test]
fn a_plan_is_made_of_what_the_mirror_said_last() {
    let sandbox = Sandbox::new();
    let (port, thread) = mirror(3, INDEX);
    recipe(&sandbox, port);
    let first = sandbox.run("plan x.yaml");
    thread.join().expect("three requests");
    assert_eq!(first.code, Some(0), "{first:?}");
    let text =
        sandbox.session(&["plan x.yaml", "plan --offline x.yaml", "plan --refresh x.yaml", "build --dry-run x.yaml"]);
    assert!(text.starts_with(&format!("$ goldsmith plan x.yaml\n{}[0]\n", first.stdout)), "{text}\n{first:?}");
    assert_session!(sandbox, text);

    // Both count the base and the last step.
    let of = |text: &str, before: &str, after: &str| {
        text.split_once(after).and_then(|(text, _)| text.rsplit_once(before)).map(|(_, count)| count.to_owned())
    };
    let validated = sandbox.run("validate x.yaml").stdout;
    assert_eq!(of(&validated, "(", " steps"), of(&first.stdout, "of ", " steps are cached"), "{validated} {first:?}");

    let plan = sandbox.run("plan --json x.yaml");
    assert_eq!(plan.stdout.lines().count(), 1, "{plan:?}");
    let plan = plan.last_json();
    let status = plan["status"].as_array().expect("a list");
    assert_eq!(status.len(), plan["plan"]["steps"].as_array().expect("a list").len());
    assert!(
        status.iter().all(|step| step["cached"] == false && step["key"].as_str().is_some_and(|key| key.len() == 64))
    );
}

#[test]
fn a_page_of_a_captive_portal_is_no_index() {
    let sandbox = Sandbox::new();
    let (port, thread) = mirror(3, "<html>please log in</html>");
    recipe(&sandbox, port);
    let ran = sandbox.run("plan x.yaml");
    thread.join().expect("three requests");
    assert_eq!(ran.code, Some(11));
    assert!(ran.stderr.contains("is not the index of a package repository"), "{ran:?}");
}
