//! The slot: the right to make one layer, from the claim to the commit.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::backing;
use super::canonical::canonical;
use super::error::StoreError;
use super::key::LayerKey;
use super::record::{self, Extra, Layer, LayerMeta};
use super::tree::{self, DISK, KEY, LOCK, META, Tree};
use crate::digest::Sha256;
use crate::fsx::{FileLock, IoContext as _, same_file, write_private};
use crate::process;
use crate::units::ByteSize;

/// The parent of a new layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    /// An empty disk.
    None,
    /// Another layer. It need not be complete yet, but its disk must exist.
    Layer(LayerKey),
    /// A base image: its digest, and its file name in the store.
    Image(Sha256, String),
}

/// The metadata of a layer at its commit.
#[derive(Debug, Clone)]
pub struct NewLayer {
    /// Duration of the step, in seconds.
    pub seconds: f64,
    /// Name of the step, for people: `configure sshd`.
    pub step: String,
    /// Name of the image that the layer is made for.
    pub image_name: String,
    /// Ingredients of the layer's key.
    pub ingredients: serde_json::Value,
    /// Facts about the disk that are useful later without a guest; `null` for none.
    pub facts: serde_json::Value,
    /// Files that were extracted from the disk to [`Slot::directory`], under their names.
    pub extras: Vec<Extra>,
}

/// The right to make one layer, and its directory.
///
/// While it lives, no other build makes the same layer. If it is dropped without a commit, it removes its files. It may be moved
/// to another thread and committed there while the next layer is being made.
#[derive(Debug)]
pub struct Slot {
    tree: Tree,
    key: LayerKey,
    directory: PathBuf,
    disk: PathBuf,
    base: Base,
    committed: bool,
    // Rust drops these in this order, after `drop` has cleaned the directory.
    _lock: FileLock,
    _store: Arc<FileLock>,
}

/// The parent of a slot's disk.
#[derive(Debug)]
enum Base {
    Nothing,
    /// The parent's disk stays open, so that no other file can get its inode.
    Layer(LayerKey, File),
    Image(Sha256),
}

impl Slot {
    /// Makes a slot in a directory whose lock is held, and empties the directory.
    pub(super) fn new(tree: Tree, key: LayerKey, lock: FileLock, store: Arc<FileLock>) -> Result<Self, StoreError> {
        let directory = tree.layer(&key);
        empty(&directory)?;
        let disk = directory.join(DISK);
        Ok(Self { tree, key, directory, disk, base: Base::Nothing, committed: false, _lock: lock, _store: store })
    }

    /// Returns the key of the layer.
    pub fn key(&self) -> &LayerKey {
        &self.key
    }

    /// Returns the absolute path at which the disk must be made. It is never renamed.
    pub fn disk_path(&self) -> &Path {
        &self.disk
    }

    /// Returns the directory of the layer, for extracted files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the disk: an empty qcow2 file of a virtual size on top of a parent. It replaces an earlier one.
    pub fn create_overlay(&mut self, parent: &Parent, size: ByteSize) -> Result<(), StoreError> {
        tree::present(std::fs::remove_file(&self.disk), &self.disk)?;
        self.base = Base::Nothing;
        let mut command = Command::new("qemu-img");
        // A full disk is recognized by the English message.
        command.env("LC_ALL", "C").args(["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=off,extended_l2=off"]);
        match parent {
            Parent::None => {}
            Parent::Layer(key) => {
                let path = self.tree.layer(key).join(DISK);
                let Some(file) = tree::present(File::open(&path), &path)? else {
                    return Err(self.parent_is_gone(parent));
                };
                // -u: the parent may be open for writing in the guest, and the size is given anyway.
                command.args(["-u", "-F", "qcow2", "-b"]).arg(format!("../{key}/{DISK}"));
                self.base = Base::Layer(*key, file);
            }
            Parent::Image(image, name) => {
                if !tree::is_image_name(name, image) {
                    return Err(StoreError::ImageName(name.clone()));
                }
                let path = self.tree.images().join(name);
                let Some(format) = tree::present(format_of(&path), &path)? else {
                    return Err(self.parent_is_gone(parent));
                };
                command.args(["-u", "-F", format, "-b"]).arg(format!("../../images/{name}"));
                self.base = Base::Image(*image);
            }
        }
        command.arg(&self.disk).arg(size.get().to_string());
        process::capture(&mut command).map_err(|source| StoreError::qemu_img(&self.disk, source))?;
        Ok(())
    }

    /// Completes the layer: from now on other builds find it. The disk must not change any more.
    ///
    /// A parent layer must be committed before, so slots on another thread are committed in order. This reads the whole disk once
    /// and syncs it to the host's disk.
    pub fn commit(mut self, layer: NewLayer) -> Result<Layer, StoreError> {
        let (parent, image) = match &self.base {
            Base::Nothing => (None, None),
            Base::Image(image) => (None, Some(*image)),
            Base::Layer(key, file) => {
                let found = self.tree.find(key)?;
                match found {
                    Some(found) if same_file(file, &found.disk)? => (Some(found), None),
                    _ => return Err(self.parent_is_gone(&Parent::Layer(*key))),
                }
            }
        };
        let disk = File::open(&self.disk).at(&self.disk)?;
        disk.sync_all().at(&self.disk)?;
        let meta = LayerMeta {
            parent: parent.as_ref().map(|parent| parent.key),
            parent_sha256: parent.as_ref().map(|parent| parent.meta.sha256),
            image,
            size: disk.metadata().at(&self.disk)?.len(),
            sha256: Sha256::of_reader(&disk).at(&self.disk)?,
            created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            seconds: layer.seconds,
            step: layer.step,
            image_name: layer.image_name,
            facts: layer.facts,
            extras: record::described(&self.directory, &layer.extras)?,
        };
        write_private(&self.directory.join(KEY), canonical(&layer.ingredients).as_bytes())?;
        let path = self.directory.join(META);
        let text = serde_json::to_vec_pretty(&meta).map_err(io::Error::from).at(&path)?;
        write_private(&path, &text)?;
        self.committed = true;
        Ok(Layer { key: self.key, disk: self.disk.clone(), meta })
    }

    /// Completes the layer with a disk and files that another machine has made, and that are in the slot's directory. The caller has
    /// compared their content with the digests in `meta`.
    ///
    /// The parent must be complete, and the file that the layer was made on.
    pub fn adopt(mut self, meta: LayerMeta, ingredients: &serde_json::Value) -> Result<Layer, StoreError> {
        let unfit = |reason: String| StoreError::Unfit { key: self.key, reason };
        let text = canonical(ingredients);
        if LayerKey::of(&text) != self.key {
            return Err(unfit("its ingredients are not those of its key".to_owned()));
        }
        let parent = meta.parent.map(|parent| self.tree.find(&parent)).transpose()?.flatten();
        if meta.parent.is_some() && (parent.is_none() || parent.map(|parent| parent.meta.sha256) != meta.parent_sha256)
        {
            return Err(unfit("it was made on another parent".to_owned()));
        }
        if let Some(image) = &meta.image
            && !self.tree.has_image(image)?
        {
            return Err(unfit(format!("the base image {} is not here", image.short())));
        }
        let mut files = vec![(self.disk.clone(), meta.size)];
        files.extend(meta.extras.iter().map(|(extra, kept)| (self.directory.join(extra.file()), kept.size)));
        for (path, size) in files {
            let file = File::open(&path).at(&path)?;
            file.sync_all().at(&path)?;
            let found = file.metadata().at(&path)?.len();
            if found != size {
                return Err(unfit(format!("{} has {found} bytes instead of {size}", path.display())));
            }
        }
        let found = backing::file(&self.disk).map_err(|source| StoreError::qemu_img(&self.disk, source))?;
        if !backing::fits(&meta, found.as_deref()) {
            return Err(unfit(format!("its backing file is {}", found.as_deref().unwrap_or("missing"))));
        }
        write_private(&self.directory.join(KEY), text.as_bytes())?;
        let path = self.directory.join(META);
        let text = serde_json::to_vec_pretty(&meta).map_err(io::Error::from).at(&path)?;
        write_private(&path, &text)?;
        self.committed = true;
        Ok(Layer { key: self.key, disk: self.disk.clone(), meta })
    }

    fn parent_is_gone(&self, parent: &Parent) -> StoreError {
        let parent = match parent {
            Parent::None => "nothing".to_owned(),
            Parent::Layer(key) => format!("layer {}", key.short()),
            Parent::Image(image, _) => format!("image {}", image.short()),
        };
        StoreError::Parent { key: self.key, parent }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.committed {
            // Errors do not matter: the next claim or garbage collection removes the rest.
            let _ = empty(&self.directory)
                .and_then(|()| Ok(std::fs::remove_file(self.directory.join(LOCK)).at(&self.directory)?))
                .and_then(|()| Ok(std::fs::remove_dir(&self.directory).at(&self.directory)?));
        }
    }
}

/// Removes everything but the lock from a layer's directory, `layer.json` first.
fn empty(directory: &Path) -> Result<(), StoreError> {
    tree::present(std::fs::remove_file(directory.join(META)), &directory.join(META))?;
    for entry in tree::entries(directory)? {
        let path = entry.path();
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type().at(&path)?.is_dir() {
            std::fs::remove_dir_all(&path).at(&path)?;
        } else {
            std::fs::remove_file(&path).at(&path)?;
        }
    }
    Ok(())
}

/// Returns `qemu-img`'s name of a base image's format. The first bytes decide, not the file name.
fn format_of(path: &Path) -> io::Result<&'static str> {
    let mut magic = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut magic)?;
    Ok(if magic == b"QFI\xfb" { "qcow2" } else { "raw" })
}
