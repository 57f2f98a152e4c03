//! Finds the digest that an image must have, in a list of checksums.

use std::io;
use std::path::{Path, PathBuf};

use super::Network;
use super::connection::redacted;
use super::http;
use super::image_error::ImageError;
use super::limited::read_limited;
use super::pins::{self, PinPolicy};
use super::signature::{self, Key, SignatureError};
use super::sums::{self, Checksum, SumsFault};
use crate::digest::Sha256;
use crate::interrupt::Interrupt;
use crate::recipe::ImageSource;

/// Finds the digest that an image must have: from the recipe, or from the list of checksums that the recipe names, by the file's
/// base name. A list whose name is that of the file and an extension is a list of this file alone. Paths are relative to `directory`.
pub fn pin(
    source: &ImageSource,
    directory: &Path,
    cache: &Path,
    policy: &PinPolicy,
    network: &Network,
    interrupt: &Interrupt,
) -> Result<Checksum, ImageError> {
    if let Some(digest) = Sha256::parse(&source.sha256) {
        return Ok(digest.into());
    }
    let key = source.signed_by.as_ref().map(|key| {
        let path = directory.join(key).components().collect();
        Key::read(path, &source.fingerprints, source.key_package.as_deref())
    });
    let key = key.transpose()?;
    let sums = &source.sha256;
    // A pin without a signature, or with another key, must not count for this key.
    let signed = key.as_ref().map(|key| format!(" signed by {}", key.digest)).unwrap_or_default();
    let subject = format!("{sums} for {}{signed}", source.source);
    if let Some(digest) = pins::find(cache, &subject, policy).filter(|_| http::is_url(sums)) {
        return Ok(digest);
    }
    if policy.offline && http::is_url(sums) {
        return Err(ImageError::NotCached(redacted(sums)));
    }
    let network = network.allowing(source.insecure);
    let list = Sums { place: sums, directory, network: &network, interrupt };
    let mut content =
        list.get("")?.ok_or_else(|| ImageError::Sums { sums: redacted(sums), fault: SumsFault::Missing })?;
    if let Some(key) = &key {
        content = list.signed(key, &content, cache)?;
    }
    let name = base_name(&source.source);
    let of_one = base_name(sums).strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let digest = sums::find(&content, name, of_one);
    let digest = digest.map_err(|fault| ImageError::Sums { sums: redacted(sums), fault })?;
    if http::is_url(sums) {
        pins::store(cache, &subject, &digest)?;
    }
    Ok(digest)
}

/// A list of checksums, and files beside it.
struct Sums<'a> {
    place: &'a str,
    directory: &'a Path,
    network: &'a Network,
    interrupt: &'a Interrupt,
}

impl Sums<'_> {
    /// Returns the list, or the file with this ending after the list's name; `None` if it is missing.
    fn get(&self, ending: &str) -> Result<Option<Vec<u8>>, ImageError> {
        let place = self.signature_at(ending);
        if http::is_url(self.place) {
            return Ok(match ending {
                "" => Some(http::get_small(&place, sums::LIMIT, self.network, self.interrupt)?),
                _ => http::get_if_there(&place, signature::LIMIT, self.network, self.interrupt)?,
            });
        }
        let path: PathBuf = self.directory.join(place).components().collect();
        match read_limited(&path, sums::LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !ending.is_empty() => Ok(None),
            result => result.map(Some).map_err(|source| ImageError::NoSuchFile { path, source }),
        }
    }

    fn signature_at(&self, ending: &str) -> String {
        match self.place.find(['?', '#']).filter(|_| http::is_url(self.place)) {
            Some(at) => format!("{}{ending}{}", &self.place[..at], &self.place[at..]),
            None => format!("{}{ending}", self.place),
        }
    }

    /// Returns the part of the list that the key has signed.
    fn signed(&self, key: &Key, list: &[u8], scratch: &Path) -> Result<Vec<u8>, ImageError> {
        let name = redacted(self.place);
        if key.signs_within(list) {
            return Ok(key.signed(list, None, &name, scratch)?);
        }
        for ending in key.endings() {
            if let Some(signature) = self.get(ending)? {
                return Ok(key.signed(list, Some(&signature), &name, scratch)?);
            }
        }
        let tried = key.endings().iter().map(|ending| redacted(&self.signature_at(ending))).collect();
        Err(SignatureError::Unsigned { list: name, tried }.into())
    }
}

pub(super) fn base_name(source: &str) -> &str {
    let path = source.split(['?', '#']).next().unwrap_or(source);
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_the_path() {
        for (source, name) in [("https://h/d/a.qcow2?x=1#y", "a.qcow2"), ("./d/a.img", "a.img"), ("a", "a")] {
            assert_eq!(base_name(source), name);
        }
    }
}
