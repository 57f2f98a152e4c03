//! The cache for package files that guests have downloaded: on the host, one for each base image, kept between builds.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fsx::{IoContext as _, PathError};

/// Age from which a file that is not whole is known to be of a build that was killed.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// Downloaded package files of one base image, kept on the host between builds.
///
/// One base image has one cache: a package file that an image has tampered with can only reach builds that
/// start from the same image.
#[derive(Debug, Clone)]
pub struct PackageCache {
    /// Directory of the host.
    pub dir: PathBuf,
}

impl PackageCache {
    /// Removes the other versions of a package file: the repositories have gone on.
    pub(super) fn forget_versions(&self, name: &str) -> Result<(), PathError> {
        for entry in std::fs::read_dir(&self.dir).at(&self.dir)? {
            let path = entry.at(&self.dir)?.path();
            let other = path.file_name().and_then(|name| name.to_str()).filter(|other| is_package_file(other));
            if other.is_some_and(|other| package_and_arch(other) == package_and_arch(name)) {
                remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// Removes a file. It may be gone already: builds share the cache.
pub(super) fn remove_file(path: &Path) -> Result<(), PathError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).at(path),
        _ => Ok(()),
    }
}

/// Removes a file that was left unfinished long ago.
pub(super) fn forget_stale(path: &Path) -> Result<(), PathError> {
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let stale = changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age > STALE);
    if stale { remove_file(path) } else { Ok(()) }
}

/// A file name that may be used on the host although the guest chose it.
pub(super) fn is_package_file(name: &str) -> bool {
    name.ends_with(".deb")
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-~%".contains(c))
}

/// What the versions of a package file have in common: `name_version_arch.deb`.
pub(super) fn package_and_arch(name: &str) -> Option<(&str, &str)> {
    let (package, rest) = name.split_once('_')?;
    Some((package, rest.rsplit_once('_')?.1))
}
