//! Signs images for an image service, and stores the certificate in the cloud's key manager if it is not there.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use crate::fetch::Secret;
use crate::fsx::IoContext as _;
use crate::image::digests::{Digests, Hasher, Kinds};
use crate::openstack::Cloud;
use crate::openstack::image::Image;
use crate::openstack::signature::{self, Certificate, Key, Signature};
use crate::publish::context::Context;
use crate::publish::error::{PublishError, SigningError};
use crate::publish::problem::Problem;
use crate::publish::subject::Source;
use crate::recipe::SecretSource;
use crate::recipe::publish::{self, Hash, Sign};

/// The key, certificate and hash that sign an image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signing {
    key: Key,
    certificate: Certified,
    hash: Hash,
}

/// The place of the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Certified {
    /// In the cloud's key manager (Barbican), under this id.
    Stored(String),
    /// A text in PEM.
    Text(String),
}

/// The signature of an artifact.
#[derive(Debug)]
pub(super) struct Signed {
    /// Properties that Glance and Nova verify the signature by.
    pub properties: BTreeMap<String, String>,
    file: PathBuf,
    digests: Digests,
    certificate: Certificate,
}

impl Signing {
    /// Reads the keys of a target for signing.
    ///
    /// # Errors
    ///
    /// If the key or the certificate cannot be read.
    pub(super) fn of(sign: &Sign, context: &Context<'_>) -> Result<Self, PublishError> {
        let read = |source: &SecretSource, what: &str| {
            let told = |reason: String| PublishError::Secret(format!("there is no {what}: {reason}"));
            context.keys.secret(source).map_err(told)
        };
        let certificate = match &sign.certificate {
            publish::Certificate::Id(id) => Certified::Stored(id.clone()),
            publish::Certificate::File(path) => {
                Certified::Text(read(&SecretSource::File(path.clone()), "certificate to sign with")?)
            }
        };
        Ok(Self { key: Key::new(Secret::new(read(&sign.key, "key to sign with")?)), certificate, hash: sign.hash })
    }

    /// Returns the certificate, after checking that it belongs to the key and has not expired.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is not valid.
    pub(super) fn certificate(&self, cloud: &Cloud) -> Result<Certificate, SigningError> {
        let pem = match &self.certificate {
            Certified::Stored(id) => cloud.stored_certificate(id)?,
            Certified::Text(pem) => pem.clone(),
        };
        let certificate = Certificate::read(&pem)?;
        certificate.lasts()?;
        self.key.belongs_to(&certificate)?;
        Ok(certificate)
    }

    /// Returns the problem that would prevent signing.
    pub(super) fn problem(&self, cloud: &Cloud) -> Option<Problem> {
        let error = self.certificate(cloud).err()?;
        let message = |error: &dyn std::error::Error| match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let (message, help) = match &error {
            SigningError::Cloud(cloud) => (message(&error), cloud.help()),
            SigningError::Signature(signature) => (message(signature), signature.help().map(str::to_owned)),
            SigningError::File(_) | SigningError::Changed { .. } => (message(&error), None),
        };
        Some(Problem { message, help: help.unwrap_or_else(|| "name another key or certificate".to_owned()) })
    }

    /// Signs an artifact, and stores the certificate in the key manager if it is not there.
    ///
    /// # Errors
    ///
    /// If signing fails, or the artifact is not the one that was built.
    pub(super) fn sign(&self, cloud: &Cloud, source: &Source) -> Result<Signed, SigningError> {
        let certificate = self.certificate(cloud)?;
        let file = source.file();
        let opened = File::open(&file).at(&file)?;
        let kinds = Kinds { sha512: self.hash == Hash::Sha512, md5: false };
        let digests = Hasher::of_file(&opened, kinds).at(&file)?;
        if digests.sha256 != source.artifact.digests.sha256 {
            return Err(SigningError::Changed { file: file.display().to_string() });
        }
        let signature = Signature::sign(&file, &digests, self.hash, &self.key, &certificate)?;
        let id = match &self.certificate {
            Certified::Stored(id) => id.clone(),
            Certified::Text(_) => cloud.store_certificate(&certificate)?,
        };
        Ok(Signed { properties: signature.properties(&id), file, digests, certificate })
    }
}

impl Signed {
    /// Returns whether an image at the service has a valid signature of the same data, with the same hash and certificate.
    pub(super) fn is_of(&self, image: &Image) -> bool {
        let Ok((known, id)) = Signature::of(image) else { return false };
        let told = |name: &str| self.properties.get(name);
        let hash = image.properties.get(signature::HASH).and_then(|hash| hash.as_str());
        told(signature::CERTIFICATE) == Some(&id)
            && told(signature::HASH).map(String::as_str) == hash
            && known.verify(&self.file, &self.digests, &self.certificate).is_ok()
    }
}
