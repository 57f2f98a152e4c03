//! Container images in a registry: OCI Distribution Specification 1.1, "Pull".

use std::cell::RefCell;
use std::net::IpAddr;

use serde::Deserialize;

use super::blobs::Blobs;
use super::challenge::Challenge;
use super::error::ContainerError;
use super::spec::{Descriptor, INDEXES, LIMIT, MANIFESTS};
use crate::digest::Sha256;
use crate::fetch::connection::{HttpError, redacted};
use crate::fetch::http::{self, Answer};
use crate::fetch::image::Means;
use crate::fetch::image_error::ImageError;
use crate::fetch::network::Headers;
use crate::fetch::transfer::Transfer;
use crate::fetch::{Network, Secret};
use crate::recipe::{ContainerSource, Reference};

/// Docker Hub has another name for people than for programs.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// Largest answer of a server of tokens, in bytes.
const TOKEN: usize = 64 << 10;

/// What a token is for that only reads.
pub(super) const PULL: &str = "pull";

/// An image in a registry.
pub(super) struct Registry<'a> {
    image: String,
    host: String,
    name: String,
    /// The tag, or the digest as registries write it.
    reference: String,
    /// `https`, or `http` where that is allowed.
    scheme: &'static str,
    /// What tokens are for.
    actions: &'static str,
    network: Network,
    means: Means<'a>,
    /// What the registry gets with each request, once it has asked for it.
    authorization: RefCell<Option<Secret>>,
}

/// The answer of a server of tokens.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

impl<'a> Registry<'a> {
    /// Finds out how to reach the registry of an image.
    pub(super) fn new(
        reference: &Reference,
        source: &ContainerSource,
        means: &Means<'a>,
    ) -> Result<Self, ContainerError> {
        let Reference::Registry { host, name, tag, digest } = reference else {
            let reason = "it is in no registry".to_owned();
            return Err(ContainerError::Name { name: source.source.clone(), reason });
        };
        let digest = digest.map(|digest| format!("sha256:{digest}"));
        let mut network = means.network.allowing(source.insecure);
        // Registries have logins of their own.
        network.logins = crate::fetch::netrc::Netrc::default();
        Ok(Self {
            image: source.source.clone(),
            host: host.clone(),
            name: name.clone(),
            reference: digest.or_else(|| tag.clone()).unwrap_or_default(),
            scheme: scheme(host, source.insecure),
            actions: PULL,
            network,
            means: *means,
            authorization: RefCell::new(None),
        })
    }

    /// Returns what gets tokens for a whole repository.
    pub(super) fn of(host: &str, name: &str, scheme: &'static str, actions: &'static str, means: Means<'a>) -> Self {
        Self {
            image: format!("{host}/{name}"),
            host: host.to_owned(),
            name: name.to_owned(),
            reference: String::new(),
            scheme,
            actions,
            network: means.network.clone(),
            means,
            authorization: RefCell::new(None),
        }
    }

    /// Returns the manifest that the image's name means, or the one with a digest, with its media type.
    pub(super) fn manifest(&self, known: Option<Sha256>) -> Result<(Vec<u8>, String), ContainerError> {
        let reference = known.map_or_else(|| self.reference.clone(), |sha256| format!("sha256:{sha256}"));
        let url = self.url("manifests", &reference);
        let accept = [INDEXES, MANIFESTS].concat().join(", ");
        let mut attempt = 1;
        loop {
            match self.manifest_once(&url, &accept) {
                Err(ContainerError::Fetch(ImageError::Http(HttpError::Failed { transient: true, .. })))
                    if attempt < http::ATTEMPTS =>
                {
                    http::pause(attempt, self.means.interrupt)?;
                }
                Err(error) => return Err(error),
                Ok((content, kind)) => {
                    let found = Sha256::of(&content);
                    if let Some(expected) =
                        known.or_else(|| super::spec::sha256(&self.reference)).filter(|it| *it != found)
                    {
                        let (part, image) = ("the manifest".to_owned(), self.image.clone());
                        return Err(ContainerError::WrongDigest { part, image, expected, found });
                    }
                    return Ok((content, kind));
                }
            }
            attempt += 1;
        }
    }

    fn manifest_once(&self, url: &str, accept: &str) -> Result<(Vec<u8>, String), ContainerError> {
        let answer = self.ask(url, Some(accept.to_owned()))?;
        let kind = answer.content_type.clone().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        Ok((self.body(&answer, url)?, kind))
    }

    /// Reads a whole small body.
    fn body(&self, answer: &Answer, url: &str) -> Result<Vec<u8>, ContainerError> {
        let mut content = Vec::new();
        while let Some(chunk) = answer.next(self.means.interrupt)? {
            content.extend(chunk);
            if content.len() as u64 > LIMIT {
                return Err(ContainerError::part("the manifest", &self.image, format!("has more than {LIMIT} bytes")));
            }
        }
        match answer.length {
            Some(length) if length != content.len() as u64 => {
                let reason = format!("the connection ended after {} of {length} bytes", content.len());
                Err(HttpError::Failed { url: redacted(url), reason, transient: true }.into())
            }
            _ => Ok(content),
        }
    }

    /// Sends a request, and again with what the registry wants to know if it asks for that.
    fn ask(&self, url: &str, accept: Option<String>) -> Result<Answer, ContainerError> {
        let mut asked = false;
        loop {
            let headers = Headers { accept: accept.clone(), authorization: self.authorization.borrow().clone() };
            let answer = http::get_with(url, 0, &headers, &self.network, self.means.interrupt)?;
            match answer.status {
                200 => return Ok(answer),
                401 if !asked => {
                    asked = true;
                    self.authorize(&answer.challenges)?;
                }
                401 | 403 => return Err(self.refused()),
                404 => return Err(ContainerError::NotThere { image: self.image.clone(), known: Vec::new() }),
                _ => {
                    answer.wait_as_asked(self.means.interrupt)?;
                    return Err(answer.refused(url).into());
                }
            }
        }
    }

    /// Returns the error about the login.
    pub(super) fn refused(&self) -> ContainerError {
        let (host, image) = (self.host.clone(), self.image.clone());
        match self.login() {
            Some(_) => ContainerError::WrongLogin { host, image },
            None => ContainerError::NoLogin { why: self.network.registries.why_none(&host), host, image },
        }
    }

    fn login(&self) -> Option<Secret> {
        self.network.registries.basic(&self.host, &self.name)
    }

    /// Gets what the registry wants to know.
    fn authorize(&self, challenges: &[String]) -> Result<(), ContainerError> {
        *self.authorization.borrow_mut() = Some(self.authorization(challenges)?);
        Ok(())
    }

    /// Returns what the registry wants to know.
    pub(super) fn authorization(&self, challenges: &[String]) -> Result<Secret, ContainerError> {
        let login = self.login();
        match Challenge::of(challenges) {
            Some(Challenge::Basic) => login.ok_or_else(|| self.refused()),
            Some(Challenge::Bearer { realm, service }) => self.token(&realm, service.as_deref(), login),
            None => Err(self.refused()),
        }
    }

    /// Gets a token. The registry names the server of tokens, which gets the login.
    fn token(&self, realm: &str, service: Option<&str>, login: Option<Secret>) -> Result<Secret, ContainerError> {
        let wrong = |reason: &str| {
            let shown = crate::text::printable(redacted(realm).as_bytes());
            ContainerError::part("the registry", &self.image, format!("names {shown} for tokens, {reason}"))
        };
        let mut url = url::Url::parse(realm).map_err(|_| wrong("which is no address"))?;
        let loopback = url.host_str().is_some_and(|host| is_loopback(host.trim_matches(['[', ']'])));
        match url.scheme() {
            "https" => {}
            "http" if self.scheme == "http" && (loopback || self.network.insecure) => {}
            _ => return Err(wrong("where anybody on the way could read the login")),
        }
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            query.append_pair("scope", &format!("repository:{}:{}", self.name, self.actions));
        }
        let headers = Headers { accept: None, authorization: login };
        let answer = http::get_with(url.as_str(), 0, &headers, &self.network, self.means.interrupt)?;
        match answer.status {
            200 => {}
            401 | 403 => return Err(self.refused()),
            _ => {
                answer.wait_as_asked(self.means.interrupt)?;
                return Err(answer.refused(url.as_str()).into());
            }
        }
        let content = self.body(&answer, url.as_str())?;
        let token: Option<Token> = serde_json::from_slice(&content).ok().filter(|_| content.len() <= TOKEN);
        let token = token.and_then(|answer| answer.token.or(answer.access_token));
        // A header has no line ends and no other control characters.
        let token = token.filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        let token = token.ok_or_else(|| wrong("whose answer has no token"))?;
        Ok(Secret::new(format!("Bearer {token}")))
    }

    fn url(&self, kind: &str, reference: &str) -> String {
        format!("{}/{kind}/{reference}", root(self.scheme, &self.host, &self.name))
    }
}

impl Blobs for Registry<'_> {
    fn image(&self) -> &str {
        &self.image
    }

    fn bring(&self, descriptor: &Descriptor, transfer: &mut Transfer<'_>) -> Result<(), ContainerError> {
        let is_manifest = descriptor.is_manifest() || descriptor.is_index();
        let sha256 = descriptor.sha256(&self.image)?;
        let url = self.url(if is_manifest { "manifests" } else { "blobs" }, &format!("sha256:{sha256}"));
        let accept = is_manifest.then(|| descriptor.media_type.clone());
        if self.means.offline {
            return Err(ImageError::NotCached(format!("a part of {}", self.image)).into());
        }
        let ask_with = |transfer: &mut Transfer<'_>| {
            let authorization = self.authorization.borrow().clone();
            transfer.ask_with(Headers { accept: accept.clone(), authorization });
        };
        ask_with(transfer);
        match transfer.download(&url, &self.network) {
            Err(ImageError::Http(HttpError::Failed { transient: false, .. })) => {}
            result => return Ok(result?),
        }
        // The registry asks for a token, or the one that it gave counts no longer: layers may take longer than that.
        *self.authorization.borrow_mut() = None;
        drop(self.ask(&url, accept.clone())?);
        ask_with(transfer);
        Ok(transfer.download(&url, &self.network)?)
    }
}

/// Returns the URL below which a repository lies.
pub(super) fn root(scheme: &str, host: &str, name: &str) -> String {
    let host = if host == HUB.0 { HUB.1 } else { host };
    format!("{scheme}://{host}/v2/{name}")
}

/// Returns how to speak to a registry.
pub(super) fn scheme(host: &str, insecure: bool) -> &'static str {
    if insecure || is_loopback(host) { "http" } else { "https" }
}

/// Returns whether a host is this one, where nobody is on the way.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_is_loopback() {
        for (host, expected) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("[::1]:5000", true),
            ("[::1]", true),
            ("::1", true),
            ("127.0.0.1.example", false),
            ("localhost.example:5000", false),
            ("10.0.0.1:5000", false),
            ("[fd00::1]:5000", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }
}
