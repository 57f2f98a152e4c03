//! A repository of a registry that is written too: OCI Distribution Specification 1.1, "Push", "Content Discovery" and "Content
//! Management".

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use ureq::http::{Request, Response};
use ureq::{Body, SendBody};
use url::Url;

use super::access::{self, Access};
use super::error::ContainerError;
use super::spec::LIMIT;
use crate::digest::Sha256;
use crate::fetch::connection::{self, HttpError, redacted};
use crate::fetch::network::Headers;
use crate::fetch::{Network, Secret, http};
use crate::interrupt::Interrupt;

/// Number of attempts of a request.
const ATTEMPTS: u32 = 2;

/// Most pages of a list of tags. A registry that never ends must not hold up anybody.
const PAGES: usize = 10_000;

/// Redirects of a question for a size.
const REDIRECTS: u32 = 5;

/// The reason why a repository does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The registry cannot be reached.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// URL of the request.
        url: String,
        /// The cause.
        reason: String,
    },
    /// The registry refuses a request.
    #[error("{method} {url} is refused with {status}")]
    Refused {
        /// Method of the request.
        method: &'static str,
        /// URL of the request.
        url: String,
        /// Status of the answer.
        status: u16,
    },
    /// The registry wants a login, or refuses the one that it gets.
    #[error(transparent)]
    Login(ContainerError),
    /// The answer has an unexpected form.
    #[error("the answer of the registry about {what} is not understood: {reason}")]
    Answer {
        /// The thing that was requested.
        what: String,
        /// The cause.
        reason: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl RepositoryError {
    /// Returns advice, if there is any.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Login(_) => Some("`podman login` or `skopeo login` writes a login, which Goldsmith reads too"),
            Self::Refused { method: "DELETE", status: 405, .. } => {
                Some("this registry does not allow to delete: its operator must turn that on, or remove old tags there")
            }
            Self::Refused { status: 403, .. } => Some("this login may not do that in this repository"),
            _ => None,
        }
    }
}

/// What is sent with a request.
pub struct Sent<'a> {
    /// Media type.
    pub kind: &'a str,
    /// Number of bytes.
    pub size: u64,
    /// Opens the content again for every attempt.
    pub open: &'a dyn Fn() -> io::Result<Box<dyn Read + 'a>>,
}

impl std::fmt::Debug for Sent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent").field("kind", &self.kind).field("size", &self.size).finish_non_exhaustive()
    }
}

/// A repository in a registry.
pub struct Repository {
    host: String,
    name: String,
    scheme: &'static str,
    network: Network,
    /// What the registry gets with each request, once it has asked for it.
    authorization: Mutex<Option<Secret>>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("host", &self.host).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Repository {
    /// Makes a client. It sends no request. Without `insecure`, http is only for registries of this host.
    pub fn new(host: &str, name: &str, insecure: bool, network: &Network) -> Self {
        let mut network = network.allowing(insecure);
        // Registries have logins of their own.
        network.logins = crate::fetch::netrc::Netrc::default();
        let scheme = access::scheme(host, insecure);
        Self { host: host.to_owned(), name: name.to_owned(), scheme, network, authorization: Mutex::default() }
    }

    /// Returns host and name.
    pub fn place(&self) -> String {
        format!("{}/{}", self.host, self.name)
    }

    /// Reads a manifest by its tag or digest; `None` if it is missing.
    ///
    /// # Errors
    ///
    /// If the registry fails.
    pub fn manifest(&self, reference: &str, kind: &str) -> Result<Option<Vec<u8>>, RepositoryError> {
        let url = self.url(&format!("manifests/{reference}"));
        self.get(&url, Some(kind))?.map(|answer| small(answer, &url)).transpose()
    }

    /// Writes a manifest under a tag.
    ///
    /// # Errors
    ///
    /// If the registry fails or refuses it.
    pub fn put_manifest(&self, tag: &str, kind: &str, content: &[u8]) -> Result<(), RepositoryError> {
        let open = || -> io::Result<Box<dyn Read>> { Ok(Box::new(content)) };
        let sent = Sent { kind, size: content.len() as u64, open: &open };
        self.send("PUT", &self.url(&format!("manifests/{tag}")), Some(&sent), &Interrupt::new()).map(drop)
    }

    /// Removes a manifest, if it is there.
    ///
    /// # Errors
    ///
    /// If the registry fails, or does not allow that.
    pub fn remove_manifest(&self, sha256: &Sha256) -> Result<(), RepositoryError> {
        present(self.send("DELETE", &self.url(&format!("manifests/sha256:{sha256}")), None, &Interrupt::new()))
            .map(drop)
    }

    /// Opens a blob; `None` if it is missing. Nothing compares its content with its digest.
    ///
    /// # Errors
    ///
    /// If the registry fails.
    pub fn blob(&self, sha256: &Sha256) -> Result<Option<Box<dyn Read + Send>>, RepositoryError> {
        let answer = self.get(&self.url(&format!("blobs/sha256:{sha256}")), None)?;
        Ok(answer.map(|answer| Box::new(answer.into_body().into_reader()) as Box<dyn Read + Send>))
    }

    /// Returns the size of a blob; `None` if it is missing.
    ///
    /// # Errors
    ///
    /// If the registry fails.
    pub fn blob_size(&self, sha256: &Sha256) -> Result<Option<u64>, RepositoryError> {
        let head = self.send("HEAD", &self.url(&format!("blobs/sha256:{sha256}")), None, &Interrupt::new());
        Ok(present(head)?.and_then(|answer| header(&answer, "content-length")?.parse().ok()))
    }

    /// Uploads a blob in one piece.
    ///
    /// # Errors
    ///
    /// If the registry fails, or the content does not have this digest.
    pub fn put_blob(&self, sha256: &Sha256, sent: &Sent<'_>, interrupt: &Interrupt) -> Result<(), RepositoryError> {
        let begin = self.url("blobs/uploads/");
        let answer = self.send("POST", &begin, None, interrupt)?;
        let wrong = |reason: &str| RepositoryError::Answer { what: redacted(&begin), reason: reason.to_owned() };
        let location = header(&answer, "location").ok_or_else(|| wrong("it names no place for the content"))?;
        let mut to = Url::parse(&begin).and_then(|url| url.join(location)).map_err(|_| wrong("its place is no URL"))?;
        if to.scheme() != self.scheme && to.scheme() != "https" {
            return Err(wrong("anybody on the way to its place could read the login"));
        }
        to.query_pairs_mut().append_pair("digest", &format!("sha256:{sha256}"));
        self.send("PUT", to.as_str(), Some(sent), interrupt).map(drop)
    }

    /// Removes a blob from the repository, if it is there. Registries that keep blobs until they collect garbage do not mind.
    ///
    /// # Errors
    ///
    /// If the registry fails.
    pub fn remove_blob(&self, sha256: &Sha256) -> Result<(), RepositoryError> {
        let url = self.url(&format!("blobs/sha256:{sha256}"));
        match present(self.send("DELETE", &url, None, &Interrupt::new())) {
            Err(RepositoryError::Refused { status: 405, .. }) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Lists all tags.
    ///
    /// # Errors
    ///
    /// If the registry fails.
    pub fn tags(&self) -> Result<Vec<String>, RepositoryError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut url = self.url("tags/list?n=100");
        let mut tags = Vec::new();
        for _ in 0..PAGES {
            let wrong = |reason: String| RepositoryError::Answer { what: redacted(&url), reason };
            let Some(answer) = self.get(&url, None)? else { break };
            // RFC 8288: `</v2/name/tags/list?n=100&last=tag>; rel="next"`.
            let next = header(&answer, "link").and_then(|link| link.split_once('<')?.1.split_once('>'));
            let next = next.map(|(next, _)| Url::parse(&url).and_then(|url| url.join(next)));
            let next = next.transpose().map_err(|error| wrong(error.to_string()))?;
            let page: Page = serde_json::from_slice(&small(answer, &url)?).map_err(|error| wrong(error.to_string()))?;
            tags.extend(page.tags.unwrap_or_default());
            match next {
                Some(next) if next.as_str().starts_with(&self.url("tags/list")) => url = next.into(),
                Some(_) => return Err(wrong("the next page is elsewhere".to_owned())),
                None => break,
            }
        }
        Ok(tags)
    }

    fn url(&self, rest: &str) -> String {
        format!("{}/{rest}", access::root(self.scheme, &self.host, &self.name))
    }

    fn known(&self) -> Option<Secret> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a question whose answer may come from another server.
    fn get(&self, url: &str, accept: Option<&str>) -> Result<Option<Response<Body>>, RepositoryError> {
        let once = || {
            let headers = Headers { accept: accept.map(str::to_owned), authorization: self.known() };
            self.network.get(url, 0, &headers).map_err(|error| match error {
                HttpError::Interrupted => RepositoryError::Interrupted,
                HttpError::Failed { url, reason, .. } => RepositoryError::Unreachable { url, reason },
            })
        };
        present(self.repeat("GET", url, &Interrupt::new(), &once))
    }

    fn send(
        &self,
        method: &'static str,
        url: &str,
        sent: Option<&Sent<'_>>,
        interrupt: &Interrupt,
    ) -> Result<Response<Body>, RepositoryError> {
        let unreachable = |reason: String| RepositoryError::Unreachable { url: redacted(url), reason };
        let once = || {
            let proxy = self.network.proxies.toward(url).map_err(|error| unreachable(error.to_string()))?;
            // Only a question follows a redirect; the other server does not get the login.
            let redirects = if method == "HEAD" { REDIRECTS } else { 0 };
            let agent = connection::configuration().max_redirects(redirects).max_redirects_will_error(false);
            let agent = agent.proxy(proxy).build().new_agent();
            let mut request = Request::builder().method(method).uri(url).header("accept-encoding", "identity");
            if let Some(secret) = self.known().filter(|_| self.is_own(url)) {
                request = request.header("authorization", secret.reveal());
            }
            let answer = match sent {
                Some(Sent { kind, size, open }) => {
                    let mut reader = open().map_err(|error| unreachable(error.to_string()))?;
                    let request = request.header("content-type", *kind).header("content-length", *size);
                    let request = request.body(SendBody::from_reader(&mut reader));
                    request.map_err(ureq::Error::from).and_then(|request| agent.run(request))
                }
                None => {
                    let request = if method == "POST" { request.header("content-length", 0) } else { request };
                    request.body(SendBody::none()).map_err(ureq::Error::from).and_then(|request| agent.run(request))
                }
            };
            answer.map_err(|error| unreachable(connection::reason(&error)))
        };
        self.repeat(method, url, interrupt, &once)
    }

    /// Repeats a request with what the registry wants to know, and if it fails for a moment.
    fn repeat(
        &self,
        method: &'static str,
        url: &str,
        interrupt: &Interrupt,
        once: &dyn Fn() -> Result<Response<Body>, RepositoryError>,
    ) -> Result<Response<Body>, RepositoryError> {
        let (mut attempt, mut asked) = (1, false);
        loop {
            let result = once();
            if interrupt.is_raised() {
                return Err(RepositoryError::Interrupted);
            }
            match result {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) if answer.status().as_u16() == 401 && self.is_own(url) => {
                    let place = self.place();
                    let access = self.access(&place, method, interrupt);
                    if asked {
                        return Err(RepositoryError::Login(access.refused()));
                    }
                    asked = true;
                    let challenges = answer.headers().get_all("www-authenticate").iter();
                    let challenges: Vec<_> =
                        challenges.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
                    let secret = access.authorization(&challenges).map_err(RepositoryError::Login)?;
                    *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret);
                    continue;
                }
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    if !matches!(status, 429 | 500..=599) || attempt >= ATTEMPTS {
                        return Err(RepositoryError::Refused { method, url: redacted(url), status });
                    }
                }
                Err(error) if attempt >= ATTEMPTS => return Err(error),
                Err(_) => {}
            }
            http::pause(attempt, interrupt).map_err(|_| RepositoryError::Interrupted)?;
            attempt += 1;
        }
    }

    /// A token is for what the request needs: not everybody who reads may write.
    fn access<'a>(&'a self, image: &'a str, method: &str, interrupt: &'a Interrupt) -> Access<'a> {
        let actions = match method {
            "GET" | "HEAD" => "pull",
            "DELETE" => "pull,push,delete",
            _ => "pull,push",
        };
        let Self { host, name, scheme, network, .. } = self;
        Access { image, host, name, scheme, actions, network, interrupt }
    }

    fn is_own(&self, url: &str) -> bool {
        let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
        origin(url) == origin(&self.url(""))
    }
}

fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

fn present<T>(result: Result<T, RepositoryError>) -> Result<Option<T>, RepositoryError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(RepositoryError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn small(mut answer: Response<Body>, url: &str) -> Result<Vec<u8>, RepositoryError> {
    let read = answer.body_mut().with_config().limit(LIMIT).read_to_vec();
    read.map_err(|error| RepositoryError::Answer { what: redacted(url), reason: connection::reason(&error) })
}
