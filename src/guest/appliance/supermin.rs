//! The directory from which supermin makes the appliance.
//!
//! libguestfs keeps the parts of its appliance in a directory `supermin.d`. supermin reads it, adds the host's programs, and makes
//! a kernel, an initial RAM disk and a root file system. Goldsmith's directory has links to all parts except the first program,
//! `/init`, which is its own.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError};

/// The first program of the appliance.
const INIT: &str = include_str!("init.sh");

/// libguestfs' file with its first program, which Goldsmith replaces.
const INIT_PART: &str = "init.tar.gz";

/// Directory of the parts, below libguestfs' directory.
const PARTS: &str = "supermin.d";

/// Beginning of the names of appliances' directories.
const PREFIX: &str = "appliance-";

/// Offset and length of the UUID in a root file system: ext2's superblock is at 1024, `s_uuid` at 0x68 of it (Linux,
/// Documentation/filesystems/ext4/super.rst).
const ROOT_UUID: (u64, usize) = (1024 + 0x68, 16);

/// The reason why there is no appliance of Goldsmith's.
#[derive(Debug, thiserror::Error)]
pub(in crate::guest) enum ApplianceError {
    /// libguestfs has a finished appliance instead of parts.
    #[error("libguestfs has no {PARTS} in {0}")]
    NoParts(String),
    /// Another user could change it.
    #[error("{} belongs to another user, or others may write to it", .0.display())]
    Unsafe(PathBuf),
    /// A file could not be read or written.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Goldsmith's appliance on this host.
#[derive(Debug)]
pub(in crate::guest) struct Appliance {
    dir: PathBuf,
}

impl Appliance {
    /// Creates the directory of the appliance, if it is missing. libguestfs makes the appliance itself when a guest starts.
    ///
    /// `search` is libguestfs' search path, and `cache` is its directory for files that can be made again. Appliances of older
    /// versions are removed.
    pub(in crate::guest) fn prepare(search: &str, cache: &Path) -> Result<Self, ApplianceError> {
        let parts = search.split(':').map(|dir| Path::new(dir).join(PARTS)).find(|dir| dir.is_dir());
        let parts = parts.ok_or_else(|| ApplianceError::NoParts(search.to_owned()))?;
        let user = rustix::process::geteuid().as_raw();
        let home = cache.join(format!(".goldsmith-{user}"));
        private_dir(&home)?;
        let names = part_names(&parts)?;
        let identity = format!("{}\n{}\n{INIT}", parts.display(), names.join("\n"));
        let name = format!("{PREFIX}{}", &Sha256::of(identity.as_bytes()).to_string()[..16]);
        let dir = home.join(&name);
        if !is_complete(&dir, &names) {
            let new = tempfile::Builder::new().prefix(".new-").tempdir_in(&home).at(&home)?;
            make(new.path(), &parts, &names)?;
            remove_others(&home, &name);
            // Another process may have been faster.
            if let Err(error) = std::fs::rename(new.path(), &dir)
                && !is_complete(&dir, &names)
            {
                return Err(error).at(&dir)?;
            }
        }
        Ok(Self { dir })
    }

    /// Returns the directory for libguestfs' search path. It is also the place for the appliance that libguestfs makes.
    pub(in crate::guest) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns what tells the present appliance from any other, or `None` if libguestfs has not made it yet.
    ///
    /// libguestfs changes the files' times at each start, so that no cleaner of `/var/tmp` removes them.
    pub(super) fn identity(&self) -> Option<String> {
        use std::os::unix::fs::FileExt as _;
        let user = rustix::process::geteuid().as_raw();
        let made = self.dir.join(format!(".guestfs-{user}")).join("appliance.d");
        let mut identity = String::new();
        for name in ["kernel", "initrd", "root"] {
            let meta = std::fs::metadata(made.join(name)).ok()?;
            identity.push_str(&format!("{name} {} {}\n", meta.ino(), meta.size()));
        }
        let mut uuid = [0; ROOT_UUID.1];
        std::fs::File::open(made.join("root")).ok()?.read_exact_at(&mut uuid, ROOT_UUID.0).ok()?;
        Some(format!("{identity}{uuid:02x?}"))
    }
}

/// Creates a directory that only this user can use, or checks that an existing one is such.
fn private_dir(dir: &Path) -> Result<(), ApplianceError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return Ok(created.at(dir)?),
    }
    let meta = std::fs::symlink_metadata(dir).at(dir)?;
    let ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    if ours { Ok(()) } else { Err(ApplianceError::Unsafe(dir.to_owned())) }
}

/// Returns the sorted names of the parts that Goldsmith takes from libguestfs.
fn part_names(parts: &Path) -> Result<Vec<String>, PathError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(parts).at(parts)? {
        let name = entry.at(parts)?.file_name().to_string_lossy().into_owned();
        if name != INIT_PART {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Returns whether a directory has all parts. A cleaner of temporary files may have removed some.
fn is_complete(dir: &Path, names: &[String]) -> bool {
    let parts = dir.join(PARTS);
    names.iter().all(|name| parts.join(name).exists()) && parts.join(INIT_PART).exists()
}

/// Fills a new directory.
fn make(dir: &Path, parts: &Path, names: &[String]) -> Result<(), PathError> {
    let ours = dir.join(PARTS);
    std::fs::create_dir(&ours).at(&ours)?;
    for name in names {
        let link = ours.join(name);
        std::os::unix::fs::symlink(parts.join(name), &link).at(&link)?;
    }
    let init = ours.join(INIT_PART);
    std::fs::write(&init, archive().at(&init)?).at(&init)?;
    std::fs::set_permissions(&init, Permissions::from_mode(0o644)).at(&init)
}

/// Returns the compressed tar file with the first program and the mount point that it uses.
fn archive() -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(INIT.len() as u64);
    archive.append_data(&mut header, "init", INIT.as_bytes())?;
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    header.set_size(0);
    archive.append_data(&mut header, "writable", io::empty())?;
    archive.into_inner()?.finish()
}

/// Removes appliances of other versions. A guest that runs keeps its files open. What cannot be removed stays until the next
/// time.
fn remove_others(home: &Path, name: &str) {
    for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
        let other = entry.file_name();
        if other != name && other.to_string_lossy().starts_with(PREFIX) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
