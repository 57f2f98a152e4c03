//! Knows the files and directories of a store, and finds out the state of each layer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::{Layer, LayerKey, LayerMeta, StoreError};
use crate::digest::Sha256;
use crate::fsx::{FileLock, IoContext as _, PathError, allocated_bytes};

/// Pause between two tries to get a lock.
pub(super) const POLL: Duration = Duration::from_millis(50);

pub(super) const DISK: &str = "disk.qcow2";
pub(super) const KEY: &str = "key.json";
pub(super) const META: &str = "layer.json";
pub(super) const LOCK: &str = "lock";
pub(super) const USED: &str = "used";

/// Extension of a converted base image, and that of the file with its digest.
const CONVERTED: &str = ".disk.qcow2";
const CONVERTED_DIGEST: &str = ".disk.sha256";

/// Extensions of a base image's file.
const IMAGE_EXTENSIONS: [&str; 4] = ["", ".qcow2", ".raw", CONVERTED];

/// Extensions of all files among the base images: images, their metadata, and files of downloads.
const IMAGE_FILES: [&str; 8] = ["", ".qcow2", ".raw", CONVERTED, CONVERTED_DIGEST, ".json", ".part", ".lock"];

/// The state of a layer's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerState {
    /// The layer and its chain are complete.
    Complete,
    /// A killed build left the directory, or the parent is missing or was replaced. It is useless.
    Partial,
    /// A build is making the layer.
    Making,
}

/// One directory of the store, as `cache ls` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct LayerInfo {
    /// Key of the layer.
    pub key: LayerKey,
    /// State of the layer.
    pub state: LayerState,
    /// Bytes that the layer occupies on the host's disk.
    pub bytes: u64,
    /// Time when a build last made or used the layer.
    #[serde(serialize_with = "timestamp")]
    pub last_used: SystemTime,
    /// Content of `layer.json`: step, image, time of creation. An incomplete layer may have none.
    pub meta: Option<LayerMeta>,
}

/// A file among the base images.
#[derive(Debug, Clone)]
pub(super) struct ImageFile {
    pub(super) path: PathBuf,
    pub(super) name: String,
    /// Digest in the file name.
    pub(super) sha256: Option<Sha256>,
    pub(super) bytes: u64,
    pub(super) last_used: SystemTime,
}

/// The paths of a store.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) root: PathBuf,
}

impl Tree {
    pub(super) fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    pub(super) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    pub(super) fn layer(&self, key: &LayerKey) -> PathBuf {
        self.layers().join(key.to_string())
    }

    /// Returns the content of a layer's `layer.json`, if its own files are complete.
    pub(super) fn meta(&self, key: &LayerKey) -> Result<Option<LayerMeta>, StoreError> {
        let directory = self.layer(key);
        let Some(text) = present(std::fs::read(directory.join(META)), &directory.join(META))? else {
            return Ok(None);
        };
        let Ok(meta) = serde_json::from_slice::<LayerMeta>(&text) else {
            return Ok(None);
        };
        let disk = directory.join(DISK);
        let size = present(std::fs::metadata(&disk), &disk)?.map(|metadata| metadata.len());
        Ok((size == Some(meta.size)).then_some(meta))
    }

    /// Returns the layer, if it and its whole chain are complete.
    pub(super) fn find(&self, key: &LayerKey) -> Result<Option<Layer>, StoreError> {
        Ok(self.chain(key)?.and_then(|chain| chain.into_iter().next()))
    }

    /// Returns the layer and all layers below it, if they are complete: the layer first, the base last.
    pub(super) fn chain(&self, key: &LayerKey) -> Result<Option<Vec<Layer>>, StoreError> {
        let Some(meta) = self.meta(key)? else { return Ok(None) };
        let layer = |key: LayerKey, meta| Layer { key, disk: self.layer(&key).join(DISK), meta };
        // A chain is circular only if somebody edited it. Then it is incomplete too.
        let mut seen = BTreeSet::from([*key]);
        let mut lowest = layer(*key, meta);
        let mut chain = Vec::new();
        while let Some(parent) = lowest.meta.parent {
            match self.meta(&parent)? {
                Some(next) if lowest.meta.parent_sha256 == Some(next.sha256) && seen.insert(parent) => {
                    chain.push(std::mem::replace(&mut lowest, layer(parent, next)));
                }
                _ => return Ok(None),
            }
        }
        if let Some(image) = &lowest.meta.image
            && !self.has_image(image)?
        {
            return Ok(None);
        }
        chain.push(lowest);
        Ok(Some(chain))
    }

    pub(super) fn has_image(&self, image: &Sha256) -> Result<bool, StoreError> {
        for extension in IMAGE_EXTENSIONS {
            let path = self.images().join(format!("{image}{extension}"));
            if path.try_exists().at(&path)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the expected digest of a base image's content: the one in its name, unless the image was converted.
    pub(super) fn image_digest(&self, image: &ImageFile) -> Option<Sha256> {
        let Some(name) = image.name.strip_suffix(CONVERTED) else { return image.sha256 };
        let text = std::fs::read_to_string(self.images().join(format!("{name}{CONVERTED_DIGEST}"))).ok()?;
        Sha256::parse(text.trim())
    }

    /// Returns the sorted keys of all directories, complete or not. Links to directories are skipped.
    pub(super) fn keys(&self) -> Result<Vec<LayerKey>, StoreError> {
        let key = |entry: &DirEntry| {
            let key = LayerKey::parse(entry.file_name().to_str()?)?;
            entry.file_type().ok()?.is_dir().then_some(key)
        };
        let mut keys: Vec<_> = entries(&self.layers())?.iter().filter_map(key).collect();
        keys.sort_unstable();
        Ok(keys)
    }

    /// Returns the states of all directories, most recently used first.
    pub(super) fn list(&self) -> Result<Vec<LayerInfo>, StoreError> {
        let mut metas = BTreeMap::new();
        for key in self.keys()? {
            metas.insert(key, self.meta(&key)?);
        }
        let complete = complete(&metas, &mut |image| self.has_image(image))?;
        let mut list = Vec::new();
        for (key, meta) in metas {
            list.extend(self.info(key, meta, complete.contains(&key))?);
        }
        list.sort_by_key(|info| std::cmp::Reverse(info.last_used));
        Ok(list)
    }

    /// Returns the state of one directory; `None` if it is gone.
    fn info(&self, key: LayerKey, meta: Option<LayerMeta>, complete: bool) -> Result<Option<LayerInfo>, StoreError> {
        let directory = self.layer(&key);
        let mut bytes = 0;
        for entry in entries(&directory)? {
            // A build may be at work here, so it is no error if a file vanishes.
            let metadata = present(entry.metadata(), &entry.path())?;
            bytes += metadata.as_ref().map_or(0, allocated_bytes);
        }
        let mut stamps = Vec::new();
        for path in [directory.join(USED), directory.join(META), directory.clone()] {
            if let Some(metadata) = present(std::fs::metadata(&path), &path)? {
                stamps.push(metadata.modified().at(&path)?);
            }
        }
        let Some(last_used) = stamps.first().copied() else { return Ok(None) };
        let state = if complete {
            LayerState::Complete
        } else if self.is_locked(&key)? {
            LayerState::Making
        } else {
            LayerState::Partial
        };
        Ok(Some(LayerInfo { key, state, bytes, last_used, meta }))
    }

    /// Returns whether a build is making the layer.
    pub(super) fn is_locked(&self, key: &LayerKey) -> Result<bool, StoreError> {
        let path = self.layer(key).join(LOCK);
        if !path.try_exists().at(&path)? {
            return Ok(false);
        }
        match FileLock::try_shared(&path) {
            Ok(lock) => Ok(lock.is_none()),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns all files among the base images, including unfinished downloads. Other files are skipped.
    pub(super) fn image_files(&self) -> Result<Vec<ImageFile>, StoreError> {
        let mut files = Vec::new();
        for entry in entries(&self.images())? {
            let path = entry.path();
            let Some(metadata) = present(entry.metadata(), &path)?.filter(Metadata::is_file) else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            // A download from a cloud that has not ended is a hidden file beside its name.
            let unfinished = name.starts_with('.') && name.ends_with(".goldsmith-part");
            let digest = name.trim_start_matches('.').split('.').next().and_then(Sha256::parse);
            let ours = |digest: &Sha256| {
                unfinished || IMAGE_FILES.iter().any(|extension| name == format!("{digest}{extension}"))
            };
            if !digest.as_ref().is_some_and(ours) {
                continue;
            }
            let last_used = metadata.modified().at(&path)?;
            files.push(ImageFile { path, name, sha256: digest, bytes: allocated_bytes(&metadata), last_used });
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// Removes a layer. `layer.json` goes first, so that the rest never looks like a complete layer.
    pub(super) fn remove(&self, key: &LayerKey) -> Result<(), StoreError> {
        let directory = self.layer(key);
        present(std::fs::remove_file(directory.join(META)), &directory.join(META))?;
        present(std::fs::remove_dir_all(&directory), &directory)?;
        Ok(())
    }
}

/// Returns the layers whose whole chain is complete, of all layers with their `layer.json`. Looks at each layer and each image once.
fn complete(
    metas: &BTreeMap<LayerKey, Option<LayerMeta>>,
    has_image: &mut dyn FnMut(&Sha256) -> Result<bool, StoreError>,
) -> Result<BTreeSet<LayerKey>, StoreError> {
    let mut images: BTreeMap<Sha256, bool> = BTreeMap::new();
    // A layer that is being looked at counts as incomplete: a chain is circular only if somebody edited it.
    let mut known: BTreeMap<LayerKey, bool> = BTreeMap::new();
    for key in metas.keys() {
        let (mut above, mut next) = (Vec::new(), Some(*key));
        let mut sound = true;
        while let Some(key) = next.take() {
            if let Some(before) = known.get(&key) {
                sound = *before;
                break;
            }
            known.insert(key, false);
            above.push(key);
            let Some(Some(meta)) = metas.get(&key) else {
                sound = false;
                break;
            };
            match (meta.parent, &meta.image) {
                (Some(parent), _) => {
                    let fits = metas.get(&parent).and_then(Option::as_ref).map(|below| below.sha256);
                    sound = fits.is_some() && fits == meta.parent_sha256;
                    next = Some(parent).filter(|_| sound);
                }
                (None, Some(image)) => {
                    sound = match images.get(image) {
                        Some(there) => *there,
                        None => *images.entry(*image).or_insert(has_image(image)?),
                    };
                }
                (None, None) => {}
            }
        }
        known.extend(above.into_iter().map(|key| (key, sound)));
    }
    Ok(known.into_iter().filter_map(|(key, complete)| complete.then_some(key)).collect())
}

/// Returns whether a base image may have this file name.
pub(super) fn is_image_name(name: &str, image: &Sha256) -> bool {
    IMAGE_EXTENSIONS.iter().any(|extension| name == format!("{image}{extension}"))
}

/// Returns the entries of a directory; none if it is missing.
pub(super) fn entries(directory: &Path) -> Result<Vec<DirEntry>, StoreError> {
    let Some(entries) = present(std::fs::read_dir(directory), directory)? else { return Ok(Vec::new()) };
    Ok(entries.collect::<io::Result<_>>().at(directory)?)
}

/// Turns the error of a missing file into `None`.
pub(super) fn present<T>(result: io::Result<T>, path: &Path) -> Result<Option<T>, PathError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at(path),
    }
}

fn timestamp<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let time = jiff::Timestamp::try_from(*time).map_err(serde::ser::Error::custom)?;
    serializer.collect_str(&time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_complete_if_all_below_it_is_and_each_is_looked_at_once() {
        let key = |name: &str| LayerKey::of(name);
        let digest = |name: &str| Sha256::of(name.as_bytes());
        let meta = |name: &str, parent: Option<(&str, &str)>, image: Option<&str>| LayerMeta {
            parent: parent.map(|(parent, _)| key(parent)),
            parent_sha256: parent.map(|(_, content)| digest(content)),
            image: image.map(digest),
            size: 1,
            sha256: digest(name),
            created: String::new(),
            seconds: 1.0,
            step: name.to_owned(),
            image_name: String::new(),
            facts: serde_json::Value::Null,
            extras: BTreeMap::new(),
        };
        let metas: BTreeMap<_, _> = [
            ("base", Some(meta("base", None, None))),
            ("one", Some(meta("one", Some(("base", "base")), None))),
            ("two", Some(meta("two", Some(("one", "one")), None))),
            ("other file", Some(meta("other file", Some(("one", "replaced")), None))),
            ("above it", Some(meta("above it", Some(("other file", "other file")), None))),
            ("no parent", Some(meta("no parent", Some(("gone", "gone")), None))),
            ("half", None),
            ("on half", Some(meta("on half", Some(("half", "half")), None))),
            ("circle", Some(meta("circle", Some(("of two", "of two")), None))),
            ("of two", Some(meta("of two", Some(("circle", "circle")), None))),
            ("image", Some(meta("image", None, Some("there")))),
            ("on image", Some(meta("on image", Some(("image", "image")), None))),
            ("same image", Some(meta("same image", None, Some("there")))),
            ("no image", Some(meta("no image", None, Some("gone")))),
        ]
        .map(|(name, meta)| (key(name), meta))
        .into();
        let mut asked = Vec::new();
        let found = complete(&metas, &mut |image| {
            asked.push(*image);
            Ok(*image == digest("there"))
        });
        let expected = ["base", "one", "two", "image", "on image", "same image"].map(key);
        assert_eq!(found.expect("no file is read"), BTreeSet::from(expected));
        assert_eq!(asked.len(), 2, "each image is looked for once");
    }
}
