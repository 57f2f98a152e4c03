//! The files of a tree: a list in memory in which every path is there once, and lies in directories only.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use super::name::{above, join, normal, split};
use crate::digest::Sha256;

/// Most entries of a tree: each takes some hundred bytes of memory.
pub(super) const MOST: usize = 2_000_000;

/// Most links on the way to a file, as for the kernel.
const LINKS: usize = 40;

/// Directories whose content the running system makes. What a tree has there is left out, device nodes with it.
pub(super) const TRANSIENT: [&str; 4] = ["dev", "proc", "run", "sys"];

/// Files by which programs know that they run in a container, which the image does not.
const MARKS: [&str; 1] = [".dockerenv"];

/// Directories that the rest of the build writes to, and the modes with which they are made. Each is no link.
const NEEDED: [(&str, u32); 7] =
    [("boot", 0o755), ("dev", 0o755), ("etc", 0o755), ("proc", 0o555), ("run", 0o755), ("sys", 0o555), ("tmp", 0o1777)];

/// Mount point of the EFI system partition. What the tree has there is copied by a program that follows links.
const EFI: &[u8] = b"boot/efi";

/// Files that the rest of the build writes or reads, which would wait for ever for a pipe.
const WRITTEN: [&str; 6] = ["etc/fstab", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/shadow", "etc/shadow-"];

/// The facts about a file besides its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Time of the last change, in seconds since 1970.
    pub(super) mtime: u64,
    /// Capabilities of a program, as the kernel stores them.
    pub(super) capability: Option<Vec<u8>>,
}

impl Meta {
    /// Facts about a directory that no source describes.
    fn implied(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 0, mtime: 0, capability: None }
    }
}

/// The kind of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    /// Number of its content. Several names of one file have the same number.
    File(usize),
    /// Its target.
    Symlink(Vec<u8>),
    Fifo,
    Device,
}

/// A file in its directory.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) meta: Meta,
    /// Number of the layer that it comes from.
    pub(super) layer: usize,
}

/// Place of the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Number of an archive, and of an entry in it.
    Member(usize, u64),
    /// Path below a directory of the host.
    Path(PathBuf),
    /// The content itself.
    Text(Vec<u8>),
}

/// The content of a file.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) place: Place,
    pub(super) size: u64,
    /// Number of the architecture in the header of a program (elf(5), `e_machine`).
    pub(super) machine: Option<u16>,
    /// Text of a file that describes the system.
    pub(super) text: Option<Vec<u8>>,
    /// The digest, for a file that somebody could change.
    pub(super) sha256: Option<Sha256>,
}

/// What a tree had and the image does not get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Left {
    /// Device nodes outside of `/dev`.
    pub devices: usize,
}

/// The files of a tree.
#[derive(Debug, Default)]
pub struct Tree {
    pub(super) nodes: BTreeMap<Vec<u8>, Node>,
    pub(super) contents: Vec<Content>,
    pub(super) left: Left,
}

impl Tree {
    /// Puts a file to where its path leads in the tree.
    pub(super) fn put(&mut self, path: &[u8], node: Node) -> Result<(), String> {
        let path = self.located(path, node.layer)?;
        match self.nodes.get_mut(&path) {
            Some(known) if known.kind == Kind::Directory && node.kind == Kind::Directory => {
                *known = node;
                return Ok(());
            }
            _ if path.is_empty() && node.kind != Kind::Directory => {
                return Err("is no directory, as a root must be".to_owned());
            }
            Some(_) => self.remove(&path),
            None => {}
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    /// Writes a file of root, in place of what is there.
    ///
    /// # Errors
    ///
    /// If its path leads out of the tree, or through a file that is no directory.
    pub fn write_file(&mut self, path: &str, text: &str) -> Result<(), String> {
        let meta = Meta { mode: 0o644, ..Meta::implied(0) };
        let place = Place::Text(text.into());
        let size = text.len() as u64;
        let content = self.add(Content { place, size, machine: None, text: None, sha256: None });
        self.put(path.as_bytes(), Node { kind: Kind::File(content), meta, layer: 0 })
    }

    /// Makes sure that a path is a directory, and that no link is on the way.
    ///
    /// # Errors
    ///
    /// If a part of the path is there and is no directory.
    pub fn mount_at(&mut self, path: &str) -> Result<(), String> {
        let path = normal(path.trim_start_matches('/').as_bytes())?;
        for part in above(&path).chain([path.as_slice()]).filter(|part| !part.is_empty()) {
            let made = || Node { kind: Kind::Directory, meta: Meta::implied(0o755), layer: 0 };
            if self.nodes.entry(part.to_vec()).or_insert_with(made).kind != Kind::Directory {
                let shown = crate::text::escaped(part);
                return Err(format!("its /{shown} is no directory, and the disk has a file system there"));
            }
        }
        Ok(())
    }

    /// Adds the content of a file, and returns its number.
    pub(super) fn add(&mut self, content: Content) -> usize {
        self.contents.push(content);
        self.contents.len() - 1
    }

    /// Gives a file another name.
    pub(super) fn link(&mut self, path: &[u8], target: &[u8], layer: usize) -> Result<(), String> {
        let shown = || crate::text::escaped(target);
        let target = normal(target).map_err(|reason| format!("is a hard link to `{}`, which {reason}", shown()))?;
        let (directory, name) = split(&target).ok_or("is a hard link to the root of the tree")?;
        let found = join(&self.resolved(directory)?, name);
        match self.nodes.get(&found) {
            Some(node) if node.kind == Kind::Directory => Err(format!("is a hard link to the directory `{}`", shown())),
            Some(node) => {
                let node = Node { layer, ..node.clone() };
                self.put(path, node)
            }
            None => Err(format!("is a hard link to `{}`, which is not in the tree", shown())),
        }
    }

    /// Returns where a file with this path is, and makes the directories that it lies in.
    pub(super) fn located(&mut self, path: &[u8], layer: usize) -> Result<Vec<u8>, String> {
        let Some((directory, name)) = split(path) else { return Ok(Vec::new()) };
        let path = join(&self.resolved(directory)?, name);
        let missing: Vec<_> = above(&path)
            .map(|above| match self.nodes.get(above) {
                Some(Node { kind: Kind::Directory, .. }) => Ok(None),
                Some(_) => Err(format!("lies in `{}`, which is no directory", crate::text::escaped(above))),
                None => Ok(Some(above.to_vec())),
            })
            .collect::<Result<_, _>>()?;
        for directory in missing.into_iter().flatten() {
            self.nodes.insert(directory, Node { kind: Kind::Directory, meta: Meta::implied(0o755), layer });
        }
        Ok(path)
    }

    /// Follows the links in a path, to its end, as a program does whose root is the tree.
    pub(super) fn resolved(&self, path: &[u8]) -> Result<Vec<u8>, String> {
        let parts = |path: &[u8]| path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
        let mut rest: VecDeque<Vec<u8>> = parts(path).into();
        let mut here = Vec::new();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => match split(&here) {
                    Some((above, _)) => here = above.to_vec(),
                    None => return Err("lies behind a symbolic link that leads out of the tree".to_owned()),
                },
                part => {
                    let next = join(&here, part);
                    let Some(Node { kind: Kind::Symlink(target), .. }) = self.nodes.get(&next) else {
                        here = next;
                        continue;
                    };
                    links += 1;
                    if links > LINKS {
                        return Err("lies behind symbolic links that lead in a circle".to_owned());
                    }
                    if target.first() == Some(&b'/') {
                        here.clear();
                    }
                    for part in parts(target).into_iter().rev() {
                        rest.push_front(part);
                    }
                }
            }
        }
        Ok(here)
    }

    /// Hides what the layers below `layer` have at a path: a file with everything in it, or only everything in a directory.
    pub(super) fn hide(&mut self, path: &[u8], only_within: bool, layer: usize) {
        let mut gone = Vec::new();
        let mut needed = BTreeSet::new();
        // Files come before the directory that they lie in.
        let whole = self.nodes.get_key_value(path).filter(|_| !only_within);
        for (path, node) in self.within(path).collect::<Vec<_>>().into_iter().rev().chain(whole) {
            if node.layer >= layer {
                needed.extend(above(path).map(<[u8]>::to_vec));
            } else if !needed.contains(path) {
                gone.push(path.clone());
            }
        }
        for path in gone {
            self.nodes.remove(&path);
        }
    }

    /// Removes a file with everything in it.
    fn remove(&mut self, path: &[u8]) {
        let within: Vec<_> = self.within(path).map(|(path, _)| path.clone()).collect();
        for path in within {
            self.nodes.remove(&path);
        }
        self.nodes.remove(path);
    }

    /// Returns all files in a directory and in its directories, sorted by path.
    fn within(&self, path: &[u8]) -> impl Iterator<Item = (&Vec<u8>, &Node)> {
        let start = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        let prefix = start.clone();
        self.nodes
            .range(start..)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .filter(|(path, _)| !path.is_empty())
    }

    /// Leaves out what an image does not get, and adds the directories that it needs.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        for directory in TRANSIENT {
            let within: Vec<_> = self.within(directory.as_bytes()).map(|(path, _)| path.clone()).collect();
            for path in within {
                self.nodes.remove(&path);
            }
        }
        for mark in MARKS {
            self.nodes.remove(mark.as_bytes());
        }
        let before = self.nodes.len();
        self.nodes.retain(|_, node| node.kind != Kind::Device);
        self.left.devices = before - self.nodes.len();
        for (path, mode) in NEEDED {
            let made = || Node { kind: Kind::Directory, meta: Meta::implied(mode), layer: 0 };
            if self.nodes.entry(path.into()).or_insert_with(made).kind != Kind::Directory {
                return Err(format!("its /{path} is no directory"));
            }
        }
        if self.nodes.get(EFI).is_some_and(|node| node.kind != Kind::Directory) {
            return Err("its /boot/efi is no directory".to_owned());
        }
        let held = |node: &Node| matches!(node.kind, Kind::Directory | Kind::File(_));
        if let Some((path, _)) = self.within(EFI).find(|(_, node)| !held(node)) {
            let shown = crate::text::escaped(path);
            return Err(format!(
                "its /{shown} is neither a file nor a directory, and the EFI system partition holds nothing else"
            ));
        }
        for path in WRITTEN {
            let node = self.nodes.get(path.as_bytes());
            if node.is_some_and(|node| !matches!(node.kind, Kind::File(_) | Kind::Symlink(_))) {
                return Err(format!("its /{path} is no file"));
            }
        }
        Ok(())
    }
}
