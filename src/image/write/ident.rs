//! Identifiers in image files. They depend only on a seed and a purpose.

use sha2::Digest as _;

/// Returns a universally unique identifier of version 8 (RFC 9562), in network order.
pub(in crate::image) fn uuid(seed: &[u8; 32], purpose: &str) -> [u8; 16] {
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

/// Returns the identifier in the byte order of Microsoft and VirtualBox: the first three fields are little-endian.
pub(in crate::image) fn mixed_endian(mut uuid: [u8; 16]) -> [u8; 16] {
    uuid[..4].reverse();
    uuid[4..6].reverse();
    uuid[6..8].reverse();
    uuid
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
        let order = std::array::from_fn(|index| u8::try_from(index).expect("small"));
        assert_eq!(mixed_endian(order), [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]);
    }
}
