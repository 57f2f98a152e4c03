//! Examines addresses in recipes and options: finds and hides the secrets in them, and tells which network they lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The network that an address leads to, as far as the address itself shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The computer that makes the request.
    Loopback,
    /// The neighbours of this computer, or the metadata service of its cloud.
    LinkLocal,
    /// A private network.
    Private,
    /// Any other network.
    Outside,
}

/// Host names of clouds' metadata services.
const METADATA: [&str; 3] = ["metadata.google.internal", "metadata", "instance-data"];

/// Returns whether a text has an address with a user name or a password.
pub fn has_login(text: &str) -> bool {
    masked(text) != text
}

/// Returns a text in which asterisks replace every login of an address, byte by byte, so that positions in the text stay valid.
pub fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = text[from..].find("://") {
        let start = from + found + 3;
        let ends = |c: char| c.is_whitespace() || c.is_control() || "/\\?#\"'`,<>".contains(c);
        let end = text[start..].find(ends).map_or(text.len(), |length| start + length);
        if let Some(login) = text[start..end].rfind('@') {
            bytes[start..start + login].fill(b'*');
        }
        from = start;
    }
    // Whole characters were replaced, each by one asterisk a byte.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Returns an address without the parts that may be secret: login, query and fragment.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let host = rest.split('/').next().unwrap_or(rest);
    let login = host.rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[login..])
}

/// Returns the network that the host of a URL is in.
pub fn reach(url: &Url) -> Reach {
    match url.host() {
        Some(Host::Ipv4(address)) => of_v4(address),
        Some(Host::Ipv6(address)) => of_v6(address),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            match name.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) => of_v4(address),
                Ok(IpAddr::V6(address)) => of_v6(address),
                Err(_) if name == "localhost" || name.ends_with(".localhost") => Reach::Loopback,
                Err(_) if METADATA.contains(&name.as_str()) => Reach::LinkLocal,
                Err(_) => Reach::Outside,
            }
        }
        None => Reach::Outside,
    }
}

fn of_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        // Most systems treat 0.0.0.0 as their own address.
        [0 | 127, ..] => Reach::Loopback,
        // The second one is the metadata service of a large cloud.
        [169, 254, ..] | [100, 100, 100, 200] => Reach::LinkLocal,
        _ if address.is_private() => Reach::Private,
        _ => Reach::Outside,
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    let parts = address.segments();
    let within = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        _ if address.is_loopback() || address.is_unspecified() => Reach::Loopback,
        // IPv4 addresses within IPv6 ones: mapped, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            within(high, low)
        }
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Reach::LinkLocal,
        _ if address.is_unicast_link_local() => Reach::LinkLocal,
        _ if address.is_unique_local() => Reach::Private,
        _ => Reach::Outside,
    }
}

/// Checks that a service may be asked to fetch an address, as far as the address itself shows it.
///
/// # Errors
///
/// If it may not, with the reason and advice.
pub fn for_a_service(url: &str) -> Result<(), (&'static str, &'static str)> {
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let parsed = parsed.ok_or(("services download by http or https only", "write it like https://host/path"))?;
    if !parsed.username().is_empty() || parsed.password().is_some() || has_login(url) {
        return Err((
            "the address has a login, which the service would keep in its database and its logs",
            "take an address that needs no login, or upload the image",
        ));
    }
    match reach(&parsed) {
        Reach::LinkLocal => Err((
            "the address is link-local: there the service would find its own neighbours, or its cloud's metadata",
            "name a host that the service may download from",
        )),
        _ => Ok(()),
    }
}

/// Checks that the service at the address `service` may be asked to fetch another address. Loopback is refused, because it is the
/// service's own computer. If the service is on loopback too, as in a test, both are on the same computer.
///
/// # Errors
///
/// If it may not, with the reason and advice.
pub fn for_the_service(url: &str, service: &str) -> Result<(), (&'static str, &'static str)> {
    for_a_service(url)?;
    let is_loopback = |url: &str| Url::parse(url).is_ok_and(|url| reach(&url) == Reach::Loopback);
    if is_loopback(url) && !is_loopback(service) {
        return Err((
            "the address is loopback: the service would find its own machine there, not this one",
            "name this machine as the service sees it, or upload the image",
        ));
    }
    Ok(())
}

/// Returns whether a URL leads to a private network.
pub fn is_private(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| reach(&url) == Reach::Private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_and_queries_are_not_shown() {
        for (url, hidden, kept) in [
            ("https://me:secret@host/a@b", "https://*********@host/a@b", "https://host/a@b"),
            ("https://host/a@b", "https://host/a@b", "https://host/a@b"),
            ("https://host/a?sig=secret#x", "https://host/a?sig=secret#x", "https://host/a"),
            ("https://a:b@c:d@host", "https://*******@host", "https://host"),
            ("x: 'http://é@host' # y@z", "x: 'http://**@host' # y@z", "x: 'http://host' "),
            ("./file", "./file", "./file"),
        ] {
            assert_eq!((masked(url).as_str(), shown(url).as_str()), (hidden, kept));
            assert_eq!(has_login(url), hidden != url);
        }
    }

    #[test]
    fn addresses_tell_where_they_lead() {
        for (host, expected) in [
            ("127.0.0.1", Reach::Loopback),
            ("127.1", Reach::Loopback),
            ("2130706433", Reach::Loopback),
            ("0x7f.0.0.1", Reach::Loopback),
            ("0.0.0.0", Reach::Loopback),
            ("localhost.", Reach::Loopback),
            ("a.localhost", Reach::Loopback),
            ("[::1]", Reach::Loopback),
            ("[::]", Reach::Loopback),
            ("[::ffff:127.0.0.1]", Reach::Loopback),
            ("[64:ff9b::7f00:1]", Reach::Loopback),
            ("[2002:7f00:1::]", Reach::Loopback),
            ("169.254.169.254", Reach::LinkLocal),
            ("[fe80::1]", Reach::LinkLocal),
            ("[fd00:ec2::254]", Reach::LinkLocal),
            ("[::ffff:169.254.169.254]", Reach::LinkLocal),
            ("metadata.google.internal", Reach::LinkLocal),
            ("10.1.2.3", Reach::Private),
            ("172.31.0.1", Reach::Private),
            ("[fd00::1]", Reach::Private),
            ("172.32.0.1", Reach::Outside),
            ("example.org", Reach::Outside),
            ("[2001:db8::1]", Reach::Outside),
        ] {
            assert_eq!(reach(&Url::parse(&format!("http://{host}/x")).expect("a URL")), expected, "{host}");
        }
    }

    #[test]
    fn a_service_is_not_sent_anywhere() {
        for (url, words) in [
            ("ftp://host/x", "by http or https only"),
            ("file:///etc/passwd", "by http or https only"),
            ("https://me:secret@host/x", "has a login"),
            ("https://me@host/x", "has a login"),
            ("http://169.254.169.254/latest", "link-local"),
        ] {
            let (message, _) = for_a_service(url).expect_err(url);
            assert!(message.contains(words), "{url}: {message}");
        }
        assert_eq!(for_a_service("https://host/x?y"), Ok(()));
        let local = "http://127.0.0.2/x";
        assert!(for_the_service(local, "https://cloud:9292").is_err_and(|(message, _)| message.contains("loopback")));
        assert_eq!(for_the_service(local, "http://127.0.0.1:9292"), Ok(()));
        assert!(for_the_service("http://169.254.169.254/x", "http://127.0.0.1:9292").is_err());
        assert!(is_private("http://10.0.0.1/x") && !is_private("http://11.0.0.1/x"));
    }
}
