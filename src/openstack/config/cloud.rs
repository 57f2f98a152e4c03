//! A cloud, and how to get in.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fetch::{Proxies, Secret};

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
    /// What is shown to services that ask who is there.
    pub client: Option<ClientFiles>,
    /// Whether certificates are verified at all.
    pub verify: bool,
    /// Files, or variables, that the configuration comes from, for messages.
    pub origin: Vec<String>,
    /// How long a service may be silent, or take no data, before it counts as away: `api_timeout`.
    pub silence: Duration,
    /// Proxies on the way.
    pub proxies: Proxies,
}

/// Files of a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// The certificate: `cert`.
    pub certificate: PathBuf,
    /// Its key; in the same file if it is not said: `key`.
    pub key: Option<PathBuf>,
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
}

impl Auth {
    /// What must not be shown.
    pub fn secret(&self) -> &Secret {
        match self {
            Self::Password { password: secret, .. }
            | Self::ApplicationCredential { secret, .. }
            | Self::Token { token: secret, .. } => secret,
        }
    }

    /// The request for a token, with the secret: Keystone's API, "Authentication and token management".
    pub fn request(&self) -> Value {
        let with = |known: &Value, name: &str, secret: &Secret| {
            let mut known = known.clone();
            known[name] = json!(secret.reveal());
            known
        };
        let (identity, scope) = match self {
            Self::Password { user, password, scope } => {
                (json!({ "methods": ["password"], "password": { "user": with(user, "password", password) } }), scope)
            }
            Self::ApplicationCredential { credential, secret } => (
                json!({
                    "methods": ["application_credential"],
                    "application_credential": with(credential, "secret", secret),
                }),
                &Value::Null,
            ),
            Self::Token { token, scope } => (json!({ "methods": ["token"], "token": { "id": token.reveal() } }), scope),
        };
        let mut request = json!({ "auth": { "identity": identity } });
        if !scope.is_null() {
            request["auth"]["scope"] = scope.clone();
        }
        request
    }
}
