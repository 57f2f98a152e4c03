//! The directory in which `goldsmith run` keeps a machine: its disk, its key and its identity.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::disk::qemu_img::QemuImg;
use crate::fsx::{self, FileLock, IoContext as _, PathError, write_private};
use crate::image::local;
use crate::interrupt::Interrupt;
use crate::machine::KeyPair;
use crate::metadata::Instance;
use crate::recipe::Arch;
use crate::recipe::verify::{Board, BootKind, Datasource};

/// File that describes the machine. It is written last.
const RECORD: &str = "machine.json";

/// Version of the format of that file.
const FORMAT: u32 = 1;

/// File that marks the directory of a machine. It is written first.
const MARKER: &str = ".goldsmith-machine";

/// Lock of a directory: the machine in it runs, or is being made.
const LOCK: &str = "lock";

/// Disk of the machine: an overlay on the image.
const DISK: &str = "disk.qcow2";

/// Copy of the image's disk, if QEMU cannot use the image itself.
const COPY: &str = "image.raw";

/// Names of a machine's files, which may be incomplete after an interruption; names of the firmware's variables differ.
const FILES: [&str; 8] = [MARKER, LOCK, DISK, COPY, "id_ed25519", "id_ed25519.pub", METADATA, RECORD];

/// The disk with the metadata.
const METADATA: &str = "metadata.iso";

/// The description of a machine: everything that a start needs besides its files and the options of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    /// Image below the disk; `stamp` detects another one.
    image: PathBuf,
    stamp: Stamp,
    pub(super) arch: Arch,
    pub(super) board: Board,
    pub(super) boot: BootKind,
    pub(super) metadata: Datasource,
    /// Account for the login with the key, if it is known.
    pub(super) user: Option<String>,
    pub(super) instance: Instance,
}

/// The size and time of an image file, which detect a changed image: it would corrupt the overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    modified: i64,
    nanoseconds: i64,
}

impl Stamp {
    fn of(file: &Path) -> Result<Self, PathError> {
        let found = file.metadata().at(file)?;
        Ok(Self { size: found.size(), modified: found.mtime(), nanoseconds: found.mtime_nsec() })
    }
}

/// The settings of a new machine.
pub(super) struct MachineSettings {
    pub(super) arch: Arch,
    pub(super) board: Board,
    pub(super) boot: BootKind,
    pub(super) metadata: Datasource,
    pub(super) user: Option<String>,
    pub(super) hostname: String,
    pub(super) user_data: Vec<u8>,
    /// Size of the disk in bytes.
    pub(super) disk: u64,
}

/// A directory with a machine.
pub(super) struct Kept {
    pub(super) dir: PathBuf,
    pub(super) record: Record,
}

impl Kept {
    /// Returns the machine in a directory, if there is one.
    pub(super) fn find(dir: &Path, image: &Path) -> Result<Option<Self>, Failure> {
        let dir = std::path::absolute(dir).at(dir).map_err(|error| hints::file(&error))?;
        let file = dir.join(RECORD);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(hints::file(&PathError { path: file, source: error })),
        };
        let record: Record = serde_json::from_slice(&text).map_err(|error| {
            Failure::of(FailureKind::Usage, format!("{} holds no machine of this program: {error}", file.display()))
                .hint("give another directory by --keep")
        })?;
        let anew = || format!("remove {} to begin anew, or give another directory by --keep", dir.display());
        if record.format != FORMAT {
            let message = format!("{} was written by another version of goldsmith", file.display());
            return Err(Failure::of(FailureKind::Usage, message).hint(anew()));
        }
        let given = image.canonicalize().at(image).map_err(|error| missing(&error))?;
        if given != record.image {
            let message = format!("the machine in {} was made of {}", dir.display(), record.image.display());
            return Err(Failure::of(FailureKind::Usage, message).hint(anew()));
        }
        if !dir.join(COPY).exists() && Stamp::of(&given).map_err(|error| missing(&error))? != record.stamp {
            let message =
                format!("{} has changed since the machine in {} was made of it", image.display(), dir.display());
            return Err(Failure::of(FailureKind::Usage, message).hint(anew()));
        }
        Ok(Some(Self { dir, record }))
    }

    /// Makes a machine from an image, in a directory that [`open`] has prepared.
    pub(super) fn make(
        dir: &Path,
        image: &Path,
        wish: MachineSettings,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let host = |error: &dyn std::error::Error| Failure::new(FailureKind::Host, error);
        // A private key will be in it, and user data that may hold secrets.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).at(dir).map_err(|error| hints::file(&error))?;
        let key = KeyPair::make(dir, "goldsmith").map_err(|error| host(&error))?;
        let found = image.canonicalize().at(image).and_then(|path| Ok((Stamp::of(&path)?, path)));
        let (stamp, path) = found.map_err(|error| missing(&error))?;
        let copy = dir.join(COPY);
        let local = local::prepare(&path, &copy, interrupt).map_err(|error| hints::local(&error))?;
        QemuImg::default()
            .create_overlay(&dir.join(DISK), &local.path, local.format, wish.disk)
            .map_err(|error| host(&error))?;
        let record = Record {
            format: FORMAT,
            image: path,
            stamp,
            arch: wish.arch,
            board: wish.board,
            boot: wish.boot,
            metadata: wish.metadata,
            user: wish.user,
            instance: Instance::new(&wish.hostname, &key.public, wish.user_data),
        };
        let text = serde_json::to_vec_pretty(&record).map_err(|error| host(&error))?;
        write_private(&dir.join(RECORD), &text).map_err(|error| hints::file(&error))?;
        Ok(Self { dir: dir.to_owned(), record })
    }

    pub(super) fn disk(&self) -> PathBuf {
        self.dir.join(DISK)
    }

    pub(super) fn metadata(&self) -> PathBuf {
        self.dir.join(METADATA)
    }

    pub(super) fn key(&self) -> PathBuf {
        self.dir.join("id_ed25519")
    }
}

/// Makes a directory for a machine, and locks it for this process.
pub(super) fn open(dir: &Path) -> Result<(PathBuf, FileLock), Failure> {
    let dir = std::path::absolute(dir).at(dir).map_err(|error| hints::file(&error))?;
    let failed = |error: PathError| hints::file(&error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).at(&dir).map_err(failed)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).at(&dir).map_err(failed)? {
        names.push(entry.at(&dir).map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    // Keys of the user may have the names of a machine's keys.
    let ours = names.is_empty() || [MARKER, RECORD].iter().any(|file| names.iter().any(|name| name == file));
    let known =
        |name: &String| FILES.contains(&name.as_str()) || name.contains("-vars.") || name.starts_with(fsx::TEMPORARY);
    if let Some(name) = names.iter().find(|name| !ours || !known(name)) {
        let message = format!("{} is no directory of a machine: it has `{name}`", dir.display());
        return Err(Failure::of(FailureKind::Usage, message).hint("give a new or an empty directory by --keep"));
    }
    let marker = dir.join(MARKER);
    fs::write(&marker, "goldsmith keeps a machine here.\n").at(&marker).map_err(failed)?;
    let lock = FileLock::try_exclusive(&dir.join(LOCK)).map_err(failed)?.ok_or_else(|| {
        Failure::of(FailureKind::Usage, format!("the machine in {} is running", dir.display()))
            .hint("end it first, or give another directory by --keep")
    })?;
    Ok((dir, lock))
}

/// Converts errors of an image that may be missing.
fn missing(error: &PathError) -> Failure {
    match error.source.kind() {
        io::ErrorKind::NotFound => Failure::new(FailureKind::Usage, error),
        _ => hints::file(error),
    }
}
