//! The settings of one cloud, read key by key from the merged map.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::cloud::{Auth, ClientFiles, CloudConfig};
use super::entry::FORMAT;
use super::format::format;
use super::value::{Map, Node, Value};
use super::wrong::{Result, Wrong};
use crate::fetch::{Proxies, Secret};

/// Supported ways to authenticate, in the names of keystoneauth.
const AUTH_TYPES: &str = "password, token, v3applicationcredential";

/// Default of `api_timeout`.
const SILENCE: Duration = Duration::from_secs(60);

/// The settings of one cloud.
pub(super) struct Settings<'a> {
    pub(super) map: &'a Map,
    pub(super) home: Option<&'a Path>,
}

impl Settings<'_> {
    /// Returns the configuration of the cloud.
    pub(super) fn cloud(&self, name: &str, files: &[String]) -> Result<CloudConfig> {
        let (verify, bundle) = self.verify()?;
        let client = match self.path("cert")? {
            Some(certificate) => Some(ClientFiles { certificate, key: self.path("key")? }),
            None => None,
        };
        Ok(CloudConfig {
            name: name.to_owned(),
            auth_url: versioned(&self.need(&["auth_url"], "the address of Keystone")?),
            auth: self.auth()?,
            region: self.text(&["region_name"])?,
            interface: self
                .text(&["image_interface", "interface"])?
                // Keystone v2 called it `publicURL`.
                .map_or_else(|| "public".to_owned(), |text| text.trim_end_matches("URL").to_owned()),
            image_endpoint: self.text(&["image_endpoint_override", "image_endpoint"])?,
            key_manager_endpoint: self.text(&["key_manager_endpoint_override", "key_manager_endpoint"])?,
            ca_file: self.path("cacert")?.or(bundle),
            client,
            silence: self.silence()?,
            proxies: Proxies::default(),
            tokens: None,
            verify,
            origin: files.to_vec(),
        })
    }

    /// Returns whether the settings have an address of Keystone.
    pub(super) fn has_address(&self) -> bool {
        !matches!(self.of_auth(&["auth_url"]), Ok(None))
    }

    /// Returns the first of these keys that is set, below `auth` or else beside it.
    fn of_auth(&self, keys: &[&str]) -> Result<Option<String>> {
        let auth = self.map.get("auth").and_then(Node::map);
        let maps = auth.into_iter().chain([self.map]);
        let said: Vec<_> = maps.filter_map(|map| keys.iter().find_map(|key| Some((*key, map.get(*key)?)))).collect();
        let found =
            said.iter().find(|(_, node)| node.is_true()).or_else(|| said.iter().find(|(_, node)| is_false(node)));
        found.map(|(key, node)| text(key, node)).transpose()
    }

    /// Returns the first of these keys beside `auth` that is set, with its braces replaced.
    fn text(&self, keys: &[&str]) -> Result<Option<String>> {
        let mut said = keys.iter().filter_map(|key| Some((*key, self.map.get(*key)?)));
        let Some((key, node)) = said.find(|(_, node)| node.is_true() || is_false(node)) else { return Ok(None) };
        let formatted = |text: String| match node.value {
            Value::Text(_) => {
                format(&text, self.map).map_err(|message| Wrong::at(node, format!("`{key}`: {message}"), FORMAT))
            }
            _ => Ok(text),
        };
        text(key, node).and_then(formatted).map(Some)
    }

    fn path(&self, key: &str) -> Result<Option<PathBuf>> {
        let Some(text) = self.text(&[key])? else { return Ok(None) };
        let Some(rest) = text.strip_prefix('~') else { return Ok(Some(text.into())) };
        match self.home {
            Some(home) if rest.is_empty() || rest.starts_with('/') => {
                Ok(Some(format!("{}{rest}", home.display().to_string().trim_end_matches('/')).into()))
            }
            _ => {
                let message = format!("`{key}` begins with the home directory of an unknown user");
                Err(Wrong::at(&self.map[key], message, "write the whole path, or `~/` for the directory in HOME"))
            }
        }
    }

    fn need(&self, keys: &[&str], what: &str) -> Result<String> {
        self.of_auth(keys)?.ok_or_else(|| {
            let help = format!("set `{}` below `auth`, or OS_{}", keys[0], keys[0].to_ascii_uppercase());
            Wrong::new(format!("{what} is missing"), help)
        })
    }

    /// Returns whether to verify certificates, and the file of trusted ones.
    fn verify(&self) -> Result<(bool, Option<PathBuf>)> {
        let unquoted = "write `true` or `false`, without quotes";
        let insecure = match self.map.get("insecure") {
            None => false,
            Some(node) => match &node.value {
                Value::Null => false,
                Value::Bool(truth) => *truth,
                Value::Text(text) => text.eq_ignore_ascii_case("true"),
                _ => return Err(Wrong::at(node, format!("`insecure` is {}", node.kind()), unquoted)),
            },
        };
        let Some(node) = self.map.get("verify") else { return Ok((!insecure, None)) };
        let (verify, bundle) = match &node.value {
            Value::Null => (true, None),
            Value::Bool(truth) => (*truth, None),
            Value::Text(text) if text.is_empty() => (true, None),
            // To Python's HTTP client, a text is a file of certificates.
            Value::Text(text) if text.contains('/') => (true, Some(PathBuf::from(text))),
            _ => {
                let message =
                    format!("`verify` is {}, which openstacksdk takes for a file of certificates", node.kind());
                return Err(Wrong::at(node, message, unquoted));
            }
        };
        Ok((verify && !insecure, bundle))
    }

    /// Returns a domain by id or name; without settings, Keystone's default domain.
    fn domain(&self, of: &str) -> Result<Json> {
        let id = self.of_auth(&[&format!("{of}_domain_id")])?.or(self.of_auth(&["default_domain_id"])?);
        let name = self.of_auth(&[&format!("{of}_domain_name")])?.or(self.of_auth(&["default_domain_name"])?);
        Ok(match (id, name) {
            (Some(id), _) => json!({ "id": id }),
            (None, Some(name)) => json!({ "name": name }),
            // OpenStack's own client treats this setting as an id.
            (None, None) => {
                json!({ "id": self.of_auth(&["default_domain"])?.unwrap_or_else(|| "default".to_owned()) })
            }
        })
    }

    fn user(&self) -> Result<Json> {
        if let Some(id) = self.of_auth(&["user_id"])? {
            return Ok(json!({ "id": id }));
        }
        let name = self.need(&["username", "user_name"], "the user")?;
        Ok(json!({ "name": name, "domain": self.domain("user")? }))
    }

    fn scope(&self) -> Result<Json> {
        let kinds: [&[&str]; 4] =
            [&["project_id", "project_name"], &["domain_id", "domain_name"], &["trust_id"], &["system_scope"]];
        let mut said = Vec::new();
        for keys in kinds {
            for key in keys {
                if self.of_auth(&[key])?.is_some() {
                    said.push(keys[0].trim_end_matches("_id"));
                    break;
                }
            }
        }
        if said.len() > 1 {
            let message = format!("the login is for several things at once: {}", said.join(", "));
            return Err(Wrong::new(message, "leave one of them below `auth`"));
        }
        if let Some(id) = self.of_auth(&["project_id"])? {
            return Ok(json!({ "project": { "id": id } }));
        }
        if let Some(name) = self.of_auth(&["project_name"])? {
            return Ok(json!({ "project": { "name": name, "domain": self.domain("project")? } }));
        }
        if let Some(id) = self.of_auth(&["domain_id"])? {
            return Ok(json!({ "domain": { "id": id } }));
        }
        if let Some(name) = self.of_auth(&["domain_name"])? {
            return Ok(json!({ "domain": { "name": name } }));
        }
        if let Some(id) = self.of_auth(&["trust_id"])? {
            return Ok(json!({ "OS-TRUST:trust": { "id": id } }));
        }
        Ok(match self.of_auth(&["system_scope"])?.as_deref() {
            Some("all") => json!({ "system": { "all": true } }),
            _ => Json::Null,
        })
    }

    /// Returns how long a service may be silent: some services ask others before they answer.
    fn silence(&self) -> Result<Duration> {
        let Some(node) = self.map.get("api_timeout").filter(|node| !matches!(node.value, Value::Null)) else {
            return Ok(SILENCE);
        };
        let seconds = node.printed().and_then(|text| text.parse().ok()).filter(|seconds: &f64| *seconds > 0.0);
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| {
            let shown = node.printed().unwrap_or_else(|| node.kind().to_owned());
            Wrong::at(node, format!("`api_timeout` cannot be `{shown}`"), "it is a number of seconds, larger than 0")
        })
    }

    fn auth(&self) -> Result<Auth> {
        let told = self.map.get("auth_type").filter(|node| node.place.is_some() || is_other(node));
        let credential = self.of_auth(&["application_credential_secret"])?.is_some();
        let token = self.of_auth(&["token"])?.is_some() && self.of_auth(&["password"])?.is_none();
        let implied = match (credential, token) {
            (true, _) => "v3applicationcredential",
            (false, true) => "token",
            (false, false) => "password",
        };
        let kind = match told {
            None => implied.to_owned(),
            Some(node) if !node.is_true() => "none".to_owned(),
            Some(node) => text("auth_type", node)?,
        };
        match kind.as_str() {
            "password" | "v3password" => Ok(Auth::Password {
                user: self.user()?,
                password: Secret::new(self.need(&["password"], "the password")?),
                scope: self.scope()?,
            }),
            "token" | "v3token" => {
                Ok(Auth::Token { token: Secret::new(self.need(&["token"], "the token")?), scope: self.scope()? })
            }
            "v3applicationcredential" => {
                let secret =
                    self.need(&["application_credential_secret"], "the secret of the application credential")?;
                let credential = match self.of_auth(&["application_credential_id"])? {
                    Some(id) => json!({ "id": id }),
                    None => {
                        let names = ["application_credential_name", "application_credential_id"];
                        json!({ "name": self.need(&names, "the application credential")?, "user": self.user()? })
                    }
                };
                Ok(Auth::ApplicationCredential { credential, secret: Secret::new(secret) })
            }
            other => {
                let help = format!("known are {AUTH_TYPES}; an application credential serves machines best");
                Err(Wrong::new(format!("auth_type `{other}` is not known"), help))
            }
        }
    }
}

/// Returns whether a value is `false`. As a text this is a mistake, and not the same as a missing value.
fn is_false(node: &Node) -> bool {
    matches!(node.value, Value::Bool(false))
}

/// Returns whether a variable of the environment asks for another way to authenticate than the default.
fn is_other(node: &Node) -> bool {
    !matches!(&node.value, Value::Text(text) if text == "password")
}

fn text(key: &str, node: &Node) -> Result<String> {
    node.printed().ok_or_else(|| Wrong::kind(key, node))
}

/// Returns Keystone's address with the version of its API, which many configurations leave out.
fn versioned(url: &str) -> String {
    let url = url.trim_end_matches('/');
    match url.strip_suffix("/v2.0") {
        Some(base) => format!("{base}/v3"),
        None if url.ends_with("/v3") => url.to_owned(),
        None => format!("{url}/v3"),
    }
}
