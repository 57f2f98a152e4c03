//! Identifiers that derive from a seed.

use std::fmt;

use sha2::Digest as _;

use crate::digest::Sha256;

/// A universally unique identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// Returns an identifier of version 8 (RFC 9562) that depends only on a seed and a purpose.
    pub fn derive(seed: &Sha256, purpose: &str) -> Self {
        let mut bytes = derive(seed, purpose);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::encode(self.0);
        write!(f, "{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
    }
}

/// Returns bytes that depend only on a seed and a purpose.
pub(super) fn derive(seed: &Sha256, purpose: &str) -> [u8; 16] {
    let mut hasher = sha2::Sha256::new();
    hasher.update(seed.bytes());
    hasher.update(purpose.as_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes
}
