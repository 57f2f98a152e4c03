//! Digests of files, computed while the files are written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::digest::Sha256;

/// The digests to compute besides SHA-256, which every file has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds {
    /// SHA-512, which the image service computes as `os_hash_value`.
    pub sha512: bool,
    /// MD5, which the image service still calls `checksum`. It protects from accidents only.
    pub md5: bool,
}

impl Kinds {
    /// Returns whether a digest is computed.
    pub fn has(self, checksum: Checksum) -> bool {
        match checksum {
            Checksum::Sha256 => true,
            Checksum::Sha512 => self.sha512,
            Checksum::Md5 => self.md5,
        }
    }
}

/// Kind of digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// SHA-256, which every artifact has.
    Sha256,
    /// SHA-512, which the image service computes as `os_hash_value`.
    Sha512,
    /// MD5, which the image service calls `checksum`. It protects from accidents only.
    Md5,
}

impl Checksum {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha512, Self::Md5];

    /// Returns the name of the file that lists these digests for a directory.
    pub fn file(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256SUMS",
            Self::Sha512 => "SHA512SUMS",
            Self::Md5 => "MD5SUMS",
        }
    }
}

impl Digests {
    /// Returns a digest in lowercase hexadecimal, if it was computed.
    pub fn get(&self, checksum: Checksum) -> Option<String> {
        match checksum {
            Checksum::Sha256 => Some(self.sha256.to_string()),
            Checksum::Sha512 => self.sha512.clone(),
            Checksum::Md5 => self.md5.clone(),
        }
    }
}

/// Digests of one file, in lowercase hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// SHA-256.
    pub sha256: Sha256,
    /// SHA-512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
    /// MD5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
}

/// A hasher that computes several digests of the same bytes.
#[derive(Debug, Clone)]
pub struct Hasher {
    sha256: sha2::Sha256,
    sha512: Option<sha2::Sha512>,
    md5: Option<md5::Md5>,
}

impl Hasher {
    /// Creates a hasher without any bytes.
    pub fn new(kinds: Kinds) -> Self {
        Self {
            sha256: sha2::Sha256::new(),
            sha512: kinds.sha512.then(sha2::Sha512::new),
            md5: kinds.md5.then(md5::Md5::new),
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        // Small enough for a processor's first cache, where the second digest then finds it.
        for piece in bytes.chunks(16 << 10) {
            self.sha256.update(piece);
            if let Some(sha512) = &mut self.sha512 {
                sha512.update(piece);
            }
            if let Some(md5) = &mut self.md5 {
                md5.update(piece);
            }
        }
    }

    /// Computes the digests of a complete file, each in its own thread.
    pub fn of_file(file: &File, kinds: Kinds) -> io::Result<Digests> {
        let read = |take: &mut dyn FnMut(&[u8])| {
            let mut buffer = vec![0; 256 << 10];
            let mut position = 0;
            loop {
                match file.read_at(&mut buffer, position)? {
                    0 => return io::Result::Ok(()),
                    n => {
                        take(&buffer[..n]);
                        position += n as u64;
                    }
                }
            }
        };
        let mut all = Self::new(kinds);
        let Self { sha256, sha512, md5 } = &mut all;
        let (first, others) = rayon::join(
            || read(&mut |bytes| sha256.update(bytes)),
            || {
                if sha512.is_none() && md5.is_none() {
                    return Ok(());
                }
                read(&mut |bytes| {
                    sha512.iter_mut().for_each(|hasher| hasher.update(bytes));
                    md5.iter_mut().for_each(|hasher| hasher.update(bytes));
                })
            },
        );
        first.and(others)?;
        Ok(all.finish())
    }

    /// Returns the digests of all bytes.
    pub fn finish(self) -> Digests {
        let sha256: [u8; 32] = self.sha256.finalize().into();
        Digests {
            sha256: sha256.into(),
            sha512: self.sha512.map(|hasher| hex::encode(hasher.finalize())),
            md5: self.md5.map(|hasher| hex::encode(hasher.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_known_ones() {
        let mut hasher = Hasher::new(Kinds { sha512: true, md5: true });
        hasher.update(b"a");
        hasher.update(b"bc");
        let digests = hasher.finish();
        // FIPS 180-2, appendices B and C; RFC 1321, appendix A.5.
        assert!(digests.sha256.to_string().starts_with("ba7816bf8f01cfea"));
        assert!(digests.sha512.expect("asked for").starts_with("ddaf35a193617aba"));
        assert_eq!(digests.md5.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
    }
}
