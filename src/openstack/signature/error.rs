//! The errors of making and of verifying a signature.

use super::openssl::KINDS;
use crate::fsx::PathError;
use crate::process::ProcessError;

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
