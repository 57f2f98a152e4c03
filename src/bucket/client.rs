//! HTTP requests to an object store: signing, retries, and errors.

use std::io::Read;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rusty_s3::actions::{ListObjectsV2, ListObjectsV2Response};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use ureq::http::{Request, Response};
use ureq::{Agent, Body, SendBody};

use super::error::{Place, S3Error};
use crate::fetch::{connection, http};
use crate::interrupt::Interrupt;
use crate::text::printable;

/// Validity of a signature. Stores check it when a request begins. Every part of a file and every attempt has a signature of its
/// own, so even a long upload needs no longer one, and a leaked one is soon useless.
const SIGNED_FOR: Duration = Duration::from_secs(15 * 60);

/// Time that a store may take to answer: joining the parts of a large file takes minutes.
const ANSWER: Duration = Duration::from_secs(600);

/// Size limit of answers and of small files, in bytes.
const LIMIT: u64 = 64 << 20;

/// Size limit of the answer to a refused request, in bytes.
const REFUSAL: u64 = 64 << 10;

/// Difference of clocks, in seconds, up to which stores take signatures, with some room.
const SKEW: i64 = 5 * 60;

/// Headers of a request that its signature covers.
pub(crate) type Headers<'a> = [(&'static str, &'a str)];

/// The body of a request: its size, and a function that opens it again for every attempt.
pub(crate) struct Sent<'a> {
    pub(super) size: u64,
    pub(super) open: &'a dyn Fn() -> Box<dyn Read + 'a>,
}

/// A client for one bucket.
pub(crate) struct Client {
    pub(crate) bucket: Bucket,
    pub(crate) credentials: Credentials,
    agent: Agent,
    signed_for: Duration,
    attempts: u32,
    /// Seconds by which the store's clock is ahead of this one, if they differ by much.
    skew: AtomicI64,
}

impl Client {
    pub(crate) fn new(place: &Place, credentials: Credentials) -> Result<Self, S3Error> {
        let wrong = |reason: String| S3Error::Address { endpoint: connection::redacted(&place.endpoint), reason };
        let style = if place.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let endpoint = place.endpoint.parse().map_err(|_| wrong("it is no URL".to_owned()))?;
        let bucket = Bucket::new(endpoint, style, place.bucket.clone(), place.region.clone());
        let bucket = bucket.map_err(|error| wrong(error.to_string()))?;
        let proxy = place.proxies.toward(&place.endpoint).map_err(|error| wrong(error.to_string()))?;
        // A signed request is valid for one address only, so it is no use to follow a redirect.
        let agent = connection::configuration().timeout_recv_response(Some(ANSWER)).max_redirects(0).proxy(proxy);
        let agent = agent.max_redirects_will_error(false).build().new_agent();
        Ok(Self {
            bucket,
            credentials,
            agent,
            signed_for: SIGNED_FOR,
            attempts: http::ATTEMPTS,
            skew: AtomicI64::new(0),
        })
    }

    /// Sets the number of attempts of a request.
    pub(crate) fn with_attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Sends a request, and retries it if that may help.
    pub(crate) fn send<'a, A: S3Action<'a>>(
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
            let (begun, skew) = (Instant::now(), self.skew.load(Ordering::Relaxed));
            match self.attempt(&action, headers, sent) {
                Err(_) if interrupt.is_raised() => return Err(S3Error::Interrupted),
                // The next signature has the store's time.
                Err(_) if self.skew.load(Ordering::Relaxed) != skew && attempt < self.attempts => attempt += 1,
                Err(error) if (error.is_transient() || self.has_expired(&error, begun)) && attempt < self.attempts => {
                    http::pause(attempt, interrupt).map_err(|_| S3Error::Interrupted)?;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Lists the objects and folders whose names begin with a prefix, up to the next slash: all pages of the answer.
    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<ListObjectsV2Response>, S3Error> {
        let (mut pages, mut next): (Vec<ListObjectsV2Response>, Option<String>) = (Vec::new(), None);
        loop {
            let mut list = self.bucket.list_objects_v2(Some(&self.credentials));
            list.with_prefix(prefix.to_owned());
            list.with_delimiter("/");
            if let Some(token) = next {
                list.with_continuation_token(token);
            }
            let answer = body(self.send(list, &[], None, &Interrupt::new())?, "a list of objects")?;
            let page = ListObjectsV2::parse_response(&String::from_utf8_lossy(&answer));
            let page = page.map_err(|error| S3Error::Answer { what: prefix.to_owned(), reason: error.to_string() })?;
            next = page.next_continuation_token.clone();
            pages.push(page);
            if next.is_none() {
                return Ok(pages);
            }
        }
    }

    /// Returns whether the store refused a request that took longer than its signature is valid. Then a new signature may help.
    fn has_expired(&self, error: &S3Error, begun: Instant) -> bool {
        matches!(error, S3Error::Refused { status: 403, .. }) && begun.elapsed() >= self.signed_for
    }

    /// Notes the time of a store that refuses a request: a clock that is far off makes signatures that do not hold.
    fn notice_clock(&self, answer: &Response<Body>) {
        let theirs = header(answer, "date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let Some(theirs) = theirs.filter(|_| answer.status().as_u16() == 403) else { return };
        let ahead = theirs.timestamp().duration_since(Timestamp::now()).as_secs();
        if (ahead - self.skew.load(Ordering::Relaxed)).abs() > SKEW {
            self.skew.store(ahead, Ordering::Relaxed);
        }
    }

    fn attempt<'a, A: S3Action<'a>>(
        &self,
        action: &A,
        headers: &Headers<'a>,
        sent: Option<&Sent<'_>>,
    ) -> Result<Response<Body>, S3Error> {
        let skew = SignedDuration::from_secs(self.skew.load(Ordering::Relaxed));
        let signed = action.sign_with_time(self.signed_for, &Timestamp::now().saturating_add(skew).unwrap_or_default());
        let method = A::METHOD.to_str();
        let mut request = Request::builder().method(method).uri(signed.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // Messages must not show the signature, which is in the query.
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
                // Without a length, the client would send chunks, which stores refuse.
                let empty = matches!(method, "POST" | "PUT");
                let request = if empty { request.header("content-length", 0) } else { request };
                request.body(SendBody::none()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
            }
        };
        let answer =
            answer.map_err(|error| S3Error::Unreachable { url: url.clone(), reason: connection::reason(&error) })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        self.notice_clock(&answer);
        Err(refused(method, url, answer))
    }
}

/// Reads the body of an answer.
pub(crate) fn body(mut answer: Response<Body>, what: &str) -> Result<Vec<u8>, S3Error> {
    let read = answer.body_mut().with_config().limit(LIMIT).read_to_vec();
    read.map_err(|error| S3Error::Answer { what: what.to_owned(), reason: connection::reason(&error) })
}

/// Returns a header of an answer.
pub(crate) fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// Reads the error of a refused request ("Error Responses" of the API reference).
fn refused(method: &str, url: String, mut answer: Response<Body>) -> S3Error {
    let status = answer.status().as_u16();
    let text = answer.body_mut().with_config().limit(REFUSAL).read_to_string().unwrap_or_default();
    let (code, message) = error_of(&text);
    S3Error::Refused { method: method.to_owned(), url, status, code, message }
}

/// Returns code and message of an error; empty if missing. Its other fields only help to debug signing.
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

    /// Starts a store that answers requests one after the other with these statuses, and returns the requests.
    fn store(answers: Vec<(u16, Duration)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        store_at(answers, None)
    }

    /// Starts one whose clock is so many seconds ahead.
    fn store_at(answers: Vec<(u16, Duration)>, ahead: Option<i64>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        use std::io::{BufRead as _, BufReader, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let served = std::thread::spawn(move || {
            let serve = |(status, wait): (u16, Duration)| {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
                let asked = lines.next().expect("a request").expect("text");
                lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
                std::thread::sleep(wait);
                let date = ahead.map(|ahead| {
                    let time = Timestamp::now() + SignedDuration::from_secs(ahead);
                    time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n").to_string()
                });
                let date = date.unwrap_or_default();
                let answer = format!("HTTP/1.1 {status} X\r\n{date}Content-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).expect("a client");
                asked
            };
            answers.into_iter().map(serve).collect()
        });
        (endpoint, served)
    }

    fn client(endpoint: &str) -> Client {
        let place =
            Place { endpoint: endpoint.to_owned(), bucket: "b".to_owned(), path_style: true, ..Place::default() };
        Client::new(&place, Credentials::new("id", "secret")).expect("a client")
    }

    fn delete(client: &Client) -> Result<Response<Body>, S3Error> {
        let action = client.bucket.delete_object(Some(&client.credentials), "key");
        client.send(action, &[], None, &Interrupt::new())
    }

    /// Returns the value of a parameter of a request.
    fn parameter<'a>(asked: &'a str, name: &str) -> &'a str {
        let query = asked.split([' ', '?', '&']);
        query.filter_map(|part| part.split_once('=')).find(|(key, _)| *key == name).expect("it is there").1
    }

    #[test]
    fn every_attempt_has_a_signature_of_its_own_that_holds_a_quarter_of_an_hour() {
        let (endpoint, served) =
            store(vec![(503, Duration::from_millis(700)), (503, Duration::ZERO), (204, Duration::ZERO)]);
        delete(&client(&endpoint)).expect("it succeeds at last");
        let asked = served.join().expect("no panic");
        assert!(asked.iter().all(|asked| parameter(asked, "X-Amz-Expires") == "900"), "{asked:?}");
        let signatures = [0, 2].map(|at| parameter(&asked[at], "X-Amz-Signature"));
        assert_ne!(signatures[0], signatures[1], "{asked:?}");
    }

    #[test]
    fn a_clock_that_is_an_hour_off_is_told_by_the_store() {
        for ahead in [3600, -3600] {
            let answers = vec![(403, Duration::ZERO), (204, Duration::ZERO), (204, Duration::ZERO)];
            let (endpoint, served) = store_at(answers, Some(ahead));
            let client = client(&endpoint).with_attempts(2);
            delete(&client).expect("the second signature has the store's time");
            delete(&client).expect("it is remembered");
            let asked = served.join().expect("no panic");
            let signed = |at: usize| {
                let time = parameter(&asked[at], "X-Amz-Date").replace('Z', "+0000");
                let time = jiff::fmt::strtime::parse("%Y%m%dT%H%M%S%z", &time).expect("a time");
                time.to_timestamp().expect("a time").duration_since(Timestamp::now()).as_secs()
            };
            for (at, expected) in [0, ahead, ahead].into_iter().enumerate() {
                assert!((signed(at) - expected).abs() < 60, "{at}: {asked:?}");
            }
        }
        // A store that agrees about the time refuses for another reason.
        let (endpoint, served) = store_at(vec![(403, Duration::ZERO)], Some(20));
        assert!(delete(&client(&endpoint)).is_err());
        assert_eq!(served.join().expect("no panic").len(), 1);
    }

    #[test]
    fn a_request_that_took_longer_than_its_signature_holds_is_signed_again() {
        let (endpoint, served) = store(vec![(403, Duration::from_millis(1200)), (204, Duration::ZERO)]);
        let client = Client { signed_for: Duration::from_secs(1), ..client(&endpoint) };
        delete(&client).expect("the new signature holds");
        assert_eq!(served.join().expect("no panic").len(), 2);
        // A store that refuses for another reason answers at once.
        let (endpoint, served) = store(vec![(403, Duration::ZERO)]);
        let client = self::client(&endpoint);
        assert!(matches!(delete(&client), Err(S3Error::Refused { status: 403, .. })));
        assert_eq!(served.join().expect("no panic").len(), 1);
    }
}
