//! The configuration of one cloud: addresses, credentials and certificates.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fetch::{Proxies, Secret};

/// The configuration of one cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudConfig {
    /// Name in `clouds.yaml`; `envvars` if the configuration comes from the environment.
    pub name: String,
    /// Address of Keystone, with its version: `https://cloud.example/identity/v3`.
    pub auth_url: String,
    /// Credentials for the login.
    pub auth: Auth,
    /// Region whose services are used; `None` if the catalog has only one.
    pub region: Option<String>,
    /// Interface of services that is used: `public`, `internal`, `admin`.
    pub interface: String,
    /// Address of the image service, in place of the one in the catalog.
    pub image_endpoint: Option<String>,
    /// Address of the key manager, in place of the one in the catalog.
    pub key_manager_endpoint: Option<String>,
    /// File of trusted certificates, in place of the host's.
    pub ca_file: Option<PathBuf>,
    /// Certificate of the client, for services that ask for one.
    pub client: Option<ClientFiles>,
    /// Whether certificates are verified at all.
    pub verify: bool,
    /// Files or variables of the configuration, for messages.
    pub origin: Vec<String>,
    /// Time after which a service counts as unreachable if it sends nothing or takes no data: `api_timeout`.
    pub silence: Duration,
    /// Proxies to use.
    pub proxies: Proxies,
    /// Directory of tokens of earlier commands, if they are kept.
    pub tokens: Option<PathBuf>,
}

/// The files of a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// File of the certificate: `cert`.
    pub certificate: PathBuf,
    /// File of the key: `key`. `None` if the certificate's file has it.
    pub key: Option<PathBuf>,
}

/// Credentials for the login, and its scope.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// A user with a password.
    Password {
        /// The user, as Keystone's API writes it, without the password.
        user: Value,
        /// The password.
        password: Secret,
        /// The scope, as Keystone's API writes it; `null` for the user's default.
        scope: Value,
    },
    /// An application credential, which is for one project.
    ApplicationCredential {
        /// The credential, as Keystone's API writes it, without the secret.
        credential: Value,
        /// The secret of the credential.
        secret: Secret,
    },
    /// A token from an earlier login.
    Token {
        /// The token.
        token: Secret,
        /// The scope, as in `Password`.
        scope: Value,
    },
}

impl CloudConfig {
    /// Returns a warning if the cloud's certificates are not verified. Other clients warn at every request.
    pub fn warning(&self) -> Option<String> {
        (!self.verify).then(|| {
            format!(
                "the certificates of the cloud `{}` are not verified, as {} says by `verify: false` or `insecure`: \
                 anybody on the way can read the credentials and change images; `cacert` names certificates to trust",
                self.name,
                self.origin.join(", ")
            )
        })
    }
}

impl Auth {
    /// Returns the secret of the login, which messages must not show.
    pub fn secret(&self) -> &Secret {
        match self {
            Self::Password { password: secret, .. }
            | Self::ApplicationCredential { secret, .. }
            | Self::Token { token: secret, .. } => secret,
        }
    }

    /// Makes the request for a token, with the secret in it: Keystone's API, "Authentication and token management".
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
