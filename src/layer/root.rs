//! Creates the directory of a store. If there is one, checks that it is a store before anything in it is changed.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::tree;
use crate::fsx::{IoContext as _, TEMPORARY, write_private};

/// Format of the store; see the documentation of the module `layer`.
const VERSION: u64 = 1;

/// Name of the file that marks a directory as a store, with its format.
const MARKER: &str = "store.json";

/// Files that some commands of earlier versions left in caches without a [`MARKER`].
const EARLIER: [&str; 4] = ["kvm.json", "packages", "pins", "tmp"];

#[derive(Serialize, Deserialize)]
struct Version {
    version: u64,
}

/// Creates a cache directory unless it is there, and returns its absolute path. Only its owner can read it.
///
/// # Errors
///
/// If the directory belongs to another user, if others can write to it, if it contains other files than a cache's, or if its
/// format is unknown. Then nothing in it was changed.
pub fn prepare(root: &Path) -> Result<PathBuf, StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(root).at(root)?;
    let root = root.canonicalize().at(root)?;
    let metadata = fs::metadata(&root).at(&root)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(StoreError::Foreign { root, owner: metadata.uid() });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(StoreError::Shared { root, mode });
    }
    let path = root.join(MARKER);
    match tree::present(fs::read(&path), &path)? {
        Some(text) => check_version(&root, &text)?,
        None => {
            let unknown = |name: &str| !EARLIER.contains(&name) && !name.starts_with(TEMPORARY);
            let names = tree::entries(&root)?.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
            if let Some(found) = names.filter(|name| unknown(name)).min() {
                // Another process may just have made the store.
                if !path.try_exists().at(&path)? {
                    return Err(StoreError::NoStore { root, found });
                }
            }
            let text = serde_json::to_vec(&Version { version: VERSION }).map_err(std::io::Error::from).at(&path)?;
            write_private(&path, &text)?;
        }
    }
    if mode & 0o077 != 0 {
        fs::set_permissions(&root, Permissions::from_mode(0o700)).at(&root)?;
    }
    Ok(root)
}

fn check_version(root: &Path, text: &[u8]) -> Result<(), StoreError> {
    let damaged = |reason| Err(StoreError::Damaged { path: root.join(MARKER), reason });
    match serde_json::from_slice::<Version>(text) {
        Ok(Version { version: VERSION }) => Ok(()),
        Ok(Version { version: found }) if found > VERSION => {
            Err(StoreError::Newer { root: root.to_owned(), found, known: VERSION })
        }
        Ok(Version { version }) => damaged(format!("there is no version {version}")),
        Err(error) => damaged(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").mode() & 0o7777
    }

    #[test]
    fn a_new_cache_is_private_and_an_earlier_one_becomes_so() {
        let dir = tempfile::tempdir().expect("a directory");
        let new = prepare(&dir.path().join("a/b")).expect("it is made");
        assert_eq!(mode(&new), 0o700);
        assert!(new.join(MARKER).is_file());
        let earlier = dir.path().join("earlier");
        fs::create_dir_all(earlier.join("tmp")).expect("a directory");
        fs::write(earlier.join("kvm.json"), "{}").expect("a file");
        fs::set_permissions(&earlier, Permissions::from_mode(0o755)).expect("a mode");
        assert_eq!(mode(&prepare(&earlier).expect("an earlier cache")), 0o700);
        prepare(&earlier).expect("once more");
    }

    #[test]
    fn what_is_no_cache_of_ours_is_refused_and_stays_as_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let open = dir.path().join("open");
        fs::create_dir(&open).expect("a directory");
        fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("a mode");
        assert!(matches!(prepare(&open), Err(StoreError::Shared { mode: 0o777, .. })));
        assert_eq!((mode(&open), tree::entries(&open).expect("readable").len()), (0o777, 0));
        let photos = dir.path().join("photos");
        fs::create_dir_all(photos.join("images")).expect("a directory");
        assert!(matches!(prepare(&photos), Err(StoreError::NoStore { found, .. }) if found == "images"));
        assert_eq!(tree::entries(&photos).expect("readable").len(), 1);
        // Only root can give files away, so only root can test the rest.
        if rustix::process::geteuid().is_root() {
            let foreign = dir.path().join("foreign");
            fs::create_dir(&foreign).expect("a directory");
            std::os::unix::fs::chown(&foreign, Some(65_534), None).expect("root gives it away");
            assert!(matches!(prepare(&foreign), Err(StoreError::Foreign { owner: 65_534, .. })));
        }
    }
}
