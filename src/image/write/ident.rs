//! Identifiers within image files: they depend on nothing but a seed and a purpose.

use sha2::Digest as _;

/// A universally unique identifier of version 8 (RFC 9562), in network order.
pub(super) fn uuid(seed: &[u8; 32], purpose: &str) -> [u8; 16] {
    let mut hasher = sha2::Sha256::new();
    hasher.update(seed);
    hasher.update(purpose.as_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_differ_by_seed_and_purpose_and_are_well_formed() {
        let first = uuid(&[0; 32], "a");
        assert_eq!(first, uuid(&[0; 32], "a"));
        assert!(first != uuid(&[0; 32], "b") && first != uuid(&[1; 32], "a"));
        assert_eq!((first[6] >> 4, first[8] >> 6), (8, 2));
    }
}
