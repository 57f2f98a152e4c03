//! Requests to an object store: signed, tried again where that may help, and what is said when they are refused.

use std::io::Read;
use std::time::Duration;

use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use ureq::http::{Request, Response};
use ureq::{Agent, Body, SendBody};

use super::error::{Place, S3Error};
use crate::fetch::http;
use crate::interrupt::Interrupt;
use crate::text::printable;

/// How long a request may be on its way after it was signed. Parts of large files take their time.
const SIGNED_FOR: Duration = Duration::from_secs(6 * 60 * 60);

/// How long a store may think before it answers: putting the parts of a large file together takes minutes.
const ANSWER: Duration = Duration::from_secs(600);

/// Largest answer, and largest small file, that is read.
const LIMIT: u64 = 64 << 20;

/// Most of what is read of a refusal.
const REFUSAL: u64 = 64 << 10;

/// Headers of a request that are signed with it.
pub(super) type Headers<'a> = [(&'static str, &'a str)];

/// What is sent: its size, and how to begin to read it, for every attempt anew.
pub(super) struct Sent<'a> {
    pub(super) size: u64,
    pub(super) open: &'a dyn Fn() -> Box<dyn Read + 'a>,
}

/// A bucket, and the way to it.
pub(super) struct Client {
    pub(super) bucket: Bucket,
    pub(super) credentials: Credentials,
    agent: Agent,
}

impl Client {
    pub(super) fn new(place: &Place, credentials: Credentials) -> Result<Self, S3Error> {
        let wrong = |reason: String| S3Error::Address { endpoint: http::redacted(&place.endpoint), reason };
        let style = if place.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let endpoint = place.endpoint.parse().map_err(|_| wrong("it is no URL".to_owned()))?;
        let bucket = Bucket::new(endpoint, style, place.bucket.clone(), place.region.clone());
        let bucket = bucket.map_err(|error| wrong(error.to_string()))?;
        // A signed request is for one place: where an answer points to, it would be refused.
        let agent = http::configuration().timeout_recv_response(Some(ANSWER)).max_redirects(0);
        let agent = agent.max_redirects_will_error(false).build().new_agent();
        Ok(Self { bucket, credentials, agent })
    }

    /// Sends a request, several times if need be.
    pub(super) fn send<'a, A: S3Action<'a>>(
        &self,
        mut action: A,
        headers: &Headers<'a>,
        sent: Option<&Sent<'_>>,
        interrupt: &Interrupt,
    ) -> Result<Response<Body>, S3Error> {
        for (name, value) in headers {
            action.headers_mut().insert(*name, *value);
        }
        let mut attempt = 1;
        loop {
            match self.attempt(&action, headers, sent) {
                Err(_) if interrupt.is_raised() => return Err(S3Error::Interrupted),
                Err(error) if error.is_transient() && attempt < http::ATTEMPTS => {
                    http::pause(attempt, interrupt).map_err(|_| S3Error::Interrupted)?;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn attempt<'a, A: S3Action<'a>>(
        &self,
        action: &A,
        headers: &Headers<'a>,
        sent: Option<&Sent<'_>>,
    ) -> Result<Response<Body>, S3Error> {
        let signed = action.sign(SIGNED_FOR);
        let method = A::METHOD.to_str();
        let mut request = Request::builder().method(method).uri(signed.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // The signature is nobody's business.
        let mut shown = signed;
        shown.set_query(None);
        let url = shown.to_string();
        let answer = match sent {
            Some(Sent { size, open }) => {
                let mut reader = open();
                let request = request.header("content-length", *size).body(SendBody::from_reader(&mut reader));
                request.map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
            }
            None => {
                // Without a length it would go in chunks, which stores do not take.
                let empty = matches!(method, "POST" | "PUT");
                let request = if empty { request.header("content-length", 0) } else { request };
                request.body(SendBody::none()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
            }
        };
        let answer = answer.map_err(|error| S3Error::Unreachable { url: url.clone(), reason: http::reason(&error) })?;
        if answer.status().is_success() { Ok(answer) } else { Err(refused(method, url, answer)) }
    }
}

/// The body of an answer.
pub(super) fn body(mut answer: Response<Body>, what: &str) -> Result<Vec<u8>, S3Error> {
    let read = answer.body_mut().with_config().limit(LIMIT).read_to_vec();
    read.map_err(|error| S3Error::Answer { what: what.to_owned(), reason: http::reason(&error) })
}

/// A header of an answer.
pub(super) fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// What a store says when it refuses ("Error Responses" of the API reference).
fn refused(method: &str, url: String, mut answer: Response<Body>) -> S3Error {
    let status = answer.status().as_u16();
    let text = answer.body_mut().with_config().limit(REFUSAL).read_to_string().unwrap_or_default();
    let (code, message) = error_of(&text);
    S3Error::Refused { method: method.to_owned(), url, status, code, message }
}

/// Code and message of a refusal; empty where there is none. All else in it is for who looks for errors in signing.
fn error_of(text: &str) -> (String, String) {
    let between = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(printable(rest.split_once(&format!("</{name}>"))?.0.as_bytes()))
    };
    (between("Code").unwrap_or_default(), between("Message").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_become_code_and_message() {
        let text =
            "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Not\u{7} you</Message><Key>k</Key></Error>";
        let (code, message) = error_of(text);
        assert_eq!((code.as_str(), message.contains("Not"), message.contains('\u{7}')), ("AccessDenied", true, false));
        assert_eq!(error_of("<html>"), (String::new(), String::new()));
        assert_eq!(error_of("<Code>open"), (String::new(), String::new()));
    }

    #[test]
    fn addresses_that_are_none_are_told() {
        for (endpoint, path_style, words) in [
            ("s3.example.org", true, "it is no URL"),
            ("ftp://s3.example.org", true, "scheme"),
            ("http://127.0.0.1:9000", false, "invalid"),
        ] {
            let place = Place { endpoint: endpoint.to_owned(), bucket: "b".to_owned(), path_style, ..Place::default() };
            let Err(error) = Client::new(&place, Credentials::new("id", "secret")) else { panic!("{endpoint}") };
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
