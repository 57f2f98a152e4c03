//! Chooses the HTTP proxy for an address, for networks without another way out.

use std::net::IpAddr;

use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

use super::Secret;

/// The proxies, as most programs read them from the variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Proxy for addresses that begin with `http:`. It may have a password.
    pub http: Option<Secret>,
    /// Proxy for addresses that begin with `https:`.
    pub https: Option<Secret>,
    /// Addresses without a proxy: hosts, domains (with or without a leading dot), networks such as `10.0.0.0/8`, each with or
    /// without a port; `*` means all.
    pub except: Vec<String>,
}

/// A proxy that cannot be used. The error does not show its address, which may have a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the proxy in `{variable}` cannot be used: {reason}")]
pub struct ProxyError {
    /// The variable that names it.
    pub variable: &'static str,
    /// The reason.
    pub reason: &'static str,
}

impl Proxies {
    /// Returns the proxy for an address, if there is one.
    ///
    /// # Errors
    ///
    /// The proxy cannot be used.
    pub(crate) fn toward(&self, url: &str) -> Result<Option<Proxy>, ProxyError> {
        // The request itself reports an invalid address.
        let Ok(uri) = url.parse::<Uri>() else { return Ok(None) };
        let secure = uri.scheme_str() == Some("https");
        let (variable, proxy) = if secure { ("https_proxy", &self.https) } else { ("http_proxy", &self.http) };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let Some(proxy) = proxy.as_ref().filter(|_| !self.except.iter().any(|entry| is_for(entry, &host, port))) else {
            return Ok(None);
        };
        let fault = |reason| ProxyError { variable, reason };
        let proxy = Proxy::new(proxy.reveal()).map_err(|_| fault("it is no address of a proxy"))?;
        match proxy.protocol() {
            ProxyProtocol::Http | ProxyProtocol::Https => Ok(Some(proxy)),
            _ => Err(fault("SOCKS proxies are not supported")),
        }
    }
}

/// Returns whether an entry of `no_proxy` includes a host.
fn is_for(entry: &str, host: &str, port: u16) -> bool {
    let entry = entry.trim().to_ascii_lowercase();
    // A port, unless there are several colons, as in an IPv6 address.
    let entry = match entry.rsplit_once(':') {
        Some((name, told)) if !name.contains(':') || name.ends_with(']') => {
            if told.parse() != Ok(port) {
                return false;
            }
            name
        }
        _ => &entry,
    };
    let name = entry.trim_matches(['[', ']']).trim_start_matches('*').trim_start_matches('.');
    match host.parse::<IpAddr>() {
        Ok(address) => entry == "*" || name == host || is_within(name, address),
        Err(_) => entry == "*" || !name.is_empty() && (name == host || host.ends_with(&format!(".{name}"))),
    }
}

/// Returns whether an address belongs to a network such as `10.0.0.0/8`.
fn is_within(network: &str, address: IpAddr) -> bool {
    let Some((first, length)) = network.split_once('/') else { return false };
    let (Ok(first), Ok(length)) = (first.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((first, all), (address, same)) = (bits(first), bits(address));
    // Rust does not shift by all bits.
    all == same && length <= all && (length == 0 || (first ^ address) >> (128 - length) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_reached_without() {
        for (entry, url, near) in [
            ("*", "https://cloud.example", true),
            ("example", "https://cloud.example", true),
            (".example", "https://cloud.example", true),
            ("*.example", "https://cloud.example", true),
            ("ample", "https://cloud.example", false),
            ("cloud.example", "https://CLOUD.example:5000/v3", true),
            ("cloud.example:5000", "https://cloud.example:5000/v3", true),
            ("cloud.example:443", "https://cloud.example", true),
            ("cloud.example:5000", "https://cloud.example", false),
            ("other.cloud.example", "https://cloud.example", false),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("10.1.2.3", "https://10.1.2.3:9292", true),
            ("0.0.0.0/0", "https://10.1.2.3", true),
            ("fd00::/8", "https://[fd00::1]:9292", true),
            ("[fd00::1]:9292", "https://[fd00::1]:9292", true),
            ("fd00::1", "https://[fd00::1]:9292", true),
            ("10.0.0.0/99", "https://10.0.0.0", false),
            ("", "https://cloud.example", false),
        ] {
            let proxies = Proxies {
                https: Some(Secret::new("http://me:secret@proxy:3128")),
                except: vec![entry.to_owned()],
                ..Proxies::default()
            };
            let proxy = proxies.toward(url).expect("a proxy");
            assert_eq!(proxy.is_none(), near, "{entry} {url}");
            assert_eq!(proxies.toward(&url.replace("https:", "http:")).expect("none"), None);
        }
    }

    #[test]
    fn proxies_that_do_not_do_are_told_without_their_passwords() {
        for (proxy, words) in [("socks5://me:secret@proxy", "SOCKS"), ("ftp://me:secret@proxy", "no address")] {
            let proxies = Proxies { http: Some(Secret::new(proxy)), ..Proxies::default() };
            let error = proxies.toward("http://cloud").expect_err(proxy).to_string();
            assert!(error.contains(words) && error.contains("http_proxy") && !error.contains("secret"), "{error}");
            assert!(!format!("{proxies:?}").contains("secret"));
        }
    }
}
