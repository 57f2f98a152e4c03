//! Container images in a registry: OCI Distribution Specification 1.1, "Pull".

use std::cell::RefCell;

use super::access::{self, Access};
use super::blobs::Blobs;
use super::error::ContainerError;
use super::spec::{Descriptor, INDEXES, LIMIT, MANIFESTS};
use crate::digest::Sha256;
use crate::fetch::connection::{HttpError, redacted};
use crate::fetch::http::{self, Answer};
use crate::fetch::image::Means;
use crate::fetch::image_error::ImageError;
use crate::fetch::network::Headers;
use crate::fetch::transfer::Transfer;
use crate::fetch::{Network, Secret};
use crate::recipe::{ContainerSource, Reference};

/// An image in a registry.
pub(super) struct Registry<'a> {
    image: String,
    host: String,
    name: String,
    /// The tag, or the digest as registries write it.
    reference: String,
    /// `https`, or `http` where that is allowed.
    scheme: &'static str,
    network: Network,
    means: Means<'a>,
    /// What the registry gets with each request, once it has asked for it.
    authorization: RefCell<Option<Secret>>,
}

impl<'a> Registry<'a> {
    /// Finds out how to reach the registry of an image.
    pub(super) fn new(
        reference: &Reference,
        source: &ContainerSource,
        means: &Means<'a>,
    ) -> Result<Self, ContainerError> {
        let Reference::Registry { host, name, tag, digest } = reference else {
            let reason = "it is in no registry".to_owned();
            return Err(ContainerError::Name { name: source.source.clone(), reason });
        };
        let digest = digest.map(|digest| format!("sha256:{digest}"));
        let mut network = means.network.allowing(source.insecure);
        // Registries have logins of their own.
        network.logins = crate::fetch::netrc::Netrc::default();
        Ok(Self {
            image: source.source.clone(),
            host: host.clone(),
            name: name.clone(),
            reference: digest.or_else(|| tag.clone()).unwrap_or_default(),
            scheme: access::scheme(host, source.insecure),
            network,
            means: *means,
            authorization: RefCell::new(None),
        })
    }

    /// Returns the manifest that the image's name means, or the one with a digest, with its media type.
    pub(super) fn manifest(&self, known: Option<Sha256>) -> Result<(Vec<u8>, String), ContainerError> {
        let reference = known.map_or_else(|| self.reference.clone(), |sha256| format!("sha256:{sha256}"));
        let url = self.url("manifests", &reference);
        let accept = [INDEXES, MANIFESTS].concat().join(", ");
        let mut attempt = 1;
        loop {
            match self.manifest_once(&url, &accept) {
                Err(ContainerError::Fetch(ImageError::Http(HttpError::Failed { transient: true, .. })))
                    if attempt < http::ATTEMPTS =>
                {
                    http::pause(attempt, self.means.interrupt)?;
                }
                Err(error) => return Err(error),
                Ok((content, kind)) => {
                    let found = Sha256::of(&content);
                    if let Some(expected) =
                        known.or_else(|| super::spec::sha256(&self.reference)).filter(|it| *it != found)
                    {
                        let (part, image) = ("the manifest".to_owned(), self.image.clone());
                        return Err(ContainerError::WrongDigest { part, image, expected, found });
                    }
                    return Ok((content, kind));
                }
            }
            attempt += 1;
        }
    }

    fn manifest_once(&self, url: &str, accept: &str) -> Result<(Vec<u8>, String), ContainerError> {
        let answer = self.ask(url, Some(accept.to_owned()))?;
        let kind = answer.content_type.clone().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        Ok((self.body(&answer, url)?, kind))
    }

    /// Reads a whole small body.
    fn body(&self, answer: &Answer, url: &str) -> Result<Vec<u8>, ContainerError> {
        let mut content = Vec::new();
        while let Some(chunk) = answer.next(self.means.interrupt)? {
            content.extend(chunk);
            if content.len() as u64 > LIMIT {
                return Err(ContainerError::part("the manifest", &self.image, format!("has more than {LIMIT} bytes")));
            }
        }
        match answer.length {
            Some(length) if length != content.len() as u64 => {
                let reason = format!("the connection ended after {} of {length} bytes", content.len());
                Err(HttpError::Failed { url: redacted(url), reason, transient: true }.into())
            }
            _ => Ok(content),
        }
    }

    /// Sends a request, and again with what the registry wants to know if it asks for that.
    fn ask(&self, url: &str, accept: Option<String>) -> Result<Answer, ContainerError> {
        let mut asked = false;
        loop {
            let headers = Headers { accept: accept.clone(), authorization: self.authorization.borrow().clone() };
            let answer = http::get_with(url, 0, &headers, &self.network, self.means.interrupt)?;
            match answer.status {
                200 => return Ok(answer),
                401 if !asked => {
                    asked = true;
                    *self.authorization.borrow_mut() = Some(self.access().authorization(&answer.challenges)?);
                }
                401 | 403 => return Err(self.access().refused()),
                404 => return Err(ContainerError::NotThere { image: self.image.clone(), known: Vec::new() }),
                _ => {
                    answer.wait_as_asked(self.means.interrupt)?;
                    return Err(answer.refused(url).into());
                }
            }
        }
    }

    fn access(&self) -> Access<'_> {
        Access {
            image: &self.image,
            host: &self.host,
            name: &self.name,
            scheme: self.scheme,
            actions: "pull",
            network: &self.network,
            interrupt: self.means.interrupt,
        }
    }

    fn url(&self, kind: &str, reference: &str) -> String {
        format!("{}/{kind}/{reference}", access::root(self.scheme, &self.host, &self.name))
    }
}

impl Blobs for Registry<'_> {
    fn image(&self) -> &str {
        &self.image
    }

    fn bring(&self, descriptor: &Descriptor, transfer: &mut Transfer<'_>) -> Result<(), ContainerError> {
        let is_manifest = descriptor.is_manifest() || descriptor.is_index();
        let sha256 = descriptor.sha256(&self.image)?;
        let url = self.url(if is_manifest { "manifests" } else { "blobs" }, &format!("sha256:{sha256}"));
        let accept = is_manifest.then(|| descriptor.media_type.clone());
        if self.means.offline {
            return Err(ImageError::NotCached(format!("a part of {}", self.image)).into());
        }
        let ask_with = |transfer: &mut Transfer<'_>| {
            let authorization = self.authorization.borrow().clone();
            transfer.ask_with(Headers { accept: accept.clone(), authorization });
        };
        ask_with(transfer);
        match transfer.download(&url, &self.network) {
            Err(ImageError::Http(HttpError::Failed { transient: false, .. })) => {}
            result => return Ok(result?),
        }
        // The registry asks for a token, or the one that it gave counts no longer: layers may take longer than that.
        *self.authorization.borrow_mut() = None;
        drop(self.ask(&url, accept.clone())?);
        ask_with(transfer);
        Ok(transfer.download(&url, &self.network)?)
    }
}
