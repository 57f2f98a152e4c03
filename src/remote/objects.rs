//! The interface of a store of objects, which buckets, shared directories and registries implement.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use super::error::RemoteError;
use crate::digest::Sha256;
use crate::interrupt::Interrupt;

/// Size limit of an object that is read into memory, in bytes.
const SMALL: u64 = 64 << 20;

/// A store of objects under names. Names have `/` between their parts.
///
/// All methods block. Methods with an [`Interrupt`] stop early when it is raised.
pub trait ObjectStore: Send + Sync {
    /// Returns the name of the store, for people.
    fn place(&self) -> String;

    /// Returns what tells this store from all others.
    fn address(&self) -> String {
        self.place()
    }

    /// Returns whether the store may keep conditions of writes. One that cannot is not asked.
    fn may_keep_conditions(&self) -> bool {
        true
    }

    /// Opens an object; `None` if it is missing.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn get(&self, name: &str, interrupt: &Interrupt) -> Result<Option<Found>, RemoteError>;

    /// Returns the size of an object; `None` if it is missing.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn size(&self, name: &str) -> Result<Option<u64>, RemoteError>;

    /// Writes a small object if there is none with this name. Returns whether it did.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn put_new(&self, name: &str, content: &[u8]) -> Result<bool, RemoteError>;

    /// Writes a small object in place of this version of it. Returns whether it did: `false` if there is another version by now.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn put_over(&self, name: &str, content: &[u8], version: &Version) -> Result<bool, RemoteError>;

    /// Writes a file as an object whose name says its content, so that it does not matter who wrote it first. `on_bytes` receives
    /// the number of bytes that were sent so far.
    ///
    /// # Errors
    ///
    /// If the store fails, or the file does not have this digest.
    fn upload(
        &self,
        name: &str,
        file: &Path,
        sha256: &Sha256,
        on_bytes: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), RemoteError>;

    /// Lists the objects in a folder.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn list(&self, folder: &str) -> Result<Vec<Listed>, RemoteError>;

    /// Removes an object, if it is there.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn remove(&self, name: &str) -> Result<(), RemoteError>;

    /// Gives an object the present time, if it still has this version and content.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn touch(&self, name: &str, content: &[u8], version: &Version) -> Result<(), RemoteError>;

    /// Removes what killed uploads have left and no list shows, if it is older than a day.
    ///
    /// # Errors
    ///
    /// If the store fails.
    fn remove_leftovers(&self, dry_run: bool) -> Result<Vec<String>, RemoteError>;
}

/// The version of an object: two contents of one name have different ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub(super) String);

/// An object that was found.
pub struct Found {
    /// Its version.
    pub version: Version,
    /// When it was written last, if the store says so.
    pub modified: Option<SystemTime>,
    /// Its content.
    pub content: Box<dyn Read + Send>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Found {
    /// Reads the whole content of a small object.
    ///
    /// # Errors
    ///
    /// If the store fails, or the object is not small.
    pub fn read(self, name: &str) -> Result<Vec<u8>, RemoteError> {
        let mut bytes = Vec::new();
        let read = self.content.take(SMALL + 1).read_to_end(&mut bytes);
        read.map_err(|error| RemoteError::Cut { name: name.to_owned(), reason: error.to_string() })?;
        if bytes.len() as u64 > SMALL {
            return Err(RemoteError::Damaged {
                name: name.to_owned(),
                reason: format!("it has more than {SMALL} bytes"),
            });
        }
        Ok(bytes)
    }
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, without the folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: SystemTime,
}
