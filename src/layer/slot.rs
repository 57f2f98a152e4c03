//! A layer in the making.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::canonical::canonical;
use super::error::StoreError;
use super::key::LayerKey;
use super::record::{self, Extra, Layer, LayerMeta};
use super::tree::{self, DISK, KEY, LOCK, META, Tree};
use crate::digest::Sha256;
use crate::fsx::{FileLock, IoContext as _, same_file, write_private};
use crate::process;
use crate::units::ByteSize;

/// What an overlay is made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    /// Nothing: an empty disk.
    None,
    /// Another layer. It need not be complete yet, but its disk must be there.
    Layer(LayerKey),
    /// A base image: its digest and the name of its file among the store's images.
    Image(Sha256, String),
}

/// What is known of a layer when it is committed.
#[derive(Debug, Clone)]
pub struct NewLayer {
    /// Seconds its step took.
    pub seconds: f64,
    /// What the step is, for people: `configure sshd`.
    pub step: String,
    /// Name of the image it is made for.
    pub image_name: String,
    /// What its key was made of.
    pub ingredients: serde_json::Value,
    /// What was found on the disk and is worth knowing later without a guest; `null` if nothing.
    pub facts: serde_json::Value,
    /// Files that were taken out of the disk, in [`Slot::directory`] under their names.
    pub extras: Vec<Extra>,
}

/// The right to make one layer, and the place to do so.
///
/// While it lives, nobody else makes the same layer. Dropped without a commit, it removes what was made. It may
/// be moved to another thread and committed there while the next layer is being made.
#[derive(Debug)]
pub struct Slot {
    tree: Tree,
    key: LayerKey,
    directory: PathBuf,
    disk: PathBuf,
    base: Base,
    committed: bool,
    // Released in this order, after the directory is in order.
    _lock: FileLock,
    _store: Arc<FileLock>,
}

/// What the disk of a slot was made on.
#[derive(Debug)]
enum Base {
    Nothing,
    /// The parent's disk is kept open, so that its inode cannot belong to another file.
    Layer(LayerKey, File),
    Image(Sha256),
}

impl Slot {
    /// A slot in a directory whose lock is held; what was in it is removed.
    pub(super) fn new(tree: Tree, key: LayerKey, lock: FileLock, store: Arc<FileLock>) -> Result<Self, StoreError> {
        let directory = tree.layer(&key);
        empty(&directory)?;
        let disk = directory.join(DISK);
        Ok(Self { tree, key, directory, disk, base: Base::Nothing, committed: false, _lock: lock, _store: store })
    }

    /// Key of the layer.
    pub fn key(&self) -> &LayerKey {
        &self.key
    }

    /// Where the disk must be, absolute: nothing is renamed later. There is nothing yet.
    pub fn disk_path(&self) -> &Path {
        &self.disk
    }

    /// Directory of the layer, for what is taken out of its disk.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the disk: an empty qcow2 file of a virtual size on top of a parent, replacing one made before.
    pub fn create_overlay(&mut self, parent: &Parent, size: ByteSize) -> Result<(), StoreError> {
        tree::present(std::fs::remove_file(&self.disk), &self.disk)?;
        self.base = Base::Nothing;
        let mut command = Command::new("qemu-img");
        // Lack of space is told by the words of the system.
        command.env("LC_ALL", "C").args(["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=off,extended_l2=off"]);
        match parent {
            Parent::None => {}
            Parent::Layer(key) => {
                let path = self.tree.layer(key).join(DISK);
                let Some(file) = tree::present(File::open(&path), &path)? else {
                    return Err(self.parent_is_gone(parent));
                };
                // -u: the parent may be open for writing in the guest, and its size is known here anyway.
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

    /// Turns what is in the slot into a layer: from now on others find it. The disk must be frozen.
    ///
    /// A parent layer must be committed before: slots that are committed on another thread are committed in
    /// order. Takes the time to read the whole disk once and to bring it to the host's disk.
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
            // Best effort: what stays is removed by the next claim or by garbage collection.
            let _ = empty(&self.directory)
                .and_then(|()| Ok(std::fs::remove_file(self.directory.join(LOCK)).at(&self.directory)?))
                .and_then(|()| Ok(std::fs::remove_dir(&self.directory).at(&self.directory)?));
        }
    }
}

/// Removes everything from a layer's directory but the lock, `layer.json` first.
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

/// What `qemu-img` calls the format of a base image. Its first bytes decide, not its name.
fn format_of(path: &Path) -> io::Result<&'static str> {
    let mut magic = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut magic)?;
    Ok(if magic == b"QFI\xfb" { "qcow2" } else { "raw" })
}
