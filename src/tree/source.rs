//! Where a tree comes from, and the way from there to its files.

use std::io::Read;
use std::path::PathBuf;

use super::archive::{self, Member, MemberKind};
use super::directory::Root;
use super::error::TreeError;
use super::head::{head_of, is_text};
use super::model::{Content, Kind, MOST, Node, Place, Tree};
use super::name::{join, normal, split};
use crate::interrupt::Interrupt;
use crate::units::ByteSize;

/// Beginning of a name that hides a file of a lower layer: "Whiteouts" in the OCI Image Layer Filesystem Changeset Specification.
const WHITEOUT: &[u8] = b".wh.";

/// Name that hides all files of lower layers in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Beginning of the names that union file systems keep for themselves.
const RESERVED: &[u8] = b".wh..wh.";

/// The source of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One archive with all files.
    Archive {
        /// The name that the user knows.
        origin: String,
        /// The file.
        file: PathBuf,
    },
    /// The layers of a container image, the lowest first. Each is an archive of changes, by the OCI Image Layer Filesystem Changeset
    /// Specification.
    Layers {
        /// The name that the user knows.
        origin: String,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// A directory of the host.
    Directory {
        /// The name that the user knows.
        origin: String,
        /// The directory.
        path: PathBuf,
    },
}

impl Source {
    /// Returns the name that the user knows.
    pub fn origin(&self) -> &str {
        match self {
            Self::Archive { origin, .. } | Self::Layers { origin, .. } | Self::Directory { origin, .. } => origin,
        }
    }

    /// Returns the archives, with a name for each.
    pub(super) fn archives(&self) -> Vec<(String, &PathBuf)> {
        match self {
            Self::Archive { origin, file } => vec![(origin.clone(), file)],
            Self::Layers { origin, files } => {
                let count = files.len();
                (1..)
                    .zip(files)
                    .map(|(number, file)| (format!("layer {number} of {count} of {origin}"), file))
                    .collect()
            }
            Self::Directory { .. } => Vec::new(),
        }
    }

    /// Reads the tree. `limit` is the size of the disk: no archive may unpack to more, and no directory may have more.
    ///
    /// # Errors
    ///
    /// If an entry cannot be part of a tree, if the source is too large, damaged or no tree, or if it cannot be read.
    pub fn read(&self, limit: ByteSize, interrupt: &Interrupt) -> Result<Tree, TreeError> {
        let mut tree = match self {
            Self::Directory { origin, path } => Root::open(path)?.read(origin, limit, interrupt)?,
            Self::Archive { .. } | Self::Layers { .. } => {
                let layered = matches!(self, Self::Layers { .. });
                let mut tree = Tree::default();
                for (layer, (origin, file)) in self.archives().into_iter().enumerate() {
                    archive::read(file, &origin, limit, interrupt, &mut |number, member, data| {
                        if tree.nodes.len() >= MOST || number > 4 * MOST as u64 {
                            return Err(TreeError::TooMany { origin: origin.clone(), limit: MOST });
                        }
                        let name = member.name.clone();
                        let place = Place::Member(layer, number);
                        apply(&mut tree, member, data, place, layer, layered).map_err(|fault| match fault {
                            Fault::Entry(reason) => TreeError::entry(&origin, &name, reason),
                            Fault::Read(source) => TreeError::Archive { origin: origin.clone(), source },
                        })
                    })?;
                }
                tree
            }
        };
        let no_system = |reason| TreeError::NoSystem { origin: self.origin().to_owned(), reason };
        tree.settle().map_err(no_system)?;
        Ok(tree)
    }
}

/// Why an entry cannot be applied.
enum Fault {
    Entry(String),
    Read(std::io::Error),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Entry(reason)
    }
}

/// Applies an entry to what the tree has so far.
fn apply(
    tree: &mut Tree,
    member: Member,
    data: &mut dyn Read,
    place: Place,
    layer: usize,
    layered: bool,
) -> Result<(), Fault> {
    let Member { name, kind, meta, size } = member;
    let path = normal(&name).map_err(str::to_owned)?;
    if layered
        && kind == MemberKind::File
        && let Some((directory, name)) = split(&path)
        && let Some(hidden) = name.strip_prefix(WHITEOUT)
    {
        let directory = tree.resolved(directory)?;
        match hidden {
            _ if name == OPAQUE => tree.hide(&directory, true, layer),
            _ if name.starts_with(RESERVED) => {}
            b"" | b"." | b".." => {
                return Err(Fault::Entry("hides no file: a whiteout names a file in its directory".to_owned()));
            }
            hidden => tree.hide(&join(&directory, hidden), false, layer),
        }
        return Ok(());
    }
    let kind = match kind {
        MemberKind::Link(target) => return Ok(tree.link(&path, &target, layer)?),
        MemberKind::Directory => Kind::Directory,
        MemberKind::Symlink(target) => Kind::Symlink(target),
        MemberKind::Fifo => Kind::Fifo,
        MemberKind::Device => Kind::Device,
        MemberKind::File => {
            let (machine, text) = head_of(data, is_text(&path, size)).map_err(Fault::Read)?;
            Kind::File(tree.add(Content { place, size, machine, text, sha256: None }))
        }
    };
    tree.put(&path, Node { kind, meta, layer })?;
    Ok(())
}
