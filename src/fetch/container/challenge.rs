//! What a registry asks of a client that it does not know (RFC 9110, 11.6.1, and the token authentication of the CNCF Distribution
//! project).

/// How a registry wants to know who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By user and password.
    Basic,
    /// By a token of a server.
    Bearer {
        /// Address of the server.
        realm: String,
        /// Name of the registry for this server.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads the headers `WWW-Authenticate` of an answer. A token is preferred.
    pub(super) fn of(headers: &[String]) -> Option<Self> {
        let found: Vec<_> = headers.iter().filter_map(|header| Self::read(header)).collect();
        found.iter().find(|one| matches!(one, Self::Bearer { .. })).or(found.first()).cloned()
    }

    fn read(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let values = parameters(rest);
        let value = |name: &str| values.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        Some(Self::Bearer { realm: value("realm")?, service: value("service") })
    }
}

/// Reads parameters of the form `name="value",name=value`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let mut value = String::new();
        rest = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut chars = quoted.char_indices();
                let mut end = quoted.len();
                while let Some((at, c)) = chars.next() {
                    match c {
                        '"' => {
                            end = at + 1;
                            break;
                        }
                        '\\' => value.extend(chars.next().map(|(_, c)| c)),
                        c => value.push(c),
                    }
                }
                &quoted[end..]
            }
            None => {
                let end = after.find(',').unwrap_or(after.len());
                value.push_str(after[..end].trim());
                &after[end..]
            }
        };
        found.push((name.trim().to_ascii_lowercase(), value));
        rest = rest.trim_start().trim_start_matches(',').trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        for (headers, expected) in [
            (
                &["Bearer realm=\"https://a/token\",service=\"r,x\",scope=\"repository:n:pull\""][..],
                bearer("https://a/token", Some("r,x")),
            ),
            (&["bearer service=r, realm=\"https://a/\\\"t\""], bearer("https://a/\"t", Some("r"))),
            (&["Basic realm=\"x\"", "Bearer realm=\"https://a\""], bearer("https://a", None)),
            (&["Basic realm=\"x\""], Some(Challenge::Basic)),
            (&["Bearer service=\"r\""], None),
            (&["Negotiate"], None),
            (&[], None),
            (&["Bearer realm=\"unended"], bearer("unended", None)),
        ] {
            let headers: Vec<_> = headers.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(Challenge::of(&headers), expected, "{headers:?}");
        }
    }
}
