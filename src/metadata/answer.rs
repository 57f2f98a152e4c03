//! Makes the answers of the metadata service, as Nova does (`lookup` in `nova/api/metadata/base.py`, and `handler.py` there).

use serde_json::Value;

use super::Instance;
use super::nova::{self, EC2_VERSIONS, OPENSTACK_VERSIONS, PASSWORD};

/// Longest password, in bytes (`MAX_SIZE` in `nova/api/metadata/password.py`).
const MAX_PASSWORD: usize = 1020;

const TEXT: &str = "text/plain; charset=UTF-8";
const HTML: &str = "text/html; charset=UTF-8";
const JSON: &str = "application/json";

/// An answer of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// Media type of the body.
    pub(super) kind: &'static str,
    /// The body.
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn ok(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, kind, body: body.into() }
    }

    /// Makes an answer that contains only its status.
    pub(super) fn error(status: u16) -> Self {
        Self { status, kind: TEXT, body: format!("{status} {}\n", reason(status)).into_bytes() }
    }
}

/// Returns the reason phrase of an HTTP status (RFC 9110, section 15).
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        _ => "Error",
    }
}

/// Answers a request. `password` is the password of an earlier request. Like Nova, it checks the method only for the password.
pub(super) fn answer(
    instance: &Instance,
    password: &mut Option<Vec<u8>>,
    method: &str,
    target: &str,
    body: &[u8],
) -> Answer {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    // Nova normalizes the path like a file's: empty parts and a slash at the end do not count.
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    match parts.as_slice() {
        ["openstack"] => listing(&OPENSTACK_VERSIONS),
        ["openstack", version, PASSWORD] => match nova::openstack_files(instance, version) {
            Some(files) if files.contains(&PASSWORD) => posted(password, method, body),
            _ => Answer::error(404),
        },
        // Each listing has a name too.
        ["openstack", version] | ["openstack", version, "version"] => match nova::openstack_files(instance, version) {
            Some(files) => Answer::ok(TEXT, files.join("\n")),
            None => Answer::error(404),
        },
        ["openstack", version, file] => match nova::openstack_file(instance, version, file) {
            Some(content) if nova::JSON_FILES.contains(file) => Answer::ok(JSON, content),
            Some(content) => Answer::ok(TEXT, content),
            None => Answer::error(404),
        },
        ["openstack", ..] => Answer::error(404),
        // The EC2 tree is at the top and below `ec2`.
        ["ec2", rest @ ..] => ec2(instance, rest),
        rest => ec2(instance, rest),
    }
}

/// Stores and returns the password (`handle_password`): an instance may post it once.
fn posted(password: &mut Option<Vec<u8>>, method: &str, body: &[u8]) -> Answer {
    match (method, &*password) {
        ("GET" | "HEAD", known) => Answer::ok(HTML, known.as_deref().unwrap_or_default()),
        ("POST", Some(_)) => Answer::error(409),
        ("POST", None) if body.len() <= MAX_PASSWORD => {
            *password = Some(body.to_vec());
            Answer::ok(HTML, "")
        }
        _ => Answer::error(400),
    }
}

fn listing(versions: &[&str]) -> Answer {
    Answer::ok(TEXT, format!("{}\nlatest", versions.join("\n")))
}

/// Answers from the EC2 tree (`get_ec2_item`).
fn ec2(instance: &Instance, parts: &[&str]) -> Answer {
    let [version, rest @ ..] = parts else { return listing(&EC2_VERSIONS) };
    let Some(meta_data) = nova::ec2(instance, version) else { return Answer::error(404) };
    let has_user_data = !instance.user_data.is_empty();
    match rest {
        [] => Answer::ok(TEXT, if has_user_data { "meta-data/\nuser-data" } else { "meta-data/" }),
        ["user-data"] if has_user_data => Answer::ok(TEXT, instance.user_data.clone()),
        ["meta-data", path @ ..] => {
            let found = path.iter().try_fold(&meta_data, |value, part| value.as_object()?.get(*part));
            found.map_or_else(|| Answer::error(404), |value| Answer::ok(TEXT, printed(value)))
        }
        _ => Answer::error(404),
    }
}

/// Prints a value (`ec2_md_print`): a directory as a list of its entries, with a slash after directories.
fn printed(value: &Value) -> String {
    let entry = |(key, value): (&String, &Value)| match value {
        Value::Object(below) => {
            below.get("_name").and_then(Value::as_str).map_or_else(|| format!("{key}/"), str::to_owned)
        }
        _ => key.clone(),
    };
    match value {
        Value::Object(map) => map.iter().filter(|(key, _)| *key != "_name").map(entry).collect::<Vec<_>>().join("\n"),
        Value::Array(items) => items.iter().map(printed).collect::<Vec<_>>().join("\n"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::instance::tests::instance;
    use super::*;

    fn get(instance: &Instance, target: &str) -> Answer {
        answer(instance, &mut None, "GET", target, b"")
    }

    #[test]
    fn paths_are_answered_as_nova_does() {
        let mut text = String::new();
        for path in [
            "/",
            "//",
            "/ec2",
            "/openstack",
            "/openstack/",
            "/openstack/latest",
            "/openstack/2012-08-10/",
            "/openstack/2013-04-04/version",
            "/openstack/2016-06-30/meta_data.json",
            "/openstack/latest/meta_data.json",
            "/openstack/latest/user_data",
            "/openstack/latest/vendor_data.json",
            "/openstack/2018-08-27/vendor_data2.json",
            "/openstack/2012-08-10/vendor_data.json",
            "/openstack/2012-08-10/network_data.json",
            "/openstack/latest/password",
            "/openstack/2012-08-10/password",
            "/openstack/2026-01-01",
            "/openstack/2026-01-01/meta_data.json",
            "/openstack/latest/meta_data.json/uuid",
            "/openstack/content/0000",
            "/openstack/latest/../../../etc/passwd",
            "/latest",
            "/1.0/meta-data",
            "/latest/meta-data/",
            "/ec2/latest/meta-data/",
            "/2009-04-04/meta-data/instance-id",
            "/2009-04-04/meta-data/instance-id/",
            "/latest/meta-data/ami-launch-index",
            "/latest/meta-data/block-device-mapping/",
            "/latest/meta-data/block-device-mapping/root",
            "/latest/meta-data/placement/availability-zone?a=b",
            "/1.0/meta-data/placement/",
            "/latest/meta-data/public-ipv4",
            "/latest/meta-data/public-keys/",
            "/latest/meta-data/public-keys/0/",
            "/latest/meta-data/public-keys/0/openssh-key",
            "/latest/meta-data/public-keys/1",
            "/latest/meta-data/security-groups",
            "/latest/meta-data/hostname/more",
            "/latest/meta-data/../user-data",
            "/latest/user-data",
            "/latest/user-data/more",
            "/latest/api/token",
            "/2008-01-01/meta-data/",
            "",
            "*",
        ] {
            let answer = get(&instance(), path);
            let body = String::from_utf8(answer.body).expect("text");
            text.push_str(&format!("# {path}\n{} {}\n{body}\n\n", answer.status, answer.kind));
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn an_instance_without_user_data_has_no_such_file() {
        let instance = Instance { user_data: Vec::new(), ..instance() };
        assert_eq!(get(&instance, "/latest").body, b"meta-data/");
        assert_eq!(get(&instance, "/latest/user-data").status, 404);
        assert_eq!(get(&instance, "/openstack/latest/user_data").status, 404);
    }

    #[test]
    fn a_password_is_posted_once() {
        let (instance, mut password) = (instance(), None);
        let mut ask = |method, body: &[u8]| {
            let answer = answer(&instance, &mut password, method, "/openstack/latest/password", body);
            (answer.status, String::from_utf8(answer.body).expect("text"))
        };
        assert_eq!(ask("GET", b""), (200, String::new()));
        assert_eq!(ask("POST", &[b'x'; MAX_PASSWORD + 1]).0, 400);
        assert_eq!(ask("POST", b"secret").0, 200);
        assert_eq!(ask("POST", b"other").0, 409);
        assert_eq!(ask("DELETE", b"").0, 400);
        assert_eq!(ask("GET", b""), (200, "secret".to_owned()));
    }
}
