//! Access to servers: proxies, logins, and redirects.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::Body;
use ureq::http::Response;
use url::Url;

use super::connection::{self, HttpError};
use super::container::RegistryLogins;
use super::netrc::Netrc;
use super::{MirrorCertificates, Proxies, Secret};
use crate::address;
use crate::distro::Mirrors;

/// Largest number of redirects for one request.
const REDIRECTS: usize = 10;

/// Headers of a request besides those that every request has.
#[derive(Debug, Clone, Default)]
pub(super) struct Headers {
    /// Media types that are understood.
    pub(super) accept: Option<String>,
    /// What the server of the first request gets to know who asks, in place of a login from `.netrc`; no other server gets it.
    pub(super) authorization: Option<Secret>,
}

/// The user's settings for access to servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Proxies on the way.
    pub proxies: Proxies,
    /// Logins for servers.
    pub logins: Netrc,
    /// Logins for registries of container images.
    pub registries: RegistryLogins,
    /// Mirrors that the user prefers, by the name of the distribution.
    pub mirrors: BTreeMap<String, Mirrors>,
    /// Whether a login may be sent over http, where others can read it.
    pub insecure: bool,
    /// Certificates for the server of each request, and for no other that a redirect names.
    pub certificates: Option<MirrorCertificates>,
}

impl Network {
    /// Returns the same network, with http allowed for logins or not.
    #[must_use]
    pub(super) fn allowing(&self, insecure: bool) -> Self {
        Self { insecure, ..self.clone() }
    }

    /// Sends a GET request for the bytes from `from` on, and follows redirects.
    pub(super) fn get(&self, url: &str, from: u64, headers: &Headers) -> Result<Response<Body>, HttpError> {
        let refused = |reason: String| HttpError::Failed { url: address::shown(url), reason, transient: false };
        let first = Url::parse(url).map_err(|error| refused(error.to_string()))?;
        if address::has_login(url) {
            return Err(refused("its address has a login; write the login into ~/.netrc".to_owned()));
        }
        let mut here = first.clone();
        for _ in 0..=REDIRECTS {
            let proxy = self.proxies.toward(here.as_str()).map_err(|error| refused(error.to_string()))?;
            // We check each redirect ourselves.
            let mut agent = connection::configuration().max_redirects(0).max_redirects_will_error(false).proxy(proxy);
            if let Some(certificates) = self.certificates.as_ref().filter(|_| first.origin() == here.origin()) {
                agent = agent.tls_config(certificates.tls().map_err(refused)?);
            }
            let mut request = agent.build().new_agent().get(here.as_str()).header("Accept-Encoding", "identity");
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            if let Some(accept) = &headers.accept {
                request = request.header("Accept", accept);
            }
            let own = headers.authorization.as_ref().map(|secret| secret.reveal().to_owned());
            let own = own.filter(|_| first.origin() == here.origin());
            if let Some(login) = own.or_else(|| self.login(&first, &here)) {
                request = request.header("Authorization", login);
            }
            let response = request.call().map_err(|error| connection::failed(url, &error))?;
            let location = response.headers().get("location").and_then(|value| value.to_str().ok());
            match (response.status().as_u16(), location) {
                (301 | 302 | 303 | 307 | 308, Some(location)) => here = next(&here, location).map_err(refused)?,
                _ => return Ok(response),
            }
        }
        Err(refused(format!("the server redirects more than {REDIRECTS} times")))
    }

    /// Returns the login for an address. Only the server of the first request gets it, and no other that a redirect names.
    fn login(&self, first: &Url, here: &Url) -> Option<String> {
        if first.origin() != here.origin() || here.scheme() != "https" && !self.insecure {
            return None;
        }
        let (user, password) = self.logins.login(here.host_str()?.trim_matches(['[', ']']))?;
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal()))))
    }
}

/// Returns the target of a redirect, if it may be followed.
fn next(here: &Url, location: &str) -> Result<Url, String> {
    let to = here.join(location).map_err(|error| format!("the server redirects to an invalid address: {error}"))?;
    let shown = address::shown(to.as_str());
    match (here.scheme(), to.scheme()) {
        ("https", "http") => {
            Err(format!("the server redirects from https to {shown}, where anybody on the way could change the answer"))
        }
        (_, "http" | "https") if address::has_login(to.as_str()) => {
            Err(format!("the server redirects to {shown} with a login in the address"))
        }
        (_, "http" | "https") => Ok(to),
        _ => Err(format!("the server redirects to {shown}, which is neither http nor https")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    #[test]
    fn a_redirect_is_not_followed_anywhere() {
        for (from, location, expected) in [
            ("https://a/x", "/y?sig=s", Ok("https://a/y?sig=s")),
            ("https://a/x", "https://b/y", Ok("https://b/y")),
            ("http://a/x", "https://b/y", Ok("https://b/y")),
            ("http://a/x", "//b/y", Ok("http://b/y")),
            ("https://a/x", "http://a/y?sig=s", Err("from https to http://a/y,")),
            ("http://a/x", "file:///etc/passwd", Err("neither http nor https")),
            ("https://a/x", "https://me:secret@b/y", Err("to https://b/y with a login")),
        ] {
            match (next(&url(from), location), expected) {
                (Ok(to), Ok(expected)) => assert_eq!(to.as_str(), expected),
                (Err(said), Err(words)) => assert!(said.contains(words) && !said.contains("s="), "{said}"),
                (found, _) => panic!("{from} {location}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_login_goes_to_its_server_only() {
        let logins = Netrc::parse("machine a login me password p\nmachine b login you password q").expect("logins");
        let network = Network { logins, ..Network::default() };
        let basic = Some("Basic bWU6cA==".to_owned());
        for (first, here, insecure, expected) in [
            ("https://a/x", "https://a/y", false, &basic),
            ("https://a/x", "https://a:8443/y", false, &None),
            ("https://a/x", "https://b/y", false, &None),
            ("https://c/x", "https://c/y", false, &None),
            ("http://a/x", "http://a/x", false, &None),
            ("http://a/x", "http://a/x", true, &basic),
            ("http://a/x", "https://a/x", true, &None),
        ] {
            assert_eq!(&network.allowing(insecure).login(&url(first), &url(here)), expected, "{first} {here}");
        }
    }
}
