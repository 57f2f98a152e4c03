//! Certificates, and the keys that belong to them.

use super::error::SignatureError;
use super::openssl::{kind, openssl, public_key};
use crate::fetch::Secret;
use crate::process::ProcessError;

/// A certificate, and the public key in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub(super) pem: String,
    pub(super) subject: String,
    pub(super) fingerprint: String,
    pub(super) ends: String,
    pub(super) public: String,
    pub(super) kind: &'static str,
}

impl Certificate {
    /// Reads a certificate in PEM.
    ///
    /// # Errors
    ///
    /// If the text is no certificate, or image services do not support the type of its key.
    pub fn read(pem: &str) -> Result<Self, SignatureError> {
        let options =
            ["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-fingerprint", "-sha256", "-enddate", "-pubkey"];
        let lines = openssl(&options, pem);
        let lines = lines.map_err(|source| SignatureError::Unreadable { what: "certificate", source })?;
        // Some versions of openssl write the names of digests in capital letters.
        let told = |what: &'static str| {
            let mut values = lines.iter().filter_map(|line| line.split_once('='));
            let value = values.find(|(name, _)| name.trim().eq_ignore_ascii_case(what));
            value.map(|(_, value)| value.trim().to_owned()).ok_or(SignatureError::Untold { what })
        };
        let public = public_key(&lines);
        Ok(Self {
            pem: pem.to_owned(),
            subject: told("subject")?,
            fingerprint: told("sha256 fingerprint")?.replace(':', "").to_lowercase(),
            ends: told("notAfter")?,
            kind: kind(&public).ok_or(SignatureError::Kind)?,
            public,
        })
    }

    /// Returns the text of the certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the subject: RFC 2253.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the SHA-256 fingerprint, in lowercase hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Checks that the certificate has not expired.
    ///
    /// # Errors
    ///
    /// If it has expired, or `openssl` fails.
    pub fn lasts(&self) -> Result<(), SignatureError> {
        match openssl(&["x509", "-noout", "-checkend", "0"], &self.pem) {
            Ok(_) => Ok(()),
            Err(ProcessError::Failed { .. }) => {
                Err(SignatureError::Ended { subject: self.subject.clone(), end: self.ends.clone() })
            }
            Err(source) => Err(SignatureError::Unreadable { what: "certificate", source }),
        }
    }
}

/// A private key in PEM. Messages never show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(pub(super) Secret);

impl Key {
    /// Makes a key of a text.
    pub fn new(pem: Secret) -> Self {
        Self(pem)
    }

    /// Checks that this is the key of a certificate.
    ///
    /// # Errors
    ///
    /// If it is another key, or cannot be read.
    pub fn belongs_to(&self, certificate: &Certificate) -> Result<(), SignatureError> {
        if self.0.reveal().contains("ENCRYPTED") {
            return Err(SignatureError::Passphrase);
        }
        let lines = openssl(&["pkey", "-in", "/dev/stdin", "-pubout"], self.0.reveal());
        let lines = lines.map_err(|source| SignatureError::Unreadable { what: "key", source })?;
        if public_key(&lines) == certificate.public {
            Ok(())
        } else {
            Err(SignatureError::OtherKey { subject: certificate.subject.clone() })
        }
    }
}
