//! Signatures of images: the properties `img_signature*`, by which Glance verifies data that it gets, and Nova images that it
//! boots.
//!
//! Both verify with the library cursive (`signature_utils.py`). It defines the names of key types and digests, and uses the
//! longest possible salt for RSA-PSS. This module signs and verifies with `openssl`, which supports all these keys.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::image::Image;
use crate::fetch::Secret;
use crate::fsx::{IoContext as _, PathError};
use crate::image::digests::Digests;
use crate::interrupt::Interrupt;
use crate::process::{self, ProcessError};
use crate::recipe::publish::Hash;

/// Property with the signature.
pub const SIGNATURE: &str = "img_signature";
/// Property with the name of the signed digest.
pub const HASH: &str = "img_signature_hash_method";
/// Property with the type of the key.
pub const KEY: &str = "img_signature_key_type";
/// Property with the id of the certificate in the key manager.
pub const CERTIFICATE: &str = "img_signature_certificate_uuid";

/// Time limit of `openssl`: signing takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// Message of `openssl pkeyutl` about a wrong signature.
const WRONG: &str = "Signature Verification Failure";

/// Beginning of a public key's algorithm in DER (RFC 3279, section 2.3, and SEC 2, appendix A), and cursive's name of the key
/// type.
const KINDS: [(&[u8], &str); 7] = [
    // 1.2.840.113549.1.1.1
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", RSA_PSS),
    // 1.2.840.10045.2.1 with 1.3.132.0.x
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22", "ECC_SECP384R1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23", "ECC_SECP521R1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x24", "ECC_SECT409K1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x25", "ECC_SECT409R1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x26", "ECC_SECT571K1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x27", "ECC_SECT571R1"),
];

const RSA_PSS: &str = "RSA-PSS";

/// An error of signing or verifying.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// `openssl` cannot read a key or certificate.
    #[error("openssl does not read the {what}")]
    Unreadable {
        /// The object: `key`, `certificate`.
        what: &'static str,
        /// The error of `openssl`.
        #[source]
        source: ProcessError,
    },
    /// `openssl` reads the certificate, but does not print a field.
    #[error("openssl does not tell the {what} of the certificate")]
    Untold {
        /// The field, such as `subject`.
        what: &'static str,
    },
    /// The key cannot be read without a passphrase.
    #[error("the key is protected by a passphrase, and goldsmith cannot ask for it")]
    Passphrase,
    /// Image services cannot verify signatures by keys of this type.
    #[error("image services cannot verify the key of the certificate: it must be RSA, or ECC on {}", curves())]
    Kind,
    /// Certificate and key do not belong together.
    #[error("the certificate `{subject}` is of another key")]
    OtherKey {
        /// Subject of the certificate.
        subject: String,
    },
    /// The certificate has expired.
    #[error("the certificate `{subject}` has ended on {end}")]
    Ended {
        /// Subject of the certificate.
        subject: String,
        /// End date, as `openssl` writes it.
        end: String,
    },
    /// The image has no signature, or only a part of one.
    #[error("the image has no signature: it lacks {}", missing.join(", "))]
    None {
        /// The missing properties.
        missing: Vec<&'static str>,
    },
    /// A property of the signature has an impossible value.
    #[error("the image's `{property}` says `{value}`, which {reason}")]
    Property {
        /// The property.
        property: &'static str,
        /// The value.
        value: String,
        /// Description of the error.
        reason: String,
    },
    /// The signature is not one of this data by this key.
    #[error("the signature is not that of this data by the key of `{subject}`")]
    Wrong {
        /// Subject of the certificate.
        subject: String,
    },
    /// `openssl` fails.
    #[error("cannot {what}")]
    Tool {
        /// The task of `openssl`.
        what: &'static str,
        /// The error of `openssl`.
        #[source]
        source: ProcessError,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] PathError),
}

impl SignatureError {
    /// Returns advice for the user.
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unreadable { source: ProcessError::Start { .. }, .. }
            | Self::Tool { source: ProcessError::Start { .. }, .. } => {
                "install openssl, by which images are signed and signatures are verified"
            }
            Self::Unreadable { .. } => "it is a text in PEM, which begins with `-----BEGIN`",
            Self::Passphrase => "`openssl pkey -in KEY -out OTHER` removes it; keep the result in a store of secrets",
            Self::Kind => {
                "`openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072` makes a key that all services take"
            }
            Self::OtherKey { .. } => "name the certificate that was made for this key",
            Self::Ended { .. } => "make a new certificate: services that look at its dates would not boot the image",
            Self::Wrong { .. } => "do not use the data; ask who has published the image",
            _ => return None,
        })
    }
}

fn curves() -> String {
    let names: Vec<_> = KINDS.iter().filter_map(|(_, name)| name.strip_prefix("ECC_")).collect();
    names.join(", ")
}

impl Hash {
    /// All digests, with their names in cursive and in openssl.
    const ALL: [(Self, &str, &str); 4] = [
        (Self::Sha224, "SHA-224", "sha224"),
        (Self::Sha256, "SHA-256", "sha256"),
        (Self::Sha384, "SHA-384", "sha384"),
        (Self::Sha512, "SHA-512", "sha512"),
    ];

    fn names(self) -> (&'static str, &'static str) {
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

/// A certificate, and the public key in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pem: String,
    subject: String,
    fingerprint: String,
    ends: String,
    public: String,
    kind: &'static str,
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
pub struct Key(Secret);

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
fn options(hash: Hash, kind: &str) -> Vec<String> {
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

/// Runs `openssl` and returns its lines. Its standard input, which may be a key, is never written to a disk.
fn openssl(arguments: &[&str], input: &str) -> Result<Vec<String>, ProcessError> {
    let input =
        in_memory(input.as_bytes()).map_err(|source| ProcessError::Start { program: "openssl".to_owned(), source })?;
    let mut lines = Vec::new();
    let mut command = Command::new("openssl");
    let keep = |line: &str| lines.push(line.to_owned());
    process::run_lines_from(command.args(arguments), Some(input), &Interrupt::new(), Some(DEADLINE), keep)?;
    Ok(lines)
}

fn in_memory(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

/// Returns the public key in the output of `openssl`.
fn public_key(lines: &[String]) -> String {
    let end = |line: &&String| line.starts_with("-----END PUBLIC KEY");
    let lines = lines.iter().skip_while(|line| !line.starts_with("-----BEGIN PUBLIC KEY"));
    let mut key = String::new();
    for line in lines {
        key.push_str(line);
        key.push('\n');
        if end(&line) {
            break;
        }
    }
    key
}

/// Returns cursive's name of a key's type.
fn kind(public: &str) -> Option<&'static str> {
    let text: String = public.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(text).ok()?;
    // The algorithm follows the heads of two sequences, which have two or three bytes each.
    let known = |algorithm: &[u8]| (4..=7).any(|at| der.get(at..).is_some_and(|rest| rest.starts_with(algorithm)));
    KINDS.iter().find(|(algorithm, _)| known(algorithm)).map(|(_, name)| *name)
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
