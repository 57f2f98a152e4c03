//! Reads and stores certificates in the key manager, by version 1 of Barbican's API ("Secrets API").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::image::encoded;
use super::signature::Certificate;
use super::{Cloud, CloudError};

/// Content type of certificates for the image service, whose library castellan reads PEM in bytes.
const BYTES: &str = "application/octet-stream";

/// Reason why a secret without a content type cannot be read: it was made without content.
const NOTHING: &str = "it has no content";

#[derive(Deserialize)]
struct Secrets {
    secrets: Vec<Secret>,
}

/// The metadata of a secret.
#[derive(Deserialize)]
struct Secret {
    secret_ref: String,
    #[serde(default)]
    content_types: Option<ContentTypes>,
}

#[derive(Deserialize)]
struct ContentTypes {
    default: String,
}

#[derive(Deserialize)]
struct Stored {
    secret_ref: String,
}

impl Cloud {
    /// Returns the content of a secret, which should be a certificate in PEM.
    ///
    /// # Errors
    ///
    /// If there is no key manager, or it lacks the secret, or it refuses this user.
    pub fn stored_certificate(&self, id: &str) -> Result<String, CloudError> {
        let url = format!("{}/v1/secrets/{}", self.key_manager()?, encoded(id));
        let secret: Secret = self.get_from(&url)?;
        self.content(&url, &secret)
    }

    /// Stores a certificate in the key manager, unless it is there, and returns its id. Its name follows from the certificate, so
    /// that the next run finds it.
    ///
    /// # Errors
    ///
    /// If there is no key manager, or it refuses.
    pub fn store_certificate(&self, certificate: &Certificate) -> Result<String, CloudError> {
        let manager = self.key_manager()?;
        let name = format!("goldsmith-{}", certificate.fingerprint());
        let list = format!("{manager}/v1/secrets?secret_type=certificate&name={}", encoded(&name));
        let known = self.get_from::<Secrets>(&list)?.secrets;
        for secret in known.into_iter().filter(|secret| secret.content_types.is_some()) {
            let url = format!("{manager}/v1/secrets/{}", encoded(id_of(&secret.secret_ref)));
            // Anybody in the project may have given this name to another secret.
            if self.content(&url, &secret)? == certificate.pem() {
                return Ok(id_of(&secret.secret_ref).to_owned());
            }
        }
        let stored: Stored = self.post_to(
            &format!("{manager}/v1/secrets"),
            &json!({
                "name": name,
                "secret_type": "certificate",
                "payload": STANDARD.encode(certificate.pem()),
                "payload_content_type": BYTES,
                "payload_content_encoding": "base64",
            }),
        )?;
        Ok(id_of(&stored.secret_ref).to_owned())
    }

    fn content(&self, url: &str, secret: &Secret) -> Result<String, CloudError> {
        let strange = |reason: &str| CloudError::Strange { url: url.to_owned(), reason: reason.to_owned() };
        let kind = secret.content_types.as_ref().map(|types| types.default.as_str()).ok_or_else(|| strange(NOTHING))?;
        let bytes = self.bytes_from(&format!("{url}/payload"), kind)?;
        String::from_utf8(bytes).map_err(|_| strange("it is no text, so it is no certificate in PEM"))
    }
}

/// Returns the id at the end of a reference. The host in it may not be the one that this client uses.
fn id_of(reference: &str) -> &str {
    reference.trim_end_matches('/').rsplit('/').next().unwrap_or(reference)
}
