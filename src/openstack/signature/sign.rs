//! Signs and verifies the data of an image.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::image::Image;
use super::certificate::{Certificate, Key};
use super::error::SignatureError;
use super::openssl::{KINDS, RSA_PSS, openssl};
use crate::fsx::{IoContext as _, PathError};
use crate::image::digests::Digests;
use crate::process::ProcessError;
use crate::recipe::publish::Hash;

/// Property with the signature.
pub const SIGNATURE: &str = "img_signature";

/// Property with the name of the signed digest.
pub const HASH: &str = "img_signature_hash_method";

/// Property with the type of the key.
pub const KEY: &str = "img_signature_key_type";

/// Property with the id of the certificate in the key manager.
pub const CERTIFICATE: &str = "img_signature_certificate_uuid";

/// Message of `openssl pkeyutl` about a wrong signature.
const WRONG: &str = "Signature Verification Failure";

impl Hash {
    /// All digests, with their names in cursive and in openssl.
    const ALL: [(Self, &str, &str); 4] = [
        (Self::Sha224, "SHA-224", "sha224"),
        (Self::Sha256, "SHA-256", "sha256"),
        (Self::Sha384, "SHA-384", "sha384"),
        (Self::Sha512, "SHA-512", "sha512"),
    ];

    pub(super) fn names(self) -> (&'static str, &'static str) {
        let (_, cursive, openssl) = Self::ALL[self as usize];
        (cursive, openssl)
    }

    /// Returns the digest of a file, from the known digests if possible.
    fn of(self, file: &Path, known: &Digests) -> Result<Vec<u8>, PathError> {
        let told = match self {
            Self::Sha256 => return Ok(known.sha256.bytes().to_vec()),
            Self::Sha512 => known.sha512.as_deref().and_then(|digest| hex::decode(digest).ok()),
            Self::Sha224 | Self::Sha384 => None,
        };
        match (told, self) {
            (Some(digest), _) => Ok(digest),
            (None, Self::Sha224) => hashed::<sha2::Sha224>(file),
            (None, Self::Sha384) => hashed::<sha2::Sha384>(file),
            (None, _) => hashed::<sha2::Sha512>(file),
        }
    }
}

fn hashed<D: sha2::Digest>(file: &Path) -> Result<Vec<u8>, PathError> {
    let mut opened = File::open(file).at(file)?;
    let (mut hasher, mut buffer) = (D::new(), vec![0; 256 << 10]);
    loop {
        match opened.read(&mut buffer).at(file)? {
            0 => return Ok(hasher.finalize().to_vec()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// A signature of an image, without the place of its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    signature: Vec<u8>,
    hash: Hash,
    kind: &'static str,
}

impl Signature {
    /// Signs a file. Digests that are not known are computed.
    ///
    /// # Errors
    ///
    /// If the key is not that of the certificate, or `openssl` fails.
    pub fn sign(
        file: &Path,
        digests: &Digests,
        hash: Hash,
        key: &Key,
        certificate: &Certificate,
    ) -> Result<Self, SignatureError> {
        key.belongs_to(certificate)?;
        let (dir, digest) = digest_in_file(&hash.of(file, digests)?)?;
        let out = dir.path().join("signature");
        let mut arguments = vec!["pkeyutl", "-sign", "-inkey", "/dev/stdin"];
        let (digest, written) = (digest.to_string_lossy(), out.to_string_lossy());
        arguments.extend(["-in", &digest, "-out", &written]);
        let options = options(hash, certificate.kind);
        arguments.extend(options.iter().map(String::as_str));
        openssl(&arguments, key.0.reveal())
            .map_err(|source| SignatureError::Tool { what: "sign the image", source })?;
        Ok(Self { signature: std::fs::read(&out).at(&out)?, hash, kind: certificate.kind })
    }

    /// Reads the signature of an image, and the id of its certificate.
    ///
    /// # Errors
    ///
    /// If the image has no signature, or one that cannot be verified.
    pub fn of(image: &Image) -> Result<(Self, String), SignatureError> {
        let told = |name: &str| image.properties.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
        let names = [SIGNATURE, HASH, KEY, CERTIFICATE];
        let [Some(signature), Some(hash), Some(kind), Some(certificate)] = names.map(told) else {
            return Err(SignatureError::None {
                missing: names.into_iter().filter(|name| told(name).is_none()).collect(),
            });
        };
        let wrong = |property, value: &str, reason: String| SignatureError::Property {
            property,
            value: value.to_owned(),
            reason,
        };
        let decoded = STANDARD
            .decode(signature)
            .map_err(|error| wrong(SIGNATURE, signature, format!("is no base64: {error}")))?;
        let known = Hash::ALL.iter().find(|(_, name, _)| *name == hash);
        let (hash, ..) = known.ok_or_else(|| wrong(HASH, hash, "is no digest that is known".to_owned()))?;
        let known = KINDS.iter().find(|(_, name)| *name == kind);
        let (_, kind) = known.ok_or_else(|| wrong(KEY, kind, "is no kind of key that is known".to_owned()))?;
        Ok((Self { signature: decoded, hash: *hash, kind }, certificate.to_owned()))
    }

    /// Returns the properties of an image with this signature. `certificate` is the id of the certificate in the key manager.
    pub fn properties(&self, certificate: &str) -> BTreeMap<String, String> {
        let told = [
            (SIGNATURE, STANDARD.encode(&self.signature)),
            (HASH, self.hash.names().0.to_owned()),
            (KEY, self.kind.to_owned()),
            (CERTIFICATE, certificate.to_owned()),
        ];
        told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Verifies that this is the signature of a file by the key of a certificate.
    ///
    /// # Errors
    ///
    /// If the signature is wrong, or `openssl` fails.
    pub fn verify(&self, file: &Path, digests: &Digests, certificate: &Certificate) -> Result<(), SignatureError> {
        let wrong = || SignatureError::Wrong { subject: certificate.subject.clone() };
        if self.kind != certificate.kind {
            return Err(wrong());
        }
        let (dir, digest) = digest_in_file(&self.hash.of(file, digests)?)?;
        let signature = dir.path().join("signature");
        std::fs::write(&signature, &self.signature).at(&signature)?;
        let mut arguments = vec!["pkeyutl", "-verify", "-pubin", "-inkey", "/dev/stdin"];
        let (digest, signature) = (digest.to_string_lossy(), signature.to_string_lossy());
        arguments.extend(["-in", &digest, "-sigfile", &signature]);
        let options = options(self.hash, self.kind);
        arguments.extend(options.iter().map(String::as_str));
        match openssl(&arguments, &certificate.public) {
            Ok(_) => Ok(()),
            Err(ProcessError::Failed { tail, .. }) if tail.iter().any(|line| line.contains(WRONG)) => Err(wrong()),
            Err(source) => Err(SignatureError::Tool { what: "verify the signature", source }),
        }
    }
}

/// Returns the options with which `openssl pkeyutl` signs and verifies like cursive.
pub(super) fn options(hash: Hash, kind: &str) -> Vec<String> {
    let digest = format!("digest:{}", hash.names().1);
    let mut options = vec!["-pkeyopt".to_owned(), digest];
    if kind == RSA_PSS {
        for option in ["rsa_padding_mode:pss", "rsa_pss_saltlen:max"] {
            options.extend(["-pkeyopt".to_owned(), option.to_owned()]);
        }
    }
    options
}

/// Writes a digest to a file for `openssl`. It is no secret.
fn digest_in_file(digest: &[u8]) -> Result<(tempfile::TempDir, std::path::PathBuf), PathError> {
    let dir = tempfile::tempdir().at(std::env::temp_dir())?;
    let path = dir.path().join("digest");
    std::fs::write(&path, digest).at(&path)?;
    Ok((dir, path))
}
