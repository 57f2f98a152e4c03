//! Reads a directory of the host as a tree. No link in it is followed.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::error::TreeError;
use super::head::{head_of, is_text};
use super::model::{Content, Kind, MOST, Meta, Node, Place, TRANSIENT, Tree};
use super::name::join;
use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError};
use crate::interrupt::Interrupt;
use crate::units::ByteSize;

/// A directory of the host, opened once.
pub(super) struct Root {
    fd: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens a directory.
    pub(super) fn open(path: &Path) -> Result<Self, PathError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(std::io::Error::from).at(path)?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Opens a file in it. No part of the path may be a link.
    pub(super) fn file(&self, path: &Path, flags: OFlags) -> Result<File, PathError> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let opened = rustix::fs::openat2(&self.fd, name, flags, Mode::empty(), resolve);
        opened.map(File::from).map_err(std::io::Error::from).at(self.path.join(path))
    }

    /// Reads the whole directory. `limit` is the most bytes that its files may have together.
    pub(super) fn read(&self, origin: &str, limit: ByteSize, interrupt: &Interrupt) -> Result<Tree, TreeError> {
        let mut tree = Tree::default();
        let mut names: HashMap<(u64, u64), usize> = HashMap::new();
        let mut left = limit.get();
        let mut open = vec![Vec::new()];
        while let Some(directory) = open.pop() {
            let place = Path::new(std::ffi::OsStr::from_bytes(&directory)).to_owned();
            let opened = self.file(&place, OFlags::DIRECTORY)?;
            let here = self.path.join(&place);
            let stat = rustix::fs::fstat(&opened).map_err(std::io::Error::from).at(&here)?;
            tree.nodes.insert(directory.clone(), Node { kind: Kind::Directory, meta: meta(&stat, None), layer: 0 });
            if TRANSIENT.iter().any(|name| name.as_bytes() == directory.as_slice()) {
                continue;
            }
            for entry in Dir::read_from(&opened).map_err(std::io::Error::from).at(&here)? {
                let entry = entry.map_err(std::io::Error::from).at(&here)?;
                let name = entry.file_name();
                if [b".".as_slice(), b".."].contains(&name.to_bytes()) {
                    continue;
                }
                if interrupt.is_raised() {
                    return Err(TreeError::Interrupted);
                }
                if tree.nodes.len() >= MOST {
                    return Err(TreeError::TooMany { origin: origin.to_owned(), limit: MOST });
                }
                let path = join(&directory, name.to_bytes());
                let place = Path::new(std::ffi::OsStr::from_bytes(&path));
                let here = self.path.join(place);
                let at = |error: rustix::io::Errno| PathError { path: here.clone(), source: error.into() };
                let stat = rustix::fs::statat(opened.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW).map_err(at)?;
                let (kind, meta) = match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => {
                        open.push(path);
                        continue;
                    }
                    FileType::Symlink => {
                        let target = rustix::fs::readlinkat(opened.as_fd(), name, Vec::new()).map_err(at)?;
                        (Kind::Symlink(target.into_bytes()), meta(&stat, None))
                    }
                    FileType::Fifo => (Kind::Fifo, meta(&stat, None)),
                    FileType::RegularFile => {
                        let file = self.file(place, OFlags::empty())?;
                        // What is described must be the file that is read.
                        let stat = rustix::fs::fstat(&file).map_err(at)?;
                        let number = (stat.st_dev, stat.st_ino);
                        let content = match names.get(&number) {
                            Some(content) => *content,
                            None => {
                                let size = u64::try_from(stat.st_size).unwrap_or(0);
                                let too_large = || TreeError::TooLarge { origin: origin.to_owned(), limit };
                                left = left.checked_sub(size).ok_or_else(too_large)?;
                                let content = tree.add(content(file, place, size).at(&here)?);
                                names.insert(number, content);
                                content
                            }
                        };
                        (Kind::File(content), meta(&stat, capability(&self.file(place, OFlags::empty())?).map_err(at)?))
                    }
                    FileType::CharacterDevice | FileType::BlockDevice => (Kind::Device, meta(&stat, None)),
                    // A socket is nothing without the program that listens.
                    FileType::Socket | FileType::Unknown => continue,
                };
                tree.nodes.insert(path, Node { kind, meta, layer: 0 });
            }
        }
        Ok(tree)
    }
}

fn meta(stat: &Stat, capability: Option<Vec<u8>>) -> Meta {
    let mtime = u64::try_from(stat.st_mtime).unwrap_or(0);
    Meta { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, mtime, capability }
}

fn content(mut file: File, place: &Path, size: u64) -> std::io::Result<Content> {
    use std::io::{Read as _, Seek as _};
    let mut machine = None;
    let mut text = None;
    if size > 0 {
        (machine, text) = head_of(&mut file.by_ref().take(size), is_text(place.as_os_str().as_bytes(), size))?;
        file.rewind()?;
    }
    Ok(Content { place: Place::Path(place.to_owned()), size, machine, text, sha256: Some(Sha256::of_reader(file)?) })
}

/// Returns the capabilities of a program.
fn capability(file: &File) -> Result<Option<Vec<u8>>, rustix::io::Errno> {
    use rustix::io::Errno;
    let mut value = vec![0; 64];
    match rustix::fs::fgetxattr(file, "security.capability", value.as_mut_slice()) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}
