//! Requests to a cloud: login at Keystone, search for services in its catalog, and JSON requests to them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use super::CloudError;
use super::agent::{Settings, UPLOAD_TIMEOUT};
use super::answer::{ANSWER_LIMIT, json_of, refused, unreachable};
use super::catalog::{Service, base, endpoint};
use super::config::CloudConfig;
use super::retry::retried;
use super::tokens::{self, Login};
use crate::fetch::Secret;
use crate::interrupt::Interrupt;

/// Age of a token from which an upload first gets a new one. The shortest lifetime that operators configure is an hour.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// Content types of request bodies.
const JSON: &str = "application/json";
const PATCH: &str = "application/openstack-images-v2.1-json-patch";

/// A connection to a cloud, after the login.
#[derive(Debug)]
pub struct Cloud {
    config: CloudConfig,
    /// Client for requests to Keystone.
    identity: Agent,
    /// Client for requests to the image service that are answered at once.
    agent: Agent,
    /// Settings of connections to the image service.
    settings: Settings,
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

/// The answer of Keystone, as its API documents it under "Password authentication with scoped authorization".
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
    #[serde(default)]
    expires_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Project {
    id: String,
}

impl Session {
    /// Returns the session of a login, which may be that of an earlier command.
    fn of(login: &Login) -> Self {
        let age = Duration::try_from(Timestamp::now().duration_since(login.made)).unwrap_or_default();
        // A computer that has run for less time than the token exists has no such instant, and the token is old.
        let since = Instant::now().checked_sub(age).or_else(|| Instant::now().checked_sub(FRESH * 2));
        Self { token: login.token.clone(), since: since.unwrap_or_else(Instant::now) }
    }
}

impl Cloud {
    /// Logs in and finds the image service. A token of an earlier command saves the login.
    ///
    /// # Errors
    ///
    /// If Keystone refuses or cannot be reached, or its catalog has no image service.
    pub fn connect(config: CloudConfig) -> Result<Self, CloudError> {
        let identity = Settings::new(&config, &config.auth_url)?.agent();
        // A service that an earlier catalog does not have may be in the present one.
        if let Some(login) = tokens::find(&config)
            && let Ok(cloud) = Self::with(login, config.clone(), identity.clone())
        {
            return Ok(cloud);
        }
        let login = new_login(&identity, &config)?;
        Self::with(login, config, identity)
    }

    fn with(login: Login, config: CloudConfig, identity: Agent) -> Result<Self, CloudError> {
        let session = Mutex::new(Session::of(&login));
        let Login { catalog, project, .. } = login;
        let image = match &config.image_endpoint {
            Some(url) => url.clone(),
            None if catalog.is_empty() => return Err(CloudError::NoProject { cloud: config.name }),
            None => endpoint(&catalog, &config, "image")?,
        };
        let image = base(&image).to_owned();
        let settings = Settings::new(&config, &image)?;
        Ok(Self { config, identity, agent: settings.agent(), settings, session, catalog, image, project })
    }

    /// Returns the name of the cloud in `clouds.yaml`.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Returns the id of the project of the login.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Returns the address of the image service, without a version.
    pub fn image_service(&self) -> &str {
        &self.image
    }

    /// Returns the address of the key manager, without a version.
    pub(super) fn key_manager(&self) -> Result<String, CloudError> {
        let url = match &self.config.key_manager_endpoint {
            Some(url) => url.clone(),
            None => endpoint(&self.catalog, &self.config, "key-manager")?,
        };
        Ok(base(&url).to_owned())
    }

    /// Returns how long a service may be silent.
    pub(super) fn silence(&self) -> Duration {
        self.config.silence
    }

    /// Returns a URL at the image service. `path` begins with a slash.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.image)
    }

    /// Sends a GET request to the image service, and retries it after temporary errors. `path` begins with a slash.
    ///
    /// # Errors
    ///
    /// If the service cannot be reached, refuses, or answers in an unexpected form.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CloudError> {
        self.get_until(path, &Interrupt::new())
    }

    /// Sends a GET request like [`Cloud::get`], but stops retrying if the user interrupts.
    pub(super) fn get_until<T: DeserializeOwned>(&self, path: &str, interrupt: &Interrupt) -> Result<T, CloudError> {
        let url = self.url(path);
        retried(interrupt, || json_of(&url, self.send(&Method::GET, &url, None)?))
    }

    /// Sends a GET request to any address in the cloud.
    pub(super) fn get_from<T: DeserializeOwned>(&self, url: &str) -> Result<T, CloudError> {
        json_of(url, self.send(&Method::GET, url, None)?)
    }

    /// Sends JSON to any address in the cloud and returns the answer.
    pub(super) fn post_to<T: DeserializeOwned>(&self, url: &str, body: &Value) -> Result<T, CloudError> {
        json_of(url, self.send(&Method::POST, url, Some(body))?)
    }

    /// Returns the content at any address in the cloud, in this content type.
    pub(super) fn bytes_from(&self, url: &str, kind: &str) -> Result<Vec<u8>, CloudError> {
        self.renew()?;
        let answer = self.with_token(|token| {
            let request = Request::get(url).header("X-Auth-Token", token.reveal()).header("Accept", kind);
            let request = request.body(SendBody::none()).map_err(ureq::Error::from);
            let answer =
                request.and_then(|request| self.identity.run(request)).map_err(|error| unreachable(url, &error))?;
            if answer.status().is_success() { Ok(answer) } else { Err(refused(&Method::GET, url, answer, Some(token))) }
        })?;
        let read = answer.into_body().with_config().limit(ANSWER_LIMIT).read_to_vec();
        read.map_err(|error| unreachable(url, &error))
    }

    /// Sends JSON to the image service and returns the answer.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CloudError> {
        let url = self.url(path);
        let answer = self.send(&Method::POST, &url, Some(body))?;
        json_of(&url, answer)
    }

    /// Sends a PATCH request to the image service: "HTTP PATCH media types" of its API.
    pub(super) fn patch<T: DeserializeOwned>(&self, path: &str, operations: &Value) -> Result<T, CloudError> {
        let url = self.url(path);
        let answer = self.send_as(&Method::PATCH, &url, Some((PATCH, operations)))?;
        json_of(&url, answer)
    }

    /// Sends a request to the image service whose answer has no content.
    pub(super) fn call(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<(), CloudError> {
        self.send(method, &self.url(path), body).map(drop)
    }

    /// Gets a new token unless the present one is fresh.
    pub(super) fn renew(&self) -> Result<(), CloudError> {
        if self.session().since.elapsed() > FRESH { self.log_in() } else { Ok(()) }
    }

    /// Gets a new token, and throws the present one away.
    pub(super) fn log_in(&self) -> Result<(), CloudError> {
        tokens::forget(&self.config);
        let login = new_login(&self.identity, &self.config)?;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Session::of(&login);
        Ok(())
    }

    fn session(&self) -> Session {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the present token.
    pub(super) fn token(&self) -> Secret {
        self.session().token
    }

    /// Returns a client for a download. The download ends if no data comes any more.
    pub(super) fn download_agent(&self) -> Agent {
        self.settings.agent()
    }

    /// Returns the configuration of a client for an upload.
    pub(super) fn upload_config(&self) -> ureq::config::Config {
        self.settings.config(UPLOAD_TIMEOUT)
    }

    /// Sends a request with the token, and once more with a new one if the service refuses the old one.
    pub(super) fn with_token<T>(&self, ask: impl Fn(&Secret) -> Result<T, CloudError>) -> Result<T, CloudError> {
        match ask(&self.token()) {
            Err(CloudError::Refused { status: 401, .. }) => {
                self.log_in()?;
                ask(&self.token())
            }
            result => result,
        }
    }

    fn send(&self, method: &Method, url: &str, body: Option<&Value>) -> Result<Response<Body>, CloudError> {
        self.send_as(method, url, body.map(|body| (JSON, body)))
    }

    fn send_as(&self, method: &Method, url: &str, body: Option<(&str, &Value)>) -> Result<Response<Body>, CloudError> {
        self.with_token(|token| {
            let request = Request::builder().method(method.clone()).uri(url).header("X-Auth-Token", token.reveal());
            send(&self.agent, method, url, request, body, Some(token))
        })
    }
}

fn send(
    agent: &Agent,
    method: &Method,
    url: &str,
    request: ureq::http::request::Builder,
    body: Option<(&str, &Value)>,
    secret: Option<&Secret>,
) -> Result<Response<Body>, CloudError> {
    let request = request.header("Accept", "application/json");
    let answer = match body {
        Some((kind, body)) => {
            let request = request.header("Content-Type", kind).body(body.to_string());
            request.map_err(ureq::Error::from).and_then(|request| agent.run(request))
        }
        None => {
            // Without a length, the client would send a PUT or POST in chunks, and the service would wait for them.
            let sends = matches!(*method, Method::PUT | Method::POST);
            let request = if sends { request.header("Content-Length", 0) } else { request };
            request.body(SendBody::none()).map_err(ureq::Error::from).and_then(|request| agent.run(request))
        }
    };
    let answer = answer.map_err(|error| unreachable(url, &error))?;
    if answer.status().is_success() { Ok(answer) } else { Err(refused(method, url, answer, secret)) }
}

/// Logs in at Keystone, and keeps the token for later commands.
fn new_login(agent: &Agent, config: &CloudConfig) -> Result<Login, CloudError> {
    let login = retried(&Interrupt::new(), || log_in(agent, config))?;
    tokens::keep(config, &login);
    Ok(login)
}

fn log_in(agent: &Agent, config: &CloudConfig) -> Result<Login, CloudError> {
    let url = format!("{}/auth/tokens", config.auth_url);
    let request = Request::builder().method(Method::POST).uri(&url);
    let made = Timestamp::now();
    let answer =
        send(agent, &Method::POST, &url, request, Some((JSON, &config.auth.request())), Some(config.auth.secret()))?;
    let token = answer.headers().get("x-subject-token").and_then(|token| token.to_str().ok()).map(Secret::new);
    let token =
        token.ok_or_else(|| CloudError::Strange { url: url.clone(), reason: "there is no token".to_owned() })?;
    let TokenAnswer { token: body } = json_of(&url, answer)?;
    let expires = body.expires_at.and_then(|time| time.parse().ok());
    Ok(Login { token, made, expires, catalog: body.catalog, project: body.project.map(|project| project.id) })
}
