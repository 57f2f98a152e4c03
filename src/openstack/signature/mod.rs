//! Signs images, and verifies their signatures: the properties `img_signature*`. With these, Glance verifies data that it gets,
//! and Nova verifies images before it boots them.
//!
//! Both verify with the library cursive (`signature_utils.py`). It defines the names of key types and digests, and uses the
//! longest possible salt for RSA-PSS. This module signs and verifies with `openssl`, which supports all these keys.

mod certificate;
mod error;
mod openssl;
mod sign;
#[cfg(test)]
mod tests;

pub use certificate::{Certificate, Key};
pub use error::SignatureError;
pub use sign::{CERTIFICATE, HASH, KEY, SIGNATURE, Signature};
