//! Stores a tree in a directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, ioctl_ficlone, renameat_with};
use sha2::Digest as _;

use super::super::error::TreeError;
use super::super::image_version::{Content, Entry, LATEST};
use super::super::storage::Storage;
use crate::digest::Sha256;
use crate::export::manifest::Summary;
use crate::fsx::{
    FileLock, IoContext as _, PathError, TEMPORARY, allocated_bytes, available_bytes, is_temporary, sync_dir,
    write_served,
};
use crate::image::is_zero;
use crate::interrupt::Interrupt;
use crate::workdir::WorkDir;

/// Name of a version's folder in a work directory.
const VERSION: &str = "version";

/// File that is locked while the tree changes. A directory itself cannot be locked on NFS.
pub(super) const LOCK: &str = ".goldsmith.lock";

/// Pause between two tries to get the lock.
const POLL: Duration = Duration::from_millis(100);

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// A tree in a directory, which is created if it is missing.
#[derive(Debug, Clone)]
pub struct Directory {
    pub(super) root: PathBuf,
}

impl Directory {
    /// Returns the tree in a directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    /// Returns the entries of a folder; none if it is missing.
    fn entries(&self, path: &str) -> Result<Vec<fs::DirEntry>, PathError> {
        let dir = self.at(path);
        match fs::read_dir(&dir) {
            Ok(entries) => entries.collect::<Result<_, _>>().at(&dir),
            Err(error) if missing(&error) => Ok(Vec::new()),
            Err(error) => Err(error).at(&dir),
        }
    }

    /// Copies a file, or makes it share its data, and compares the digest of the copy.
    fn copy(&self, from: &Path, to: &Path, entry: &Entry, copying: &mut Copying<'_>) -> Result<(), TreeError> {
        let mut source = File::open(from).at(from)?;
        let mut target = File::create_new(to).at(to)?;
        // Shared data is copied as soon as one of the files changes. A hard link would change together with the artifact.
        let shared = ioctl_ficlone(&target, &source).is_ok();
        if shared {
            source = File::open(to).at(to)?;
        } else {
            let needed = allocated_bytes(&source.metadata().at(from)?);
            let free = available_bytes(to)?;
            if free < needed {
                return Err(TreeError::Room { place: self.place(), free, needed });
            }
        }
        let (mut hasher, mut size, mut chunk) = (sha2::Sha256::new(), 0, vec![0; CHUNK]);
        loop {
            if copying.interrupt.is_raised() {
                return Err(TreeError::Interrupted);
            }
            let count = source.read(&mut chunk).at(from)?;
            let piece = &chunk[..count];
            if count == 0 {
                break;
            }
            hasher.update(piece);
            match piece {
                _ if shared => {}
                // A hole stays a hole.
                piece if is_zero(piece) => drop(target.seek(SeekFrom::Current(count as i64)).at(to)?),
                piece => target.write_all(piece).at(to)?,
            }
            size += count as u64;
            copying.done += count as u64;
            (copying.progress)(copying.done);
        }
        target.set_len(size).at(to)?;
        settle(&target, to)?;
        let found = Sha256::from(hasher);
        if found != entry.sha256 {
            return Err(TreeError::Differs { file: from.display().to_string(), expected: entry.sha256, found });
        }
        Ok(())
    }

    /// Makes a folder with these files. It gets its name when it is complete.
    fn make(&self, parent: &Path, target: &Path, files: &[Entry], copying: &mut Copying<'_>) -> Result<(), TreeError> {
        let work = WorkDir::within(parent)?;
        let folder = work.path().join(VERSION);
        fs::create_dir(&folder).at(&folder)?;
        self.fill(&folder, files, copying)?;
        if target.symlink_metadata().is_ok() {
            is_version(target)?;
            // The old folder is now in the work directory, which removes it.
            let exchanged = renameat_with(CWD, &folder, CWD, target, RenameFlags::EXCHANGE);
            exchanged.map_err(io::Error::from).at(target)?;
        } else {
            fs::rename(&folder, target).at(target)?;
        }
        Ok(sync_dir(parent)?)
    }

    fn fill(&self, dir: &Path, files: &[Entry], copying: &mut Copying<'_>) -> Result<(), TreeError> {
        for entry in files {
            let to = dir.join(&entry.name);
            match &entry.content {
                Content::Artifact(from) => self.copy(from, &to, entry, copying)?,
                Content::Made(content) => {
                    let mut file = File::create_new(&to).at(&to)?;
                    file.write_all(content).at(&to)?;
                    settle(&file, &to)?;
                }
            }
        }
        // A temporary directory is private, but a published one is not.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).at(dir)?;
        Ok(sync_dir(dir)?)
    }

    /// Removes files and work directories of killed runs, and returns their paths. A dry run only returns them.
    fn tidy_folder(&self, path: &str, dry_run: bool) -> Result<Vec<String>, PathError> {
        let mut removed = WorkDir::tidy_within(&self.at(path), dry_run)?;
        for entry in self.entries(path)? {
            let path = entry.path();
            let half = entry.file_name().to_str().is_some_and(|name| is_temporary(name, None));
            if half && !entry.file_type().at(&path)?.is_dir() {
                if !dry_run {
                    fs::remove_file(&path).at(&path)?;
                }
                removed.push(path);
            }
        }
        Ok(removed.into_iter().map(|path| path.display().to_string()).collect())
    }
}

/// The state of a copy.
struct Copying<'a> {
    done: u64,
    progress: &'a dyn Fn(u64),
    interrupt: &'a Interrupt,
}

impl Storage for Directory {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn lock(&self, interrupt: &Interrupt) -> Result<Option<FileLock>, TreeError> {
        fs::create_dir_all(&self.root).at(&self.root)?;
        loop {
            if let Some(lock) = FileLock::try_exclusive(&self.root.join(LOCK))? {
                return Ok(Some(lock));
            }
            if interrupt.is_raised() {
                return Err(TreeError::Interrupted);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Removes leftovers of any age: under the lock, no other run can be using them.
    fn remove_leftovers(&self, image: &str, _: Duration, dry_run: bool) -> Result<Vec<String>, TreeError> {
        Ok([self.tidy_folder(image, dry_run)?, self.tidy_folder("streams/v1", dry_run)?].concat())
    }

    fn folders(&self, path: &str) -> Result<Vec<String>, TreeError> {
        let mut names = Vec::new();
        for entry in self.entries(path)? {
            let is_dir = entry.file_type().at(entry.path())?.is_dir();
            // Goldsmith's folders have names in UTF-8.
            if let Ok(name) = entry.file_name().into_string()
                && is_dir
                && !name.starts_with('.')
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn files(&self, path: &str) -> Result<BTreeMap<String, u64>, TreeError> {
        let mut files = BTreeMap::new();
        for entry in self.entries(path)? {
            let meta = entry.metadata().at(entry.path())?;
            if let Ok(name) = entry.file_name().into_string()
                && meta.is_file()
            {
                files.insert(name, meta.len());
            }
        }
        Ok(files)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, TreeError> {
        let path = self.at(path);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(error).at(&path).map_err(TreeError::from),
        }
    }

    fn write(&self, path: &str, content: &[u8]) -> Result<(), TreeError> {
        let path = self.at(path);
        let dir = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(dir).at(dir)?;
        Ok(write_served(&path, content)?)
    }

    fn remove(&self, path: &str) -> Result<(), TreeError> {
        let path = self.at(path);
        match fs::remove_file(&path) {
            Err(error) if !missing(&error) => Err(error).at(&path).map_err(TreeError::from),
            _ => Ok(()),
        }
    }

    fn put(
        &self,
        folder: &str,
        files: &[Entry],
        progress: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), TreeError> {
        let target = self.at(folder);
        let parent = target.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).at(parent)?;
        let made = self.make(parent, &target, files, &mut Copying { done: 0, progress, interrupt });
        if made.is_err() {
            // This removes only an empty folder, such as one that `put` has made.
            let _ = fs::remove_dir(parent);
        }
        made
    }

    fn discard(&self, folder: &str) -> Result<(), TreeError> {
        let path = self.at(folder);
        let parent = path.parent().unwrap_or(&self.root);
        match path.symlink_metadata() {
            Err(error) if missing(&error) => {}
            found => {
                found.at(&path)?;
                is_version(&path)?;
                let away = WorkDir::within(parent)?;
                fs::rename(&path, away.path().join(VERSION)).at(&path)?;
                sync_dir(parent)?;
            }
        }
        // This removes only an empty folder.
        let _ = fs::remove_dir(parent);
        Ok(())
    }

    fn latest(&self, image: &str) -> Result<Option<String>, TreeError> {
        let path = self.at(image).join(LATEST);
        match fs::read_link(&path) {
            Ok(target) => Ok(target.into_os_string().into_string().ok()),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(error).at(&path).map_err(TreeError::from),
        }
    }

    fn point(&self, image: &str, version: Option<&str>) -> Result<(), TreeError> {
        let dir = self.at(image);
        let Some(version) = version else { return self.remove(&format!("{image}/{LATEST}")) };
        let link = |path: &Path| std::os::unix::fs::symlink(version, path);
        let link = tempfile::Builder::new().prefix(TEMPORARY).suffix("-latest").make_in(&dir, link).at(&dir)?;
        let path = dir.join(LATEST);
        link.into_temp_path().persist(&path).map_err(|error| error.error).at(&path)?;
        Ok(sync_dir(&dir)?)
    }
}

fn missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Writes a file to stable storage, and makes it readable for everybody who may read its directory.
fn settle(file: &File, path: &Path) -> Result<(), PathError> {
    file.set_permissions(fs::Permissions::from_mode(0o644)).at(path)?;
    file.sync_all().at(path)
}

/// Refuses a path that is no published version: a link, or a folder without a manifest or with anything but files.
fn is_version(path: &Path) -> Result<(), TreeError> {
    let foreign = || TreeError::Foreign { path: path.to_owned() };
    if !path.symlink_metadata().at(path)?.is_dir() || Summary::read(path).is_none() {
        return Err(foreign());
    }
    for entry in fs::read_dir(path).at(path)? {
        if !entry.at(path)?.file_type().at(path)?.is_file() {
            return Err(foreign());
        }
    }
    Ok(())
}
