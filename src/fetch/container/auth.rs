//! Logins for registries, from the files that podman, skopeo and Docker write (containers-auth.json(5)).

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::fetch::Secret;

/// Names under which the login for Docker Hub is kept.
const HUB: [&str; 3] = ["docker.io", "https://index.docker.io/v1/", "index.docker.io"];

/// Logins by registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryLogins {
    logins: BTreeMap<String, Login>,
    /// Registries whose logins another program keeps.
    helped: Vec<String>,
    /// Files whose logins are not known, and why.
    unread: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Login {
    user: String,
    password: Secret,
}

/// A file that cannot be read. The error does not show its content, which has passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AuthError(String);

/// The file, as far as it is understood.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: Option<String>,
}

impl RegistryLogins {
    /// Adds the logins of a file, except for registries that have one already.
    ///
    /// # Errors
    ///
    /// The file is no such file, or has a login that cannot be read.
    pub fn add(&mut self, text: &str) -> Result<(), AuthError> {
        let file: AuthFile = serde_json::from_str(text).map_err(|error| {
            AuthError(format!("line {}, column {}: it is no file of logins in JSON", error.line(), error.column()))
        })?;
        for (name, auth) in file.auths {
            // An entry without a login belongs to a program that keeps it.
            let Some(encoded) = auth.auth.filter(|encoded| !encoded.is_empty()) else {
                if file.creds_store.is_some() {
                    self.helped.push(name);
                }
                continue;
            };
            let broken = || {
                AuthError(format!(
                    "the login for `{}` is not USER:PASSWORD in base64",
                    crate::text::printable(name.as_bytes())
                ))
            };
            let decoded = STANDARD.decode(encoded.trim()).map_err(|_| broken())?;
            let decoded = String::from_utf8(decoded).map_err(|_| broken())?;
            let (user, password) = decoded.split_once(':').ok_or_else(broken)?;
            let login = Login { user: user.to_owned(), password: Secret::new(password.trim_end_matches('\0')) };
            self.logins.entry(name).or_insert(login);
        }
        self.helped.extend(file.cred_helpers.into_keys());
        Ok(())
    }

    /// Returns the value of the header `Authorization` for a repository: the login with the longest name that includes it.
    pub(super) fn basic(&self, host: &str, name: &str) -> Option<Secret> {
        let whole = format!("{host}/{name}");
        let parts = whole.match_indices('/').map(|(at, _)| &whole[..at]).chain([whole.as_str()]).collect::<Vec<_>>();
        let names = parts.into_iter().rev().chain(HUB.into_iter().filter(|_| host == HUB[0]));
        let found = names.into_iter().find_map(|name| {
            self.logins
                .get(name)
                .or_else(|| self.logins.get(&format!("https://{name}")))
                .or_else(|| self.logins.get(&format!("https://{name}/v1/")))
        })?;
        let text = format!("{}:{}", found.user, found.password.reveal());
        Some(Secret::new(format!("Basic {}", STANDARD.encode(text))))
    }

    /// Notes that a file is not used, and why. Only an image that wants a login needs to know.
    pub fn leave_out(&mut self, file: &Path, reason: &str) {
        self.unread.push(format!("{}: {reason}", file.display()));
    }

    /// Returns why there is no login for a registry, as far as that is known.
    pub(super) fn why_none(&self, host: &str) -> Option<String> {
        if self.helped.iter().any(|name| name == host || (host == HUB[0] && HUB.contains(&name.as_str()))) {
            return Some("a credential helper keeps it, which Goldsmith does not run".to_owned());
        }
        (!self.unread.is_empty()).then(|| format!("logins could not be read from {}", self.unread.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins(text: &str) -> RegistryLogins {
        let mut logins = RegistryLogins::default();
        logins.add(text).expect("it is read");
        logins
    }

    #[test]
    fn the_login_with_the_longest_name_counts() {
        // a:1, b:2, c:3, d:4
        let text = r#"{ "auths": { "h.example": { "auth": "YTox" }, "h.example/team": { "auth": "Yjoy" },
            "https://index.docker.io/v1/": { "auth": "Yzoz" }, "localhost:5000": { "auth": "ZDo0" }, "empty.example": {} },
            "credHelpers": { "helped.example": "secretservice" } }"#;
        let mut found = logins(text);
        for (host, name, expected) in [
            ("h.example", "other/image", Some("Basic YTox")),
            ("h.example", "team/image", Some("Basic Yjoy")),
            ("h.example", "teams", Some("Basic YTox")),
            ("docker.io", "library/debian", Some("Basic Yzoz")),
            ("localhost:5000", "a", Some("Basic ZDo0")),
            ("localhost", "a", None),
            ("example", "a", None),
            ("empty.example", "a", None),
        ] {
            assert_eq!(found.basic(host, name).as_ref().map(Secret::reveal), expected, "{host}/{name}");
        }
        assert!(found.why_none("helped.example").is_some_and(|why| why.contains("helper")));
        assert_eq!(found.why_none("h.example"), None);
        found.leave_out(Path::new("/x/auth.json"), "no access");
        let why = found.why_none("h.example").expect("a file was left out");
        assert_eq!(why, "logins could not be read from /x/auth.json: no access");
        assert!(!format!("{found:?}").contains("\"1\""));
        found
            .add(r#"{ "auths": { "h.example": { "auth": "eDp5" }, "new.example": { "auth": "eDp5" } } }"#)
            .expect("a file");
        assert_eq!(
            found.basic("h.example", "a").as_ref().map(Secret::reveal),
            Some("Basic YTox"),
            "the first file counts"
        );
        assert_eq!(found.basic("new.example", "a").as_ref().map(Secret::reveal), Some("Basic eDp5"));
    }

    #[test]
    fn errors_show_no_password() {
        for (text, words) in [
            ("{ \"auths\": { \"h\": { \"auth\": \"s3cret\" } } }", "the login for `h` is not USER:PASSWORD"),
            ("{ \"auths\": { \"h\": { \"auth\": \"czNjcmV0\" } } }", "the login for `h`"),
            ("{ \"auths\": { \"h\": { \"auth\": \"s3cret\" }", "line 1, column"),
            ("s3cret", "no file of logins"),
        ] {
            let error = RegistryLogins::default().add(text).expect_err(text).to_string();
            assert!(error.contains(words) && !error.contains("s3cret") && !error.contains("czNj"), "{error}");
        }
    }
}
