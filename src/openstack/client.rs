//! Requests to a cloud: a token of Keystone, the address of the image service, and answers as JSON.

use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::http::{Method, Request, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, SendBody};

use super::CloudError;
use super::config::{Auth, CloudConfig, Secret};
use crate::fetch::http::reason;
use crate::fsx::IoContext as _;
use crate::text::printable;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a service may be silent: some ask others before they answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a service may take over data that has arrived: it looks into it, and writes it to its stores.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Age of a token after which no upload begins with it: the shortest life that operators give tokens is an hour.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// Largest answer that is read whole.
const ANSWER_LIMIT: u64 = 32 << 20;

/// Longest message of a service that is shown, in characters.
const MESSAGE_LIMIT: usize = 600;

/// What a body of a request is.
const JSON: &str = "application/json";
const PATCH: &str = "application/openstack-images-v2.1-json-patch";

/// Data that comes.
pub(super) struct Data {
    /// Whether it begins where it was asked to begin, rather than at the first byte.
    pub(super) partial: bool,
    /// The data.
    pub(super) body: Box<dyn Read>,
}

/// A cloud to which somebody has logged in.
#[derive(Debug)]
pub struct Cloud {
    config: CloudConfig,
    agent: Agent,
    /// For requests whose answer may take long.
    uploads: Agent,
    session: Mutex<Session>,
    catalog: Vec<Service>,
    image: String,
    project: Option<String>,
}

#[derive(Debug, Clone)]
struct Session {
    token: Secret,
    since: Instant,
}

/// Address of a service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Endpoint {
    /// Which network it is for: `public`, `internal`, `admin`.
    interface: String,
    /// Region it serves.
    #[serde(default)]
    region: Option<String>,
    /// The address.
    url: String,
}

/// A service of the catalog.
#[derive(Debug, Clone, Deserialize)]
struct Service {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

/// Keystone's answer, as its API documents it under "Password authentication with scoped authorization".
#[derive(Debug, Deserialize)]
struct TokenAnswer {
    token: TokenBody,
}

#[derive(Debug, Deserialize)]
struct TokenBody {
    #[serde(default)]
    catalog: Vec<Service>,
    #[serde(default)]
    project: Option<Project>,
}

#[derive(Debug, Deserialize)]
struct Project {
    id: String,
}

impl Cloud {
    /// Logs in and finds the image service.
    ///
    /// # Errors
    ///
    /// If Keystone refuses or cannot be reached, or its catalog has no image service.
    pub fn connect(config: CloudConfig) -> Result<Self, CloudError> {
        let (agent, uploads) = (agent(&config, READ_TIMEOUT)?, agent(&config, UPLOAD_TIMEOUT)?);
        let (token, body) = log_in(&agent, &config)?;
        let catalog = body.catalog;
        let image = match &config.image_endpoint {
            Some(url) => url.clone(),
            None if catalog.is_empty() => return Err(CloudError::NoProject { cloud: config.name }),
            None => endpoint(&catalog, &config, "image")?,
        };
        let image = base(&image).to_owned();
        let session = Mutex::new(Session { token, since: Instant::now() });
        Ok(Self { config, agent, uploads, session, catalog, image, project: body.project.map(|project| project.id) })
    }

    /// Its name in `clouds.yaml`.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Id of the project for which somebody has logged in.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Address of the image service, without a version.
    pub fn image_service(&self) -> &str {
        &self.image
    }

    /// Address of the key manager, without a version.
    pub(super) fn key_manager(&self) -> Result<String, CloudError> {
        let url = match &self.config.key_manager_endpoint {
            Some(url) => url.clone(),
            None => endpoint(&self.catalog, &self.config, "key-manager")?,
        };
        Ok(base(&url).to_owned())
    }

    /// Asks the image service. `path` begins with a slash.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, refuses, or answers something else.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CloudError> {
        let url = format!("{}{path}", self.image);
        let answer = self.send(&Method::GET, &url, None)?;
        json_of(&url, answer)
    }

    /// Asks a service at any address of the cloud.
    pub(super) fn get_from<T: DeserializeOwned>(&self, url: &str) -> Result<T, CloudError> {
        json_of(url, self.send(&Method::GET, url, None)?)
    }

    /// Sends JSON to any address of the cloud and returns what it answers.
    pub(super) fn post_to<T: DeserializeOwned>(&self, url: &str, body: &Value) -> Result<T, CloudError> {
        json_of(url, self.send(&Method::POST, url, Some(body))?)
    }

    /// What is at any address of the cloud, as this kind of content.
    pub(super) fn bytes_from(&self, url: &str, kind: &str) -> Result<Vec<u8>, CloudError> {
        self.renew()?;
        let token = self.session().token;
        let request = Request::get(url).header("X-Auth-Token", token.reveal()).header("Accept", kind);
        let request = request.body(SendBody::none()).map_err(ureq::Error::from);
        let unreachable = |error: &ureq::Error| CloudError::Unreachable { url: url.to_owned(), reason: reason(error) };
        let answer = request.and_then(|request| self.agent.run(request)).map_err(|error| unreachable(&error))?;
        if !answer.status().is_success() {
            return Err(refused(&Method::GET, url, answer));
        }
        let read = answer.into_body().with_config().limit(ANSWER_LIMIT).read_to_vec();
        read.map_err(|error| unreachable(&error))
    }

    /// Sends JSON to the image service and returns what it answers.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CloudError> {
        let url = format!("{}{path}", self.image);
        let answer = self.send(&Method::POST, &url, Some(body))?;
        json_of(&url, answer)
    }

    /// Changes something of the image service: "HTTP PATCH media types" of its API.
    pub(super) fn patch<T: DeserializeOwned>(&self, path: &str, operations: &Value) -> Result<T, CloudError> {
        let url = format!("{}{path}", self.image);
        let answer = self.send_as(&Method::PATCH, &url, Some((PATCH, operations)))?;
        json_of(&url, answer)
    }

    /// Data of the image service, from this byte on.
    pub(super) fn data(&self, path: &str, from: u64) -> Result<Data, CloudError> {
        let url = format!("{}{path}", self.image);
        self.renew()?;
        let token = self.session().token;
        let mut request = Request::get(&url).header("X-Auth-Token", token.reveal());
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let request = request.body(SendBody::none()).map_err(ureq::Error::from);
        let answer = request.and_then(|request| self.uploads.run(request));
        let answer = answer.map_err(|error| CloudError::Unreachable { url: url.clone(), reason: reason(&error) })?;
        if !answer.status().is_success() {
            return Err(refused(&Method::GET, &url, answer));
        }
        let partial = answer.status().as_u16() == 206;
        Ok(Data { partial, body: Box::new(answer.into_body().into_reader()) })
    }

    /// Asks the image service for something that has no answer but its success.
    pub(super) fn call(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<(), CloudError> {
        self.send(method, &format!("{}{path}", self.image), body).map(drop)
    }

    /// Sends so many bytes to the image service, into one of its stores if it is told. Never in chunks of unknown number: servers before the service refuse them, or
    /// keep all of them before they pass them on.
    pub(super) fn put(
        &self,
        path: &str,
        size: u64,
        store: Option<&str>,
        data: &mut impl Read,
    ) -> Result<(), CloudError> {
        let url = format!("{}{path}", self.image);
        let token = self.session().token;
        let request = Request::put(&url)
            .header("X-Auth-Token", token.reveal())
            .header("Content-Type", "application/octet-stream")
            .header("Content-Length", size);
        let request = store.into_iter().fold(request, |request, store| request.header("X-Image-Meta-Store", store));
        let request = request.body(SendBody::from_reader(data)).map_err(ureq::Error::from);
        let answer = request.and_then(|request| self.uploads.run(request));
        let answer = answer.map_err(|error| CloudError::Unreachable { url: url.clone(), reason: reason(&error) })?;
        if answer.status().is_success() { Ok(()) } else { Err(refused(&Method::PUT, &url, answer)) }
    }

    /// Logs in anew unless that was done a moment ago.
    pub(super) fn renew(&self) -> Result<(), CloudError> {
        if self.session().since.elapsed() > FRESH { self.log_in() } else { Ok(()) }
    }

    fn log_in(&self) -> Result<(), CloudError> {
        let (token, _) = log_in(&self.agent, &self.config)?;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Session { token, since: Instant::now() };
        Ok(())
    }

    fn session(&self) -> Session {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn send(&self, method: &Method, url: &str, body: Option<&Value>) -> Result<Response<Body>, CloudError> {
        self.send_as(method, url, body.map(|body| (JSON, body)))
    }

    /// Sends a request, once more with a new token if the old one is not taken any more.
    fn send_as(&self, method: &Method, url: &str, body: Option<(&str, &Value)>) -> Result<Response<Body>, CloudError> {
        match self.attempt(method, url, body) {
            Err(CloudError::Refused { status: 401, .. }) => {
                self.log_in()?;
                self.attempt(method, url, body)
            }
            result => result,
        }
    }

    fn attempt(&self, method: &Method, url: &str, body: Option<(&str, &Value)>) -> Result<Response<Body>, CloudError> {
        let token = self.session().token;
        let request = Request::builder().method(method.clone()).uri(url).header("X-Auth-Token", token.reveal());
        send(&self.agent, method, url, request, body)
    }
}

fn send(
    agent: &Agent,
    method: &Method,
    url: &str,
    request: ureq::http::request::Builder,
    body: Option<(&str, &Value)>,
) -> Result<Response<Body>, CloudError> {
    let unreachable = |error: &ureq::Error| CloudError::Unreachable { url: url.to_owned(), reason: reason(error) };
    let request = request.header("Accept", "application/json");
    let answer = match body {
        Some((kind, body)) => {
            let request = request.header("Content-Type", kind).body(body.to_string());
            request.map_err(ureq::Error::from).and_then(|request| agent.run(request))
        }
        None => {
            // Without a length, a PUT or POST would go in chunks, and the service would expect some.
            let sends = matches!(*method, Method::PUT | Method::POST);
            let request = if sends { request.header("Content-Length", 0) } else { request };
            request.body(SendBody::none()).map_err(ureq::Error::from).and_then(|request| agent.run(request))
        }
    };
    let answer = answer.map_err(|error| unreachable(&error))?;
    if answer.status().is_success() { Ok(answer) } else { Err(refused(method, url, answer)) }
}

/// What a service says when it refuses: Keystone and Barbican in JSON, Glance as text or a page.
fn refused(method: &Method, url: &str, mut answer: Response<Body>) -> CloudError {
    let status = answer.status();
    let request_id = answer.headers().get("x-openstack-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let text = answer.body_mut().with_config().limit(ANSWER_LIMIT).read_to_string().unwrap_or_default();
    let told = serde_json::from_str::<Value>(&text).ok().and_then(|json| {
        let message =
            json.pointer("/error/message").or_else(|| json.get("message")).or_else(|| json.get("description"))?;
        message.as_str().map(str::to_owned)
    });
    // Messages in JSON hold tags too.
    let told = without_tags(&told.unwrap_or(text));
    // Glance repeats the status as a title.
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let told = told.trim().trim_start_matches(&title).trim();
    let told: String = printable(told.replace('\n', " ").as_bytes()).chars().take(MESSAGE_LIMIT).collect();
    let message =
        if told.is_empty() { status.canonical_reason().unwrap_or("no reason is told").to_owned() } else { told };
    CloudError::Refused {
        method: method.to_string(),
        url: url.to_owned(),
        status: status.as_u16(),
        message,
        request_id,
    }
}

/// The text of a page, as far as a message needs it.
fn without_tags(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    // The title says less than what follows it.
    if let Some((_, body)) = rest.split_once("<body>") {
        rest = body;
    }
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn json_of<T: DeserializeOwned>(url: &str, mut answer: Response<Body>) -> Result<T, CloudError> {
    let strange = |reason: String| CloudError::Strange { url: url.to_owned(), reason };
    let text = answer.body_mut().with_config().limit(ANSWER_LIMIT).read_to_vec();
    let text = text.map_err(|error| CloudError::Unreachable { url: url.to_owned(), reason: reason(&error) })?;
    serde_json::from_slice(&text).map_err(|error| strange(error.to_string()))
}

fn log_in(agent: &Agent, config: &CloudConfig) -> Result<(Secret, TokenBody), CloudError> {
    let url = format!("{}/auth/tokens", config.auth_url);
    let request = Request::builder().method(Method::POST).uri(&url);
    let answer = send(agent, &Method::POST, &url, request, Some((JSON, &credentials(&config.auth))))?;
    let token = answer.headers().get("x-subject-token").and_then(|token| token.to_str().ok()).map(Secret::new);
    let token =
        token.ok_or_else(|| CloudError::Strange { url: url.clone(), reason: "there is no token".to_owned() })?;
    let body: TokenAnswer = json_of(&url, answer)?;
    Ok((token, body.token))
}

/// The request for a token: Keystone's API, "Authentication and token management".
fn credentials(auth: &Auth) -> Value {
    let with = |known: &Value, name: &str, secret: &Secret| {
        let mut known = known.clone();
        known[name] = json!(secret.reveal());
        known
    };
    let (identity, scope) = match auth {
        Auth::Password { user, password, scope } => {
            (json!({ "methods": ["password"], "password": { "user": with(user, "password", password) } }), scope)
        }
        Auth::ApplicationCredential { credential, secret } => (
            json!({
                "methods": ["application_credential"],
                "application_credential": with(credential, "secret", secret),
            }),
            &Value::Null,
        ),
        Auth::Token { token, scope } => (json!({ "methods": ["token"], "token": { "id": token.reveal() } }), scope),
    };
    let mut request = json!({ "auth": { "identity": identity } });
    if !scope.is_null() {
        request["auth"]["scope"] = scope.clone();
    }
    request
}

/// Address of a service of this type.
fn endpoint(catalog: &[Service], config: &CloudConfig, kind: &'static str) -> Result<String, CloudError> {
    let endpoints = || catalog.iter().filter(|service| service.kind == kind).flat_map(|service| &service.endpoints);
    let fitting: Vec<_> = endpoints()
        .filter(|endpoint| endpoint.interface == config.interface)
        .filter(|endpoint| config.region.is_none() || endpoint.region == config.region)
        .collect();
    match fitting.as_slice() {
        [only] => Ok(only.url.clone()),
        [] => Err(CloudError::NoService {
            kind,
            region: config.region.clone(),
            interface: config.interface.clone(),
            known: endpoints()
                .map(|endpoint| {
                    format!("{} ({})", endpoint.region.as_deref().unwrap_or("no region"), endpoint.interface)
                })
                .collect(),
        }),
        several if config.region.is_some() => Ok(several[0].url.clone()),
        several => Err(CloudError::WhichRegion {
            known: several.iter().filter_map(|endpoint| endpoint.region.clone()).collect(),
        }),
    }
}

/// An address without the version that some catalogs have in it.
fn base(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    match url.rsplit_once('/') {
        Some((base, version)) if (version == "v1" || version.starts_with("v2")) && !base.ends_with('/') => base,
        _ => url,
    }
}

fn agent(config: &CloudConfig, answer: Duration) -> Result<Agent, CloudError> {
    let mut tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).disable_verification(!config.verify);
    if let Some(path) = &config.ca_file {
        let pem = std::fs::read(path).at(path)?;
        let items: Result<Vec<_>, _> = parse_pem(&pem).collect();
        let items =
            items.map_err(|error| CloudError::Certificates { path: path.clone(), reason: error.to_string() })?;
        let certificates: Vec<Certificate<'static>> = items
            .into_iter()
            .filter_map(|item| match item {
                PemItem::Certificate(certificate) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            let reason = "it is no PEM file with a certificate".to_owned();
            return Err(CloudError::Certificates { path: path.clone(), reason });
        }
        tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
    }
    Ok(Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(answer))
        .timeout_per_read(Some(READ_TIMEOUT))
        .http_status_as_error(false)
        // A token must not go where a service points to.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("goldsmith/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build())
        .build()
        .new_agent())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_no_part_of_an_address() {
        for (url, expected) in [
            ("http://h:9292", "http://h:9292"),
            ("http://h:9292/", "http://h:9292"),
            ("http://h/image/v2", "http://h/image"),
            ("http://h:9311/v1", "http://h:9311"),
            ("http://h/image/v2.1/", "http://h/image"),
            ("http://v2", "http://v2"),
        ] {
            assert_eq!(base(url), expected);
        }
    }

    #[test]
    fn pages_become_messages() {
        let page = "<html>\n <head>\n  <title>403 Forbidden</title>\n </head>\n <body>\n  <h1>403 Forbidden</h1>\n  Not \
                    you.<br /><br />\n </body>\n</html>";
        assert_eq!(without_tags(page), "403 Forbidden Not you.");
        assert_eq!(without_tags("No body.<br /><br />"), "No body.");
        assert_eq!(without_tags("a < b"), "a");
    }
}
