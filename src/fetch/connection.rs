//! Connections to servers: their settings, and the meaning of their errors.

use std::time::Duration;

use ureq::Timeout;
use ureq::config::ConfigBuilder;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::typestate::AgentScope;

use crate::address;

/// Limit for making a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Limit for a server to send nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The reason why something could not be fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// The server could not be reached, or its answer was incomplete.
    #[error("cannot fetch {url}: {reason}")]
    Failed {
        /// The URL without credentials.
        url: String,
        /// The reason.
        reason: String,
        /// Whether another attempt may succeed.
        transient: bool,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Returns a URL without its secrets: user name, password and query.
pub fn redacted(url: &str) -> String {
    address::shown(url)
}

/// Returns the settings of connections, with trusted certificates.
pub(crate) fn configuration() -> ConfigBuilder<AgentScope> {
    ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(READ_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .http_status_as_error(false)
        // Without this, ureq would read the environment, which only the command line may do.
        .proxy(None)
        .user_agent(concat!("goldsmith/", env!("CARGO_PKG_VERSION")))
        // The host's own certificates: a company's mirror may have a private authority.
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
}

pub(super) fn failed(url: &str, error: &ureq::Error) -> HttpError {
    let transient = !matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::TooManyRedirects);
    HttpError::Failed { url: redacted(url), reason: reason(error), transient }
}

/// Returns the reason for a failed request, for people.
pub(crate) fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::HostNotFound => "the host's name cannot be resolved".to_owned(),
        ureq::Error::Timeout(Timeout::PerWrite) => "the server stopped accepting data".to_owned(),
        ureq::Error::Timeout(Timeout::PerRead | Timeout::RecvResponse) => "the server sends no data".to_owned(),
        // The text of ureq would quote the address.
        ureq::Error::BadUri(_) => "the address is invalid".to_owned(),
        error => error.to_string(),
    }
}

/// Returns whether another attempt may succeed: the connection broke, or was too slow.
pub(crate) fn passes(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        ureq::Error::Timeout(_) | ureq::Error::Protocol(_) | ureq::Error::ConnectionFailed => true,
        _ => false,
    }
}
