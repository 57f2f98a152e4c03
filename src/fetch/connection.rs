//! Connections to servers: how they are made, what is trusted, and why one fails.

use std::time::Duration;

use ureq::Timeout;
use ureq::config::ConfigBuilder;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::typestate::AgentScope;

use crate::address;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a server may send nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Why something could not be fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// The server could not be reached, or its answer was cut off.
    #[error("cannot fetch {url}: {reason}")]
    Failed {
        /// What was asked for, without credentials.
        url: String,
        /// What happened.
        reason: String,
        /// Whether another attempt may succeed.
        transient: bool,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A URL without what may be secret in it: the user name and password, and the query.
pub fn redacted(url: &str) -> String {
    address::shown(url)
}

/// How connections are made and kept, and what is trusted.
pub(crate) fn configuration() -> ConfigBuilder<AgentScope> {
    ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(READ_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .http_status_as_error(false)
        // ureq would read the environment itself, which only the command line does.
        .proxy(None)
        .user_agent(concat!("goldsmith/", env!("CARGO_PKG_VERSION")))
        // The host's own certificates: a company's mirror has a company's authority.
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
}

pub(super) fn failed(url: &str, error: &ureq::Error) -> HttpError {
    let transient = !matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::TooManyRedirects);
    HttpError::Failed { url: redacted(url), reason: reason(error), transient }
}

/// What has happened to a request, in words for people.
pub(crate) fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::HostNotFound => "the host's name cannot be resolved".to_owned(),
        ureq::Error::Timeout(Timeout::PerWrite) => "it takes no more data".to_owned(),
        ureq::Error::Timeout(Timeout::PerRead | Timeout::RecvResponse) => "nothing comes from it".to_owned(),
        // It would quote the address.
        ureq::Error::BadUri(_) => "it is no address".to_owned(),
        error => error.to_string(),
    }
}

/// Whether what has happened to a request may not happen to the next one: a connection that has broken, or was too slow.
pub(crate) fn passes(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        ureq::Error::Timeout(_) | ureq::Error::Protocol(_) | ureq::Error::ConnectionFailed => true,
        _ => false,
    }
}
