//! Signing what is published.

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

/// By what an image is signed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signing {
    key: Key,
    certificate: Certified,
    hash: Hash,
}

/// Where the certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Certified {
    /// In the cloud's key manager, under this id.
    Stored(String),
    /// Here, as a text in PEM.
    Text(String),
}

/// An artifact that is signed.
#[derive(Debug)]
pub(super) struct Signed {
    /// The properties that say so.
    pub properties: BTreeMap<String, String>,
    file: PathBuf,
    digests: Digests,
    certificate: Certificate,
}

impl Signing {
    /// Reads what a target says about signing.
    ///
    /// # Errors
    ///
    /// If key or certificate cannot be read.
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

    /// The certificate, if it is one that signs: it belongs to the key, and has not ended.
    ///
    /// # Errors
    ///
    /// If it cannot be had, or does not do.
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

    /// What would keep an image from being signed.
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

    /// Signs an artifact. The certificate is in the key manager then.
    ///
    /// # Errors
    ///
    /// If that fails. Nothing is signed but what was built.
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
    /// Whether an image at the service has a signature like this one: of the same data, digest and certificate.
    pub(super) fn is_of(&self, image: &Image) -> bool {
        let Ok((known, id)) = Signature::of(image) else { return false };
        let told = |name: &str| self.properties.get(name);
        let hash = image.properties.get(signature::HASH).and_then(|hash| hash.as_str());
        told(signature::CERTIFICATE) == Some(&id)
            && told(signature::HASH).map(String::as_str) == hash
            && known.verify(&self.file, &self.digests, &self.certificate).is_ok()
    }
}
