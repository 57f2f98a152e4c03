//! Certificates in PEM files: those by which this machine tells a server who it is, and those of authorities.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::Secret;
use crate::recipe::Bootstrap;

/// What the mirror of a recipe needs to know who asks, and what tells this machine that it speaks to the mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorCertificates {
    /// A client certificate and its private key as PEM.
    client: Option<Secret>,
    /// File with the certificates of the authorities that the mirror's own certificate comes from.
    authority: Option<PathBuf>,
}

impl MirrorCertificates {
    /// Returns the certificates that a recipe names; `None` if it names none.
    ///
    /// # Errors
    ///
    /// The secret has no value, or is not a PEM file with a certificate and a key.
    pub fn of(source: &Bootstrap, secrets: &BTreeMap<String, Vec<u8>>) -> Result<Option<Self>, String> {
        let client = match &source.client_certificate {
            None => None,
            Some(name) => {
                let value = secrets.get(name).ok_or_else(|| format!("the secret `{name}` has no value"))?;
                let wrong = |reason: &str| format!("the secret `{name}` cannot be a client certificate: {reason}");
                let pem = std::str::from_utf8(value).map_err(|_| wrong("it is not text"))?;
                certificates(value).and_then(|_| private_key(value)).map_err(|reason| wrong(&reason))?;
                Some(Secret::new(pem))
            }
        };
        let authority = source.certificate_authority.as_ref().map(PathBuf::from);
        Ok((client.is_some() || authority.is_some()).then_some(Self { client, authority }))
    }

    /// Returns the client certificate and its private key as PEM.
    pub fn client(&self) -> Option<&Secret> {
        self.client.as_ref()
    }

    /// Returns the file with the certificates of authorities.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// Returns the settings of a connection to the mirror.
    ///
    /// # Errors
    ///
    /// The file of the authority cannot be read, or holds no certificate.
    pub(super) fn tls(&self) -> Result<TlsConfig, String> {
        let mut roots = RootCerts::PlatformVerifier;
        if let Some(path) = &self.authority {
            let named = |reason: String| format!("{}: {reason}", path.display());
            let pem = std::fs::read(path).map_err(|error| named(error.to_string()))?;
            roots = RootCerts::new_with_certs(&certificates(&pem).map_err(named)?);
        }
        let mut tls = TlsConfig::builder().root_certs(roots);
        if let Some(client) = &self.client {
            let pem = client.reveal().as_bytes();
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&certificates(pem)?, private_key(pem)?)));
        }
        Ok(tls.build())
    }
}

/// Returns the certificates of a PEM file; at least one.
///
/// # Errors
///
/// The reason why there is none.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let certificate = |item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    let found: Vec<_> = items(pem)?.into_iter().filter_map(certificate).collect();
    if found.is_empty() { Err("it is no PEM file with a certificate".to_owned()) } else { Ok(found) }
}

/// Returns the private key of a PEM file.
///
/// # Errors
///
/// The reason why there is none.
pub(crate) fn private_key(pem: &[u8]) -> Result<PrivateKey<'static>, String> {
    let key = |item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    };
    let found = items(pem)?.into_iter().find_map(key);
    found.ok_or_else(|| "it is no PEM file with a private key that has no password".to_owned())
}

fn items(pem: &[u8]) -> Result<Vec<PemItem<'static>>, String> {
    parse_pem(pem).collect::<Result<_, _>>().map_err(|error| error.to_string())
}
