//! The files of a fake image: a tree in memory, which is stored at the end of the disk's file.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::guest::{Entry, FileKind};

/// Last bytes of a disk's file that holds a tree, after the tree's length.
const MAGIC: &[u8; 8] = b"GOLDFAKE";

/// Depth of links and of overlays after which there must be a circle.
const DEPTH_LIMIT: usize = 40;

/// The image's files by absolute path.
pub type Tree = BTreeMap<String, Node>;

/// One file of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The kind of the file.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner and group.
    pub owner: (u32, u32),
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A regular file.
    #[serde(with = "readable")]
    File(Vec<u8>),
    /// A directory.
    Directory,
    /// A symbolic link with its target.
    Symlink(String),
}

/// Stores the bytes of a file as a text with one character per byte. So a search of a disk's file for a text finds it.
mod readable {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&bytes.iter().map(|&byte| char::from(byte)).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.chars().map(|c| u8::try_from(c).map_err(D::Error::custom)).collect()
    }
}

/// Files of the image in a disk's file, as far as a fake guest has written it.
pub fn files(disk: &Path) -> Tree {
    let mut disk = disk.to_owned();
    for _ in 0..DEPTH_LIMIT {
        if let Some(tree) = stored(&disk) {
            return tree;
        }
        match backing(&disk) {
            Some(parent) => disk = parent,
            None => break,
        }
    }
    Tree::new()
}

fn stored(disk: &Path) -> Option<Tree> {
    let mut file = File::open(disk).ok()?;
    file.seek(SeekFrom::End(-16)).ok()?;
    let mut trailer = [0; 16];
    file.read_exact(&mut trailer).ok()?;
    let (length, magic) = trailer.split_at(8);
    if magic != MAGIC {
        return None;
    }
    let length = u64::from_le_bytes(length.try_into().ok()?);
    file.seek(SeekFrom::End(-16 - i64::try_from(length).ok()?)).ok()?;
    let mut json = Vec::new();
    file.take(length).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

/// Makes these the files of the image in a disk's file, which must exist. What lies below `/run` is on a tmpfs and
/// gets lost, as in every guest.
pub fn set_files(disk: &Path, tree: &Tree) -> std::io::Result<()> {
    let kept: Tree = tree
        .iter()
        .filter(|(path, _)| !path.starts_with("/run/"))
        .map(|(path, node)| (path.clone(), node.clone()))
        .collect();
    let json = serde_json::to_vec(&kept)?;
    let mut file = OpenOptions::new().append(true).open(disk)?;
    file.write_all(&json)?;
    file.write_all(&(json.len() as u64).to_le_bytes())?;
    file.write_all(MAGIC)
}

/// The file a qcow2 overlay lies on. Its header has offset and length of the name at bytes 8 and 16.
fn backing(disk: &Path) -> Option<PathBuf> {
    let mut file = File::open(disk).ok()?;
    let mut header = [0; 20];
    file.read_exact(&mut header).ok()?;
    let offset = u64::from_be_bytes(header[8..16].try_into().ok()?);
    let length = u32::from_be_bytes(header[16..20].try_into().ok()?);
    if !header.starts_with(b"QFI\xfb") || offset == 0 {
        return None;
    }
    file.seek(SeekFrom::Start(offset)).ok()?;
    let mut name = String::new();
    file.take(length.into()).read_to_string(&mut name).ok()?;
    Some(disk.parent()?.join(name))
}

/// What a running system has for itself.
fn is_transient(path: &str) -> bool {
    ["/dev/", "/proc/", "/run/", "/sys/"].iter().any(|gone| path.starts_with(gone))
}

/// Lists a tree as a real guest does.
pub(super) fn list(tree: &Tree, below: &[&str]) -> Vec<Entry> {
    let wanted = |path: &str| {
        let top = path[1..].split('/').next().unwrap_or_default();
        below.is_empty() || below.iter().any(|name| name.trim_matches('/') == top)
    };
    let entry = |(path, node): (&String, &Node)| {
        let (kind, size, target) = match &node.content {
            Content::File(content) => (FileKind::File, content.len(), None),
            Content::Directory => (FileKind::Directory, 0, None),
            Content::Symlink(target) => (FileKind::Symlink, target.len(), Some(target.as_str().into())),
        };
        let (size, (uid, gid)) = (size as u64, node.owner);
        Entry { path: path.as_str().into(), kind, mode: node.mode, uid, gid, size, stored: size, target }
    };
    tree.iter().filter(|(path, _)| !is_transient(path) && wanted(path)).map(entry).collect()
}

/// Writes a tree as a tar file, as a real guest does: sorted, without what a running system has for itself.
pub(super) fn archive(tree: &Tree, file: File) -> std::io::Result<File> {
    let mut builder = tar::Builder::new(file);
    let root = Node { content: Content::Directory, mode: 0o755, owner: (0, 0) };
    let nodes = tree.iter().filter(|(path, _)| !is_transient(path)).map(|(path, node)| (path.as_str(), node));
    for (path, node) in std::iter::once(("/", &root)).chain(nodes) {
        let mut header = tar::Header::new_ustar();
        header.set_mode(node.mode);
        header.set_uid(node.owner.0.into());
        header.set_gid(node.owner.1.into());
        header.set_mtime(0);
        let name = format!(".{path}");
        match &node.content {
            Content::File(content) => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, name, content.as_slice())?;
            }
            Content::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                builder.append_data(&mut header, format!("{}/", name.trim_end_matches('/')), std::io::empty())?;
            }
            Content::Symlink(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, target)?;
            }
        }
    }
    builder.into_inner()
}

/// Path with links resolved, at its end too if `last`; `None` if they lead in a circle.
pub(super) fn resolve(tree: &Tree, path: &str, last: bool) -> Option<String> {
    let mut done = String::new();
    let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            _ => {}
        }
        let next = format!("{done}/{part}");
        let follow = last || rest.iter().any(|part| !part.is_empty());
        match tree.get(&next).map(|node| &node.content) {
            Some(Content::Symlink(target)) if follow => {
                links += 1;
                if links > DEPTH_LIMIT {
                    return None;
                }
                if target.starts_with('/') {
                    done.clear();
                }
                rest.extend(target.split('/').rev().map(str::to_owned));
            }
            _ => done = next,
        }
    }
    Some(if done.is_empty() { "/".to_owned() } else { done })
}

/// Paths that match a pattern of `*` and `?`, which match within one component. Links of directories are followed.
pub(super) fn glob(tree: &Tree, pattern: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for above in found {
            let Some(dir) = resolve(tree, &above, true) else { continue };
            let inside = format!("{}/", dir.trim_end_matches('/'));
            let names = tree.keys().filter_map(|path| path.strip_prefix(&inside)).filter(|name| !name.contains('/'));
            next.extend(names.filter(|name| matches(part, name)).map(|name| format!("{above}/{name}")));
        }
        found = next;
    }
    found
}

/// Whether a name matches one component of a pattern.
fn matches(pattern: &str, name: &str) -> bool {
    fn part(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (Some(b'*'), _) => part(&pattern[1..], name) || (!name.is_empty() && part(pattern, &name[1..])),
            (Some(b'?'), Some(_)) => part(&pattern[1..], &name[1..]),
            (Some(a), Some(b)) if a == b => part(&pattern[1..], &name[1..]),
            _ => false,
        }
    }
    // A wildcard does not match a leading dot, as in a shell.
    let hidden = name.starts_with('.') && !pattern.starts_with('.');
    !hidden && part(pattern.as_bytes(), name.as_bytes())
}
