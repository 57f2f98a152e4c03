//! Certificates in the key manager, by version 1 of Barbican's API ("Secrets API").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::image::encoded;
use super::signature::Certificate;
use super::{Cloud, CloudError};

/// How content is stored that the image service reads as a certificate: castellan takes it as PEM in bytes.
const BYTES: &str = "application/octet-stream";

/// What is asked for of a secret that has no content type: it was made without content.
const NOTHING: &str = "it has no content";

#[derive(Deserialize)]
struct Secrets {
    secrets: Vec<Secret>,
}

/// A secret without its content.
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
    /// The content of a secret, which should be a certificate in PEM.
    ///
    /// # Errors
    ///
    /// If there is no key manager, or it has no such secret, or does not give it to this user.
    pub fn stored_certificate(&self, id: &str) -> Result<String, CloudError> {
        let url = format!("{}/v1/secrets/{}", self.key_manager()?, encoded(id));
        let secret: Secret = self.get_from(&url)?;
        self.content(&url, &secret)
    }

    /// Id under which the key manager has this certificate: stored now unless it was there before. Whatever stores it again
    /// finds it by its name, which follows from the certificate.
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
            // Anybody of the project may have given this name to something else.
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
        String::from_utf8(bytes).map_err(|_| strange("it is no text, and a certificate in PEM is"))
    }
}

/// The id at the end of a reference, whose host is the key manager's own opinion of its address.
fn id_of(reference: &str) -> &str {
    reference.trim_end_matches('/').rsplit('/').next().unwrap_or(reference)
}
