//! HTTP connections to a service: certificates, proxies and timeouts.

use std::path::Path;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::tls::{Certificate, ClientCert, RootCerts, TlsConfig};

use super::CloudError;
use super::config::{ClientFiles, CloudConfig};
use crate::fetch::certificates::{certificates, private_key};
use crate::fsx::IoContext as _;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Time that a service may take to answer after the data has arrived: it inspects the data and writes it to its stores.
pub(super) const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Settings of the connections to one service.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    silence: Duration,
    tls: TlsConfig,
    proxy: Option<ureq::Proxy>,
}

impl Settings {
    /// Makes the settings for the service at this address.
    pub(super) fn new(config: &CloudConfig, url: &str) -> Result<Self, CloudError> {
        let proxy = config
            .proxies
            .toward(url)
            .map_err(|error| CloudError::Proxy { variable: error.variable, reason: error.reason.to_owned() })?;
        Ok(Self { silence: config.silence, tls: tls(config)?, proxy })
    }

    /// Returns a client for requests that are answered at once.
    pub(super) fn agent(&self) -> Agent {
        self.config(self.silence).new_agent()
    }

    /// Returns the configuration for requests whose answer may take `answer`. While it gets the request, the service may pause
    /// for at most [`CloudConfig::silence`].
    pub(super) fn config(&self, answer: Duration) -> Config {
        Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(answer))
            .timeout_per_read(Some(answer))
            .timeout_per_write(Some(self.silence))
            .http_status_as_error(false)
            // A token must not be sent to the target of a redirect.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("goldsmith/", env!("CARGO_PKG_VERSION")))
            .tls_config(self.tls.clone())
            // Otherwise the client would read the proxy from the environment.
            .proxy(self.proxy.clone())
            .build()
    }
}

fn tls(config: &CloudConfig) -> Result<TlsConfig, CloudError> {
    let mut tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).disable_verification(!config.verify);
    if let Some(path) = &config.ca_file {
        tls = tls.root_certs(RootCerts::new_with_certs(&certificates_of(path)?));
    }
    if let Some(ClientFiles { certificate, key }) = &config.client {
        let path = key.as_ref().unwrap_or(certificate);
        let key = private_key(&std::fs::read(path).at(path)?).map_err(|reason| unfit(path, &reason))?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&certificates_of(certificate)?, key)));
    }
    Ok(tls.build())
}

fn certificates_of(path: &Path) -> Result<Vec<Certificate<'static>>, CloudError> {
    certificates(&std::fs::read(path).at(path)?).map_err(|reason| unfit(path, &reason))
}

fn unfit(path: &Path, reason: &str) -> CloudError {
    CloudError::Certificates { path: path.to_owned(), reason: reason.to_owned() }
}
