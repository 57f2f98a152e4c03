//! How a registry gets to know who asks: by a login, or by a token of a server that the registry names (token authentication of the
//! CNCF Distribution project).

use std::net::IpAddr;

use serde::Deserialize;

use super::challenge::Challenge;
use super::error::ContainerError;
use crate::fetch::connection::redacted;
use crate::fetch::http;
use crate::fetch::network::Headers;
use crate::fetch::{Network, Secret};
use crate::interrupt::Interrupt;

/// Docker Hub has another name for people than for programs.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// Largest answer of a server of tokens, in bytes.
const LIMIT: usize = 64 << 10;

/// A repository of a registry, and what is to be done there.
pub(super) struct Access<'a> {
    /// Name of the image or repository, for messages.
    pub(super) image: &'a str,
    /// Host of the registry, with its port.
    pub(super) host: &'a str,
    /// Name of the repository.
    pub(super) name: &'a str,
    /// `https`, or `http` where that is allowed.
    pub(super) scheme: &'a str,
    /// What a token is for: `pull`, `push` and `delete`, with commas between them.
    pub(super) actions: &'a str,
    /// Proxies, and logins for registries.
    pub(super) network: &'a Network,
    pub(super) interrupt: &'a Interrupt,
}

/// The answer of a server of tokens.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

impl Access<'_> {
    /// Returns the error about the login.
    pub(super) fn refused(&self) -> ContainerError {
        let (host, image) = (self.host.to_owned(), self.image.to_owned());
        match self.login() {
            Some(_) => ContainerError::WrongLogin { host, image },
            None => ContainerError::NoLogin { why: self.network.registries.why_none(&host), host, image },
        }
    }

    fn login(&self) -> Option<Secret> {
        self.network.registries.basic(self.host, self.name)
    }

    /// Returns the value of the header `Authorization` that these headers `WWW-Authenticate` ask for.
    pub(super) fn authorization(&self, challenges: &[String]) -> Result<Secret, ContainerError> {
        match Challenge::of(challenges) {
            Some(Challenge::Basic) => self.login().ok_or_else(|| self.refused()),
            Some(Challenge::Bearer { realm, service }) => self.token(&realm, service.as_deref()),
            None => Err(self.refused()),
        }
    }

    /// Gets a token. The registry names the server of tokens, which gets the login.
    fn token(&self, realm: &str, service: Option<&str>) -> Result<Secret, ContainerError> {
        let wrong = |reason: &str| {
            let shown = crate::text::printable(redacted(realm).as_bytes());
            ContainerError::part("the registry", self.image, format!("names {shown} for tokens, {reason}"))
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
        let headers = Headers { accept: None, authorization: self.login() };
        let answer = http::get_with(url.as_str(), 0, &headers, self.network, self.interrupt)?;
        match answer.status {
            200 => {}
            401 | 403 => return Err(self.refused()),
            _ => {
                answer.wait_as_asked(self.interrupt)?;
                return Err(answer.refused(url.as_str()).into());
            }
        }
        let content = answer.read(url.as_str(), LIMIT, self.interrupt)?;
        let token: Option<Token> = serde_json::from_slice(&content).ok();
        let token = token.and_then(|answer| answer.token.or(answer.access_token));
        // A header has no line ends and no other control characters.
        let token = token.filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        let token = token.ok_or_else(|| wrong("whose answer has no token"))?;
        Ok(Secret::new(format!("Bearer {token}")))
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
