//! Blobs: files of layers, compressed as a whole. Packs and unpacks them, and computes both digests on the way.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use regex::bytes::Regex;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use super::error::RemoteError;
use crate::digest::Sha256;
use crate::fsx::IoContext as _;
use crate::interrupt::Interrupt;

/// Folder of the blobs.
pub(super) const FOLDER: &str = "blobs";

/// Compression level. Higher ones save little: a base of 573 MB has 184 MB at 3, in 3.5 s, and 161 MB at 9, in 19 s.
const LEVEL: i32 = 3;

/// Bytes that are worked on at a time.
const CHUNK: usize = 256 << 10;

/// A compressed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Digest of the compressed bytes.
    pub sha256: Sha256,
    /// Number of compressed bytes.
    pub size: u64,
}

impl Blob {
    /// Returns the name of the blob in the store.
    pub fn name(&self) -> String {
        format!("{FOLDER}/{}.zst", self.sha256)
    }
}

/// The content of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

/// What must not be in a blob: the values of secrets.
pub(super) struct Forbidden {
    pattern: Regex,
    /// Length of the longest value.
    longest: usize,
}

impl Forbidden {
    /// Makes a search for values; `None` if there are none.
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a Vec<u8>>) -> Option<Self> {
        let values: Vec<_> = values.filter(|value| !value.is_empty()).collect();
        let longest = values.iter().map(|value| value.len()).max()?;
        let literal = |value: &&Vec<u8>| value.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let pattern = values.iter().map(literal).collect::<Vec<_>>().join("|");
        Some(Self { pattern: Regex::new(&format!("(?s-u:{pattern})")).ok()?, longest })
    }
}

/// Packs a file, whose content must be this. Returns `None` if it has something that is forbidden. `on_bytes` receives the number of
/// bytes that were read so far.
pub(super) fn pack(
    from: &Path,
    content: Content,
    to: &Path,
    forbidden: Option<&Forbidden>,
    on_bytes: &dyn Fn(u64),
    interrupt: &Interrupt,
) -> Result<Option<Blob>, RemoteError> {
    let mut source = File::open(from).at(from)?;
    let target = Hashed { inner: File::create(to).at(to)?, hasher: sha2::Sha256::new(), count: 0 };
    let mut encoder = Encoder::new(target, LEVEL).at(to)?;
    let (mut hasher, mut size) = (sha2::Sha256::new(), 0);
    // A value may lie across two chunks, so the end of each stays for the next search.
    let (mut buffer, mut kept) = (vec![0; CHUNK], Vec::new());
    loop {
        if interrupt.is_raised() {
            return Err(RemoteError::Interrupted);
        }
        let count = source.read(&mut buffer).at(from)?;
        if count == 0 {
            break;
        }
        let chunk = &buffer[..count];
        if let Some(Forbidden { pattern, longest }) = forbidden {
            kept.extend_from_slice(chunk);
            if pattern.is_match(&kept) {
                return Ok(None);
            }
            kept.drain(..kept.len().saturating_sub(longest - 1));
        }
        hasher.update(chunk);
        encoder.write_all(chunk).at(to)?;
        size += count as u64;
        on_bytes(size);
    }
    let Hashed { hasher: packed, count, .. } = encoder.finish().at(to)?;
    let found = Sha256::from(hasher);
    if found != content.sha256 || size != content.size {
        let reason = format!("its SHA-256 is {found}: `goldsmith cache verify --repair` removes it");
        return Err(RemoteError::Damaged { name: from.display().to_string(), reason });
    }
    Ok(Some(Blob { sha256: packed.into(), size: count }))
}

/// Unpacks a blob into an empty file. The blob must have the digest in its name, and the file this content. `on_bytes` receives the
/// number of compressed bytes that were just read.
pub(super) fn unpack(
    blob: &Blob,
    packed: impl Read,
    content: Content,
    to: &Path,
    mut file: &File,
    interrupt: &Interrupt,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<(), RemoteError> {
    let damaged = |reason: String| RemoteError::Damaged { name: blob.name(), reason };
    let mut counted =
        Counted { inner: packed.take(blob.size + 1), hasher: sha2::Sha256::new(), count: 0, on_bytes, error: None };
    let (mut hasher, mut size) = (sha2::Sha256::new(), 0);
    let mut decoder = Decoder::new(&mut counted).map_err(|error| damaged(error.to_string()))?;
    let mut buffer = vec![0; CHUNK];
    let outcome = loop {
        if interrupt.is_raised() {
            return Err(RemoteError::Interrupted);
        }
        let count = match decoder.read(&mut buffer) {
            Ok(0) => break None,
            Ok(count) => count,
            Err(error) => break Some(error),
        };
        size += count as u64;
        if size > content.size {
            return Err(damaged(format!("it unpacks to more than {} bytes", content.size)));
        }
        let chunk = &buffer[..count];
        hasher.update(chunk);
        // Zeros become a hole.
        if chunk.iter().all(|byte| *byte == 0) {
            file.seek(SeekFrom::Current(count.try_into().unwrap_or(i64::MAX))).at(to)?;
        } else {
            file.write_all(chunk).at(to)?;
        }
    };
    drop(decoder);
    // The connection matters more than what the decoder makes of its end.
    if let Some(reason) = counted.error {
        return Err(RemoteError::Cut { name: blob.name(), reason });
    }
    if outcome.is_none() {
        // What follows the last frame belongs to the blob too.
        io::copy(&mut counted, &mut io::sink()).map_err(|error| damaged(error.to_string()))?;
    }
    if counted.count != blob.size {
        let more = if counted.count > blob.size { "more" } else { &*counted.count.to_string() };
        return Err(damaged(format!("it has {more} bytes instead of {}", blob.size)));
    }
    if let Some(error) = outcome {
        return Err(damaged(error.to_string()));
    }
    let found = Sha256::from(counted.hasher);
    if found != blob.sha256 {
        return Err(damaged(format!("its SHA-256 is {found}")));
    }
    let found = Sha256::from(hasher);
    if size != content.size || found != content.sha256 {
        return Err(damaged(format!("it unpacks to something else: SHA-256 {found}")));
    }
    file.set_len(size).at(to)?;
    Ok(())
}

/// A writer that computes a digest.
struct Hashed {
    inner: File,
    hasher: sha2::Sha256,
    count: u64,
}

impl Write for Hashed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A reader that computes a digest, and remembers the error of the connection.
struct Counted<'a, R> {
    inner: R,
    hasher: sha2::Sha256,
    count: u64,
    on_bytes: &'a mut dyn FnMut(u64),
    error: Option<String>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).inspect_err(|error| self.error = Some(error.to_string()))?;
        self.hasher.update(&buffer[..count]);
        self.count += count as u64;
        (self.on_bytes)(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with data and holes.
    fn bytes() -> Vec<u8> {
        let mut bytes = vec![0; 3 * CHUNK + 17];
        bytes[CHUNK + 5..CHUNK + 9].copy_from_slice(b"data");
        bytes
    }

    fn content(bytes: &[u8]) -> Content {
        Content { size: bytes.len() as u64, sha256: Sha256::of(bytes) }
    }

    fn packed(dir: &Path, bytes: &[u8], forbidden: Option<&Forbidden>) -> Option<(Blob, Vec<u8>)> {
        let (from, to) = (dir.join("from"), dir.join("to"));
        std::fs::write(&from, bytes).expect("a file");
        let blob = pack(&from, content(bytes), &to, forbidden, &|_| {}, &Interrupt::new()).expect("it is packed")?;
        Some((blob, std::fs::read(to).expect("a file")))
    }

    #[test]
    fn a_file_comes_back_with_its_holes() {
        let dir = tempfile::tempdir().expect("a directory");
        let bytes = bytes();
        let (blob, packed) = packed(dir.path(), &bytes, None).expect("nothing is forbidden");
        assert_eq!((blob.size, blob.sha256), (packed.len() as u64, Sha256::of(&packed)));
        assert!(packed.len() < 1000, "zeros cost nearly nothing: {}", packed.len());
        let to = dir.path().join("back");
        let file = File::create(&to).expect("a file");
        let mut count = 0;
        let mut on_bytes = |bytes| count += bytes;
        unpack(&blob, &packed[..], content(&bytes), &to, &file, &Interrupt::new(), &mut on_bytes).expect("unpacked");
        assert_eq!((std::fs::read(&to).expect("a file") == bytes, count), (true, blob.size));
        let allocated = crate::fsx::allocated_bytes(&file.metadata().expect("a file"));
        assert!(allocated <= 2 * CHUNK as u64, "{allocated}");
    }

    #[test]
    fn what_is_not_the_blob_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let bytes = bytes();
        let (blob, packed) = packed(dir.path(), &bytes, None).expect("nothing is forbidden");
        let to = dir.path().join("back");
        let refused = |packed: &[u8], blob: &Blob, content: Content| {
            let file = File::create(&to).expect("a file");
            let done = unpack(blob, packed, content, &to, &file, &Interrupt::new(), &mut |_| {});
            done.expect_err("it is not the blob").to_string()
        };
        let good = content(&bytes);
        let mut flipped = packed.clone();
        *flipped.last_mut().expect("a byte") ^= 1;
        refused(&flipped, &blob, good);
        assert!(refused(&packed[..packed.len() - 1], &blob, good).contains("bytes instead of"));
        assert!(refused(&[&packed[..], b"x"].concat(), &blob, good).contains("bytes instead of"));
        assert!(refused(b"", &blob, good).contains("bytes instead of"));
        let other = Blob { sha256: Sha256::of(b"other"), ..blob };
        assert!(refused(&packed, &other, good).contains("its SHA-256 is"));
        assert!(refused(&packed, &blob, Content { size: 5, ..good }).contains("more than 5 bytes"));
        assert!(refused(&packed, &blob, Content { sha256: Sha256::of(b""), ..good }).contains("something else"));
    }

    #[test]
    fn a_secret_is_found_wherever_it_lies() {
        let dir = tempfile::tempdir().expect("a directory");
        let secret = b"\xffsecret.*\n".to_vec();
        let forbidden = Forbidden::of([&secret].into_iter());
        for at in [0, 1, CHUNK - 1, CHUNK - 5, CHUNK, 2 * CHUNK - 9] {
            let mut with = bytes();
            with[at..at + secret.len()].copy_from_slice(&secret);
            assert!(packed(dir.path(), &with, forbidden.as_ref()).is_none(), "{at}");
            with[at] = 0;
            assert!(packed(dir.path(), &with, forbidden.as_ref()).is_some(), "{at}");
        }
        assert!(Forbidden::of([].into_iter()).is_none());
    }
}
