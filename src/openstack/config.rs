//! Which cloud, and how to get in: `clouds.yaml` with its `secure.yaml`, or the variables `OS_*`, by the rules of
//! openstacksdk's "Configuring OpenStack SDK Applications".

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::CloudError;
use crate::fetch::Proxies;
pub use crate::fetch::Secret;
use crate::fsx::IoContext as _;
use crate::yaml::{Diagnostics, Source, decode, parse};

/// Extensions of configuration files, in the order in which they are looked for.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Ways to authenticate that are understood, in the names of keystoneauth.
const AUTH_TYPES: &str = "password, token, v3applicationcredential";

/// How long a service may be silent if nobody says otherwise.
const SILENCE: Duration = Duration::from_secs(60);

/// Where a configuration may come from.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The cloud that was asked for.
    pub cloud: Option<String>,
    /// The region that was asked for, whatever the configuration says.
    pub region: Option<String>,
    /// The only file to read: `OS_CLIENT_CONFIG_FILE`.
    pub file: Option<PathBuf>,
    /// Directories in which files are looked for, the first one first.
    pub dirs: Vec<PathBuf>,
    /// The one of these directories that may be a stranger's: the current one.
    pub strange: Option<PathBuf>,
    /// Variables of the environment that begin with `OS_`.
    pub variables: BTreeMap<String, String>,
    /// Proxies on the way, as the environment names them.
    pub proxies: Proxies,
}

/// A cloud, and how to get in.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudConfig {
    /// Its name in `clouds.yaml`; `envvars` if it comes from the environment.
    pub name: String,
    /// Address of Keystone, with its version: `https://cloud.example/identity/v3`.
    pub auth_url: String,
    /// Who logs in.
    pub auth: Auth,
    /// The region whose services are used; the only one of the catalog if it is not said.
    pub region: Option<String>,
    /// Which of a service's addresses is used: `public`, `internal`, `admin`.
    pub interface: String,
    /// Address of the image service, in place of what the catalog says.
    pub image_endpoint: Option<String>,
    /// Address of the key manager, in place of what the catalog says.
    pub key_manager_endpoint: Option<String>,
    /// File of certificates that are trusted in place of the host's.
    pub ca_file: Option<PathBuf>,
    /// Whether certificates are verified at all.
    pub verify: bool,
    /// Files, or variables, that the configuration comes from, for messages.
    pub origin: Vec<String>,
    /// How long a service may be silent, or take no data, before it counts as away: `api_timeout`.
    pub silence: Duration,
    /// Proxies on the way.
    pub proxies: Proxies,
}

/// Who logs in, and for what.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// By a password.
    Password {
        /// The user, as Keystone's API writes it, without the password.
        user: Value,
        /// The password.
        password: Secret,
        /// For what, as Keystone's API writes it; `null` for the user's default.
        scope: Value,
    },
    /// By an application credential, which is for one project.
    ApplicationCredential {
        /// The credential, as Keystone's API writes it, without the secret.
        credential: Value,
        /// Its secret.
        secret: Secret,
    },
    /// By a token that somebody has already.
    Token {
        /// The token.
        token: Secret,
        /// For what.
        scope: Value,
    },
}

impl CloudConfig {
    /// Finds the cloud that is meant.
    ///
    /// # Errors
    ///
    /// If there is none, or if something about it is missing.
    pub fn find(places: &Places) -> Result<Self, CloudError> {
        let mut found = Self::meant(places)?;
        found.region = places.region.clone().or(found.region);
        found.proxies = places.proxies.clone();
        Ok(found)
    }

    /// What whoever uses this cloud should know. Other clients say the same at every request.
    pub fn warning(&self) -> Option<String> {
        (!self.verify).then(|| {
            format!(
                "the certificates of the cloud `{}` are not verified, as {} says by `verify: false` or `insecure`: \
                 whoever is on the way can read the credentials and change images; `cacert` names certificates to trust",
                self.name,
                self.origin.join(", ")
            )
        })
    }

    fn meant(places: &Places) -> Result<Self, CloudError> {
        let clouds = Files::read(places)?;
        let name = places.cloud.clone().or_else(|| places.variables.get("OS_CLOUD").cloned());
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return clouds.cloud(&name)?.ok_or_else(|| CloudError::NoCloud {
                known: clouds.names(),
                files: clouds.read.clone(),
                name,
            });
        }
        let variables = of_variables(&places.variables);
        if variables.contains_key("auth_url") {
            return config("envvars", &variables, &["the variables OS_*".to_owned()]);
        }
        match clouds.names().as_slice() {
            [only] => clouds.cloud(only)?.ok_or_else(|| unreachable_cloud(only)),
            [] => Err(CloudError::NoConfig { dirs: places.dirs.clone() }),
            names => Err(CloudError::WhichCloud { known: names.to_vec() }),
        }
    }
}

fn unreachable_cloud(name: &str) -> CloudError {
    CloudError::NoCloud { name: name.to_owned(), known: Vec::new(), files: Vec::new() }
}

/// What the files say.
struct Files {
    clouds: Map<String, Value>,
    public: Map<String, Value>,
    /// Files that were read, for messages.
    read: Vec<String>,
    /// Why a file with secrets was not read.
    left_out: Option<String>,
}

impl Files {
    fn read(places: &Places) -> Result<Self, CloudError> {
        let find_in = |name: &str, fits: &dyn Fn(&Path) -> bool| {
            let dirs = places.dirs.iter().filter(|dir| fits(dir));
            let mut files =
                dirs.flat_map(|dir| EXTENSIONS.iter().map(move |extension| dir.join(format!("{name}.{extension}"))));
            files.find(|file| file.is_file())
        };
        let is_strange = |dir: &Path| places.strange.as_deref() == Some(dir);
        let mut read = Vec::new();
        let mut load = |file: Option<PathBuf>| -> Result<Map<String, Value>, CloudError> {
            let Some(file) = file else { return Ok(Map::new()) };
            read.push(file.display().to_string());
            yaml(&file)
        };
        let main = places.file.clone().or_else(|| find_in("clouds", &|_| true));
        // A stranger's file must neither get the user's password nor say where it is sent. One that is named is trusted.
        let beside = main.as_deref().and_then(Path::parent).map(Path::to_owned);
        let theirs = places.file.is_none() && beside.as_deref().is_some_and(is_strange);
        let suspect = main.as_deref().filter(|_| places.file.is_none()).and_then(suspicion);
        let fits = |dir: &Path| match (theirs, suspect) {
            (true, _) | (_, Some(_)) => beside.as_deref() == Some(dir),
            (false, None) => !is_strange(dir) || beside.as_deref() == Some(dir),
        };
        let mut whole = load(main.clone())?;
        // What must not be shown may lie in a file of its own, of the same form.
        let secure = find_in("secure", &fits);
        let first = find_in("secure", &|_| true);
        merge(&mut whole, load(secure.clone())?);
        // This one has no secrets, but says where they are sent.
        let public = section(load(find_in("clouds-public", &|dir| theirs || fits(dir)))?, "public-clouds");
        let left_out = match (main, first) {
            (Some(main), Some(file)) if secure.as_ref() != Some(&file) => {
                let reason = suspect.unwrap_or("one of them lies in the current directory, which may be a stranger's");
                let (file, main) = (file.display(), main.display());
                Some(format!(
                    "{file} is not taken together with {main}: {reason}; to trust {main}, name it in OS_CLIENT_CONFIG_FILE"
                ))
            }
            _ => None,
        };
        Ok(Self { clouds: section(whole, "clouds"), public, read, left_out })
    }

    fn names(&self) -> Vec<String> {
        self.clouds.keys().cloned().collect()
    }

    fn cloud(&self, name: &str) -> Result<Option<CloudConfig>, CloudError> {
        let Some(Value::Object(entry)) = self.clouds.get(name).cloned().map(normal) else { return Ok(None) };
        let profile = entry.get("profile").or_else(|| entry.get("cloud")).and_then(Value::as_str);
        let mut settings = Map::new();
        if let Some(profile) = profile {
            match self.public.get(profile).cloned().map(normal) {
                Some(Value::Object(known)) => settings = known,
                _ if entry.get("auth").and_then(|auth| auth.get("auth_url")).is_some() => {}
                _ => {
                    let message = format!("the profile `{profile}` is in no clouds-public.yaml");
                    return Err(self.fault(name, message, "write `auth_url` below `auth`"));
                }
            }
        }
        merge(&mut settings, entry);
        config(name, &settings, &self.read).map(Some).map_err(|error| match (error, &self.left_out) {
            (CloudError::Config { cloud, files, message, help }, Some(left_out)) => {
                CloudError::Config { cloud, files, message, help: format!("{left_out}. Else {help}") }
            }
            (error, _) => error,
        })
    }

    fn fault(&self, cloud: &str, message: String, help: &str) -> CloudError {
        CloudError::Config { cloud: cloud.to_owned(), files: self.read.clone(), message, help: help.to_owned() }
    }
}

/// Why a file may be somebody else's.
fn suspicion(file: &Path) -> Option<&'static str> {
    let metadata = file.metadata().ok()?;
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Some("the second one belongs to another user");
    }
    (metadata.mode() & 0o002 != 0).then_some("everybody can write to the second one")
}

fn yaml(file: &Path) -> Result<Map<String, Value>, CloudError> {
    let text = std::fs::read_to_string(file).at(file)?;
    let source = Source::new(file.display().to_string(), text);
    let (node, mut found) = parse(&source);
    let value = node.and_then(|mut node| {
        let (value, errors) = decode::<Value>(&mut node, &source);
        found.extend(errors);
        value
    });
    match (Diagnostics::collect(found), value) {
        (None, Some(Value::Object(map))) => Ok(map),
        (None, _) => Ok(Map::new()),
        (Some(found), _) => Err(CloudError::Yaml(Box::new(found))),
    }
}

fn section(mut file: Map<String, Value>, name: &str) -> Map<String, Value> {
    match file.remove(name) {
        Some(Value::Object(section)) => section,
        _ => Map::new(),
    }
}

/// Puts what the second one says over what the first one says, map by map.
fn merge(into: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(known)), Value::Object(more)) => merge(known, more),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Keys may be written with hyphens.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key.replace('-', "_"), normal(value))).collect())
        }
        value => value,
    }
}

/// `OS_PROJECT_NAME` is `project_name`. Empty ones count as not there, as scripts unset them so.
fn of_variables(variables: &BTreeMap<String, String>) -> Map<String, Value> {
    let entries = variables.iter().filter(|(_, value)| !value.is_empty()).filter_map(|(name, value)| {
        Some((name.strip_prefix("OS_")?.to_ascii_lowercase(), Value::String(value.clone())))
    });
    entries.collect()
}

/// What is said of one cloud.
struct Settings<'a> {
    cloud: &'a str,
    map: &'a Map<String, Value>,
    files: &'a [String],
}

impl Settings<'_> {
    /// The first of these keys that is there, below `auth` or beside it.
    fn text(&self, keys: &[&str]) -> Option<String> {
        let auth = self.map.get("auth");
        let value = keys.iter().find_map(|key| auth.and_then(|auth| auth.get(key)).or_else(|| self.map.get(*key)))?;
        match value {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            // Numbers are what YAML makes of names and passwords without quotes.
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn need(&self, keys: &[&str], what: &str) -> Result<String, CloudError> {
        self.text(keys).ok_or_else(|| {
            let help = format!("set `{}` below `auth`, or OS_{}", keys[0], keys[0].to_ascii_uppercase());
            self.fault(format!("{what} is missing"), &help)
        })
    }

    fn fault(&self, message: String, help: &str) -> CloudError {
        CloudError::Config { cloud: self.cloud.to_owned(), files: self.files.to_vec(), message, help: help.to_owned() }
    }

    /// A domain by its id or name; the one that Keystone makes itself if nothing is said.
    fn domain(&self, of: &str) -> Value {
        let id = self.text(&[&format!("{of}_domain_id"), "default_domain_id"]);
        let name = self.text(&[&format!("{of}_domain_name"), "default_domain_name", "default_domain"]);
        match (id, name) {
            (Some(id), _) => json!({ "id": id }),
            (None, Some(name)) => json!({ "name": name }),
            (None, None) => json!({ "id": "default" }),
        }
    }

    fn user(&self) -> Result<Value, CloudError> {
        if let Some(id) = self.text(&["user_id"]) {
            return Ok(json!({ "id": id }));
        }
        let name = self.need(&["username", "user_name"], "the user")?;
        Ok(json!({ "name": name, "domain": self.domain("user") }))
    }

    fn scope(&self) -> Value {
        if let Some(id) = self.text(&["project_id", "tenant_id"]) {
            return json!({ "project": { "id": id } });
        }
        if let Some(name) = self.text(&["project_name", "tenant_name"]) {
            return json!({ "project": { "name": name, "domain": self.domain("project") } });
        }
        if let Some(id) = self.text(&["domain_id"]) {
            return json!({ "domain": { "id": id } });
        }
        if let Some(name) = self.text(&["domain_name"]) {
            return json!({ "domain": { "name": name } });
        }
        match self.text(&["system_scope"]) {
            Some(_) => json!({ "system": { "all": true } }),
            None => Value::Null,
        }
    }

    /// Some services ask others before they answer.
    fn silence(&self) -> Result<Duration, CloudError> {
        let Some(text) = self.text(&["api_timeout"]) else { return Ok(SILENCE) };
        let seconds = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| {
            self.fault(format!("`api_timeout` cannot be `{text}`"), "it is a number of seconds, larger than 0")
        })
    }

    fn auth(&self) -> Result<Auth, CloudError> {
        let told = self.map.get("auth_type").and_then(Value::as_str).map(str::to_owned);
        let credential = self.text(&["application_credential_secret"]).is_some();
        let implied = || match (credential, self.text(&["token"]).is_some() && self.text(&["password"]).is_none()) {
            (true, _) => "v3applicationcredential".to_owned(),
            (false, true) => "token".to_owned(),
            (false, false) => "password".to_owned(),
        };
        match told.unwrap_or_else(implied).as_str() {
            "password" | "v3password" => Ok(Auth::Password {
                user: self.user()?,
                password: Secret::new(self.need(&["password"], "the password")?),
                scope: self.scope(),
            }),
            "token" | "v3token" => {
                Ok(Auth::Token { token: Secret::new(self.need(&["token"], "the token")?), scope: self.scope() })
            }
            "v3applicationcredential" => {
                let secret = Secret::new(
                    self.need(&["application_credential_secret"], "the secret of the application credential")?,
                );
                let credential = match self.text(&["application_credential_id"]) {
                    Some(id) => json!({ "id": id }),
                    None => {
                        let name = self.need(
                            &["application_credential_name", "application_credential_id"],
                            "the application credential",
                        )?;
                        json!({ "name": name, "user": self.user()? })
                    }
                };
                Ok(Auth::ApplicationCredential { credential, secret })
            }
            other => {
                let message = format!("auth_type `{other}` is not known");
                Err(self
                    .fault(message, &format!("known are {AUTH_TYPES}; an application credential serves machines best")))
            }
        }
    }
}

fn config(cloud: &str, map: &Map<String, Value>, files: &[String]) -> Result<CloudConfig, CloudError> {
    let settings = Settings { cloud, map, files };
    let truth = |key: &str| match map.get(key) {
        Some(Value::Bool(value)) => Some(*value),
        Some(Value::String(text)) => Some(matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on")),
        _ => None,
    };
    let region = settings.text(&["region_name"]).or_else(|| {
        let first = map.get("regions")?.as_array()?.first()?;
        first.as_str().or_else(|| first.get("name")?.as_str()).map(str::to_owned)
    });
    Ok(CloudConfig {
        name: cloud.to_owned(),
        auth_url: versioned(&settings.need(&["auth_url"], "the address of Keystone")?),
        auth: settings.auth()?,
        region,
        interface: settings
            .text(&["image_interface", "interface", "endpoint_type"])
            // `publicURL` is what it was called in Keystone v2.
            .map_or_else(|| "public".to_owned(), |text| text.trim_end_matches("URL").to_owned()),
        image_endpoint: settings.text(&["image_endpoint_override", "image_endpoint"]),
        key_manager_endpoint: settings.text(&["key_manager_endpoint_override", "key_manager_endpoint"]),
        ca_file: settings.text(&["cacert"]).map(PathBuf::from),
        silence: settings.silence()?,
        proxies: Proxies::default(),
        verify: truth("verify").unwrap_or(true) && !truth("insecure").unwrap_or(false),
        origin: files.to_vec(),
    })
}

/// Keystone's address with the version of its API, which many leave out.
fn versioned(url: &str) -> String {
    let url = url.trim_end_matches('/');
    match url.strip_suffix("/v2.0") {
        Some(base) => format!("{base}/v3"),
        None if url.ends_with("/v3") => url.to_owned(),
        None => format!("{url}/v3"),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
