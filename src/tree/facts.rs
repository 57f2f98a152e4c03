//! What a tree says about its system.

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::error::TreeError;
use super::model::{Content, Kind, Left, Tree};
use super::source::Source;
use crate::digest::Sha256;
use crate::text::shell;
use crate::vocabulary::Arch;

/// Version of the facts. Facts of another version are found out again.
const VERSION: u32 = 1;

/// Bytes that a file system uses at least for a file.
const BLOCK: u64 = 4096;

/// Programs that every system has, one of which tells the architecture.
const PROGRAMS: [&str; 4] = ["bin/sh", "usr/bin/sh", "usr/bin/env", "bin/busybox"];

/// Facts about a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    version: u32,
    /// `ID` and `ID_LIKE` of os-release, the most specific first.
    pub ids: Vec<String>,
    /// Name of the system for people.
    pub product: String,
    /// `VERSION_ID`.
    pub number: String,
    /// `VERSION_CODENAME`.
    pub codename: Option<String>,
    /// Architecture of its programs; `None` for one that images cannot have.
    pub arch: Option<Arch>,
    /// Time of the latest change of a file, in seconds since 1970.
    pub latest: u64,
    /// Bytes of the files, estimated for a file system.
    pub bytes: u64,
    /// What the image does not get.
    pub left: Left,
}

impl Facts {
    /// Reads facts that were stored.
    pub fn stored(json: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(json).ok().filter(|facts| facts.version == VERSION)
    }
}

impl Tree {
    /// Finds out what the tree says about its system.
    ///
    /// # Errors
    ///
    /// If the tree names no distribution, or has no shell.
    pub fn facts(&self, source: &Source) -> Result<Facts, TreeError> {
        let no_system =
            |reason: &str| TreeError::NoSystem { origin: source.origin().to_owned(), reason: reason.to_owned() };
        let text = ["etc/os-release", "usr/lib/os-release"].iter().find_map(|path| self.content(path)?.text.as_ref());
        let text = text.ok_or_else(|| {
            no_system("it has no etc/os-release, which names the distribution; its root must be the root of the tree")
        })?;
        let text = String::from_utf8_lossy(text);
        let value = |name: &str| shell::value(&text, name).map(|value| crate::text::printable(value.as_bytes()));
        let id = value("ID").ok_or_else(|| no_system("its os-release has no `ID`"))?;
        let like = value("ID_LIKE").unwrap_or_default();
        let machine = PROGRAMS.iter().find_map(|path| self.content(path)?.machine);
        let arch = match machine.ok_or_else(|| no_system("it has no /bin/sh, which tells the architecture"))? {
            62 => Some(Arch::X86_64),
            183 => Some(Arch::Aarch64),
            _ => None,
        };
        Ok(Facts {
            version: VERSION,
            product: value("PRETTY_NAME").unwrap_or_else(|| id.clone()),
            ids: [id].into_iter().chain(like.split_whitespace().map(str::to_owned)).collect(),
            number: value("VERSION_ID").unwrap_or_default(),
            codename: value("VERSION_CODENAME"),
            arch,
            latest: self.nodes.values().map(|node| node.meta.mtime).max().unwrap_or(0),
            bytes: self.bytes(),
            left: self.left,
        })
    }

    /// Returns the content of the file to which a path leads.
    fn content(&self, path: &str) -> Option<&Content> {
        match self.nodes.get(&self.resolved(path.as_bytes()).ok()?)?.kind {
            Kind::File(number) => self.contents.get(number),
            _ => None,
        }
    }

    /// Returns the bytes that the tree takes on a file system, estimated.
    fn bytes(&self) -> u64 {
        let mut seen = vec![false; self.contents.len()];
        let size = |kind: &Kind, seen: &mut Vec<bool>| match kind {
            Kind::File(number) if !std::mem::replace(&mut seen[*number], true) => {
                self.contents[*number].size.next_multiple_of(BLOCK)
            }
            Kind::Directory => BLOCK,
            _ => 0,
        };
        self.nodes.values().map(|node| size(&node.kind, &mut seen)).sum()
    }

    /// Returns the digest of everything that the image gets of a directory: names, kinds, modes, owners, times, links, bytes.
    pub fn digest(&self) -> Sha256 {
        let mut hasher = sha2::Sha256::new();
        let mut field = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        let mut first: Vec<Option<&[u8]>> = vec![None; self.contents.len()];
        for (path, node) in &self.nodes {
            let meta = &node.meta;
            field(path);
            field(format!("{:o} {} {} {}", meta.mode, meta.uid, meta.gid, meta.mtime).as_bytes());
            field(meta.capability.as_deref().unwrap_or_default());
            match &node.kind {
                Kind::Directory => field(b"directory"),
                Kind::Fifo => field(b"fifo"),
                Kind::Device => field(b"device"),
                Kind::Symlink(target) => {
                    field(b"symlink");
                    field(target);
                }
                Kind::File(number) => match first[*number] {
                    Some(other) => {
                        field(b"link");
                        field(other);
                    }
                    None => {
                        first[*number] = Some(path);
                        field(b"file");
                        let content = &self.contents[*number];
                        field(&content.size.to_be_bytes());
                        field(content.sha256.as_ref().map_or(&[], |digest| digest.bytes().as_slice()));
                    }
                },
            }
        }
        Sha256::from(hasher)
    }
}
