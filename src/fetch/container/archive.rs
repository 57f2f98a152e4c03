//! Archives of `docker save` and `podman save`: a tar file with `manifest.json`, a configuration and unpacked layers (Docker Image
//! Specification 1.2, "Combined Image JSON + Filesystem Changeset Format").

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::Digest as _;

use super::blobs;
use super::error::ContainerError;
use super::spec::{self, Config, LIMIT};
use crate::digest::Sha256;
use crate::fetch::image::{Means, keep, lock, mark_used};
use crate::fetch::image_error::ImageError;
use crate::fsx::{self, IoContext as _};
use crate::tree::{Member, MemberKind, TreeError, read_archive};
use crate::units::ByteSize;
use crate::vocabulary::Arch;

/// Bytes copied at a time.
const CHUNK: usize = 256 << 10;

/// An image in the file `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

/// An archive.
pub(super) struct Archive<'a> {
    pub(super) file: PathBuf,
    pub(super) image: &'a str,
    pub(super) means: Means<'a>,
}

impl Archive<'_> {
    /// Brings the layers into the cache. The digest of the image is that of its configuration, which names its layers.
    pub(super) fn fetch(&self, arch: Arch) -> Result<(Sha256, Vec<PathBuf>), ContainerError> {
        let text = self.document("manifest.json")?;
        let saved: Vec<Saved> = spec::read(&text, "the file manifest.json", self.image)?;
        let [saved] = saved.as_slice() else {
            let reason = format!("lists {} images: save one image in a file", saved.len());
            return Err(ContainerError::part("the file manifest.json", self.image, reason));
        };
        let text = self.document(&saved.config)?;
        let digest = Sha256::of(&text);
        // The name is the digest, with `.json` behind it or in `blobs/sha256/`.
        let named = saved.config.rsplit('/').next().and_then(|name| Sha256::parse(name.trim_end_matches(".json")));
        if let Some(expected) = named.filter(|named| *named != digest) {
            let (part, image) = ("the configuration".to_owned(), self.image.to_owned());
            return Err(ContainerError::WrongDigest { part, image, expected, found: digest });
        }
        let config: Config = spec::read(&text, "the configuration", self.image)?;
        config.check(arch, self.image)?;
        let ids = &config.rootfs.diff_ids;
        if ids.len() != saved.layers.len() || ids.is_empty() {
            let reason = format!("names {} layers, and the archive has {}", ids.len(), saved.layers.len());
            return Err(ContainerError::part("the configuration", self.image, reason));
        }
        let mut files = Vec::new();
        for (id, name) in ids.iter().zip(&saved.layers) {
            let wrong = || {
                ContainerError::part(
                    "the configuration",
                    self.image,
                    format!("has the digest `{id}`, which is no SHA-256"),
                )
            };
            files.push(self.layer(name, &spec::sha256(id).ok_or_else(wrong)?)?);
        }
        Ok((digest, files))
    }

    /// Returns the content of a small file.
    fn document(&self, name: &str) -> Result<Vec<u8>, ContainerError> {
        let mut content = Vec::new();
        self.find(name, &mut |data, size| {
            if size > LIMIT {
                return Err(ContainerError::part(
                    format!("the file {name}"),
                    self.image,
                    format!("has more than {LIMIT} bytes"),
                ));
            }
            data.read_to_end(&mut content).map_err(|error| self.unreadable(&error))?;
            Ok(())
        })?;
        Ok(content)
    }

    /// Brings a layer into the cache, unless it is there.
    fn layer(&self, name: &str, sha256: &Sha256) -> Result<PathBuf, ContainerError> {
        let path = blobs::path(&self.means, sha256);
        if path.exists() {
            mark_used(&path);
            return Ok(path);
        }
        let images = self.means.cache.join("images");
        std::fs::create_dir_all(&images).at(&images)?;
        let _lock = lock(&images.join(format!("{sha256}.lock")), self.means.interrupt)?;
        let unfinished = images.join(format!("{sha256}.part"));
        let mut target = std::fs::File::create(&unfinished).at(&unfinished)?;
        let mut hasher = sha2::Sha256::new();
        let copied = self.find(name, &mut |data, size| {
            let available = fsx::available_bytes(&images)?;
            if size > available {
                let (needed, available) = (ByteSize::bytes(size), ByteSize::bytes(available));
                return Err(ImageError::NoSpace { path: images.clone(), needed, available }.into());
            }
            let mut buffer = vec![0; CHUNK];
            loop {
                let count = data.read(&mut buffer).map_err(|error| self.unreadable(&error))?;
                if count == 0 {
                    return Ok(());
                }
                hasher.update(&buffer[..count]);
                target.write_all(&buffer[..count]).at(&unfinished)?;
            }
        });
        let found = Sha256::from(hasher);
        let verdict = copied.and_then(|()| {
            let (part, image) = (format!("the layer {name}"), self.image.to_owned());
            let wrong = ContainerError::WrongDigest { part, image, expected: *sha256, found };
            if found == *sha256 { Ok(()) } else { Err(wrong) }
        });
        if let Err(error) = verdict {
            std::fs::remove_file(&unfinished).at(&unfinished)?;
            return Err(error);
        }
        target.sync_all().at(&unfinished)?;
        keep(&unfinished, &path)?;
        Ok(path)
    }

    fn unreadable(&self, error: &std::io::Error) -> ContainerError {
        ContainerError::part("the archive", self.image, format!("cannot be read: {error}"))
    }

    /// Hands on the data of a file of the archive. Older archives have a link in place of a layer that is there twice.
    fn find(&self, name: &str, take: &mut Take<'_>) -> Result<(), ContainerError> {
        let wanted = plain(name);
        match self.search(&wanted, take)? {
            Found::Data => return Ok(()),
            Found::Link(target) if matches!(self.search(&target, take)?, Found::Data) => return Ok(()),
            Found::Link(_) | Found::Nothing => {}
        }
        let shown = crate::text::printable(name.as_bytes());
        let reason = format!("has no file `{shown}`: is it one file of `docker save` with one image?");
        Err(ContainerError::part("the archive", self.image, reason))
    }

    fn search(&self, wanted: &str, take: &mut Take<'_>) -> Result<Found, ContainerError> {
        let mut found = Found::Nothing;
        let mut failed = None;
        // The file may be packed, and may unpack to what the cache can hold.
        let limit = ByteSize::bytes(fsx::available_bytes(self.means.cache)?);
        let result = read_archive(&self.file, self.image, limit, self.means.interrupt, &mut |_, member, data| {
            let Member { name, kind, size, .. } = member;
            if !matches!(found, Found::Nothing) || plain(&String::from_utf8_lossy(&name)) != wanted {
                return Ok(());
            }
            match kind {
                MemberKind::File => {
                    found = Found::Data;
                    take(data, size).map_err(|error| {
                        failed = Some(error);
                        // This only ends the reading.
                        TreeError::Interrupted
                    })?;
                }
                MemberKind::Symlink(target) => {
                    let beside = Path::new(wanted).parent().unwrap_or(Path::new(""));
                    found = Found::Link(plain(&beside.join(&*String::from_utf8_lossy(&target)).to_string_lossy()));
                }
                MemberKind::Link(target) => found = Found::Link(plain(&String::from_utf8_lossy(&target))),
                _ => {}
            }
            Ok(())
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(result.map(|()| found)?),
        }
    }
}

/// Receives the data of a file and its size.
type Take<'a> = dyn FnMut(&mut dyn Read, u64) -> Result<(), ContainerError> + 'a;

/// What an archive has under a name.
enum Found {
    Data,
    Link(String),
    Nothing,
}

/// Returns the path of a file in the archive without `.` and `..`.
fn plain(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
