//! A store in a directory, which several machines mount.

use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::blob;
use super::error::RemoteError;
use super::lease;
use super::objects::{Found, Listed, ObjectStore, Version};
use super::record;
use crate::digest::Sha256;
use crate::fsx::{Access, FileLock, IoContext as _, NewFile, PathError, is_temporary, same_file, write_atomic};
use crate::interrupt::Interrupt;

/// Bytes that are copied at a time.
const CHUNK: usize = 256 << 10;

/// Age of leftovers, after which nobody works on them any more.
const LEFT: Duration = Duration::from_secs(24 * 3600);

/// Pause between two tries to get the lock, and the number of tries.
const POLL: Duration = Duration::from_millis(20);
const TRIES: u32 = 500;

/// A store in a directory.
///
/// A file appears complete or not at all, by a rename; one that must be the first with its name, by a link. Files are replaced under a
/// lock beside them.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Makes a store in a directory. It must exist: a file system that is not mounted would look like an empty store.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn there(&self) -> Result<(), RemoteError> {
        if self.root.is_dir() { Ok(()) } else { Err(RemoteError::NoDirectory(self.root.clone())) }
    }

    /// Returns the path of an object whose folder exists.
    fn writable(&self, name: &str) -> Result<PathBuf, RemoteError> {
        self.there()?;
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).at(folder)?;
        Ok(path)
    }

    /// Takes the lock under which files are replaced.
    fn lock(&self) -> Result<FileLock, RemoteError> {
        let path = self.root.join("lock");
        for _ in 0..TRIES {
            if let Some(lock) = FileLock::try_exclusive(&path)? {
                return Ok(lock);
            }
            std::thread::sleep(POLL);
        }
        Err(RemoteError::Silent(POLL * TRIES))
    }
}

fn present<T>(result: io::Result<T>, path: &Path) -> Result<Option<T>, PathError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at(path),
    }
}

impl ObjectStore for Directory {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn get(&self, name: &str, _: &Interrupt) -> Result<Option<Found>, RemoteError> {
        self.there()?;
        let path = self.root.join(name);
        let Some(mut file) = present(File::open(&path), &path)? else { return Ok(None) };
        let modified = file.metadata().at(&path)?.modified().ok();
        // The name of a blob is its version.
        if name.starts_with(blob::FOLDER) {
            return Ok(Some(Found { version: Version(name.to_owned()), modified, content: Box::new(file) }));
        }
        let version = Version(Sha256::of_reader(&file).at(&path)?.to_string());
        file.rewind().at(&path)?;
        Ok(Some(Found { version, modified, content: Box::new(file) }))
    }

    fn size(&self, name: &str) -> Result<Option<u64>, RemoteError> {
        self.there()?;
        let path = self.root.join(name);
        Ok(present(fs::metadata(&path), &path)?.map(|metadata| metadata.len()))
    }

    fn put_new(&self, name: &str, content: &[u8]) -> Result<bool, RemoteError> {
        let path = self.writable(name)?;
        let new = NewFile::create(&path, Access::Umask)?;
        new.file().write_all(content).at(&path)?;
        match new.persist_new() {
            Ok(()) => Ok(true),
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn put_over(&self, name: &str, content: &[u8], version: &Version) -> Result<bool, RemoteError> {
        let path = self.writable(name)?;
        let _lock = self.lock()?;
        match present(fs::read(&path), &path)? {
            Some(found) if Sha256::of(&found).to_string() == version.0 => {
                write_atomic(&path, content)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn upload(
        &self,
        name: &str,
        file: &Path,
        sha256: &Sha256,
        on_bytes: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), RemoteError> {
        use io::Read as _;
        use sha2::Digest as _;
        let path = self.writable(name)?;
        let new = NewFile::create(&path, Access::Umask)?;
        let mut from = File::open(file).at(file)?;
        let (mut hasher, mut chunk, mut done) = (sha2::Sha256::new(), vec![0; CHUNK], 0);
        loop {
            if interrupt.is_raised() {
                return Err(RemoteError::Interrupted);
            }
            let count = from.read(&mut chunk).at(file)?;
            if count == 0 {
                break;
            }
            hasher.update(&chunk[..count]);
            new.file().write_all(&chunk[..count]).at(&path)?;
            done += count as u64;
            on_bytes(done);
        }
        let found = Sha256::from(hasher);
        if found != *sha256 {
            return Err(RemoteError::Damaged { name: name.to_owned(), reason: format!("its SHA-256 is {found}") });
        }
        Ok(new.persist()?)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, RemoteError> {
        self.there()?;
        let path = self.root.join(folder);
        let Some(entries) = present(fs::read_dir(&path), &path)? else { return Ok(Vec::new()) };
        let mut listed = Vec::new();
        for entry in entries {
            let entry = entry.at(&path)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Another machine may remove it at the same time.
            let Some(metadata) = present(entry.metadata(), &entry.path())? else { continue };
            if metadata.is_file() && !is_temporary(&name, None) {
                let modified = metadata.modified().at(entry.path())?;
                listed.push(Listed { name, size: metadata.len(), modified });
            }
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    fn remove(&self, name: &str) -> Result<(), RemoteError> {
        self.there()?;
        let path = self.root.join(name);
        present(fs::remove_file(&path), &path)?;
        Ok(())
    }

    fn touch(&self, name: &str, _: &[u8], _: &Version) -> Result<(), RemoteError> {
        self.there()?;
        let path = self.root.join(name);
        let Some(file) = present(File::options().write(true).open(&path), &path)? else { return Ok(()) };
        // A file that was replaced meanwhile is new anyway.
        if same_file(&file, &path)? {
            file.set_modified(SystemTime::now()).at(&path)?;
        }
        Ok(())
    }

    fn remove_leftovers(&self, dry_run: bool) -> Result<Vec<String>, RemoteError> {
        let mut removed = Vec::new();
        for folder in [record::FOLDER, blob::FOLDER, lease::FOLDER] {
            let path = self.root.join(folder);
            let Some(entries) = present(fs::read_dir(&path), &path)? else { continue };
            for entry in entries {
                let entry = entry.at(&path)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some(metadata) = present(entry.metadata(), &entry.path())? else { continue };
                let age = metadata.modified().ok().and_then(|time| time.elapsed().ok()).unwrap_or_default();
                if is_temporary(&name, None) && age > LEFT {
                    if !dry_run {
                        present(fs::remove_file(entry.path()), &entry.path())?;
                    }
                    removed.push(format!("{folder}/{name}"));
                }
            }
        }
        Ok(removed)
    }
}
