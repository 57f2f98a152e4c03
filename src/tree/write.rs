//! Writes a tree as one plain archive.
//!
//! Directories come first, then files as their sources have them, then everything else; hard links are last. No path is there twice
//! and none leads through a link, so a program that unpacks the archive into an empty directory writes nowhere else.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::OFlags;
use sha2::Digest as _;
use tar::{Builder, EntryType, Header};

use super::archive::{self, CAPABILITY};
use super::directory::Root;
use super::error::TreeError;
use super::model::{Kind, Node, Place, Tree};
use super::source::Source;
use crate::digest::Sha256;
use crate::fsx::IoContext as _;
use crate::interrupt::Interrupt;
use crate::units::ByteSize;

/// Longest name or target in the header itself, in bytes.
const SHORT: usize = 100;

impl Tree {
    /// Writes the tree to a file. `source` is what it was read from, and `limit` the limit that it was read with.
    ///
    /// # Errors
    ///
    /// If the source cannot be read or has changed, or the file cannot be written.
    pub fn write(
        &self,
        source: &Source,
        limit: ByteSize,
        target: &Path,
        interrupt: &Interrupt,
    ) -> Result<(), TreeError> {
        let file = File::create(target).at(target)?;
        let mut builder = Builder::new(io::BufWriter::with_capacity(1 << 20, file));
        let mut out = |path: &[u8], node: &Node, link: &[u8], size: u64, data: &mut dyn Read| {
            append(&mut builder, path, node, link, size, data).at(target)
        };
        // The first name of each content is its file, and the others are links to it.
        let mut first: Vec<Option<(&Vec<u8>, &Node)>> = vec![None; self.contents.len()];
        let mut links = Vec::new();
        for (path, node) in &self.nodes {
            match &node.kind {
                Kind::Directory => out(path, node, b"", 0, &mut io::empty())?,
                Kind::File(number) => match first[*number] {
                    Some((name, _)) => links.push((path, node, name)),
                    None => first[*number] = Some((path, node)),
                },
                Kind::Symlink(_) | Kind::Fifo | Kind::Device => {}
            }
        }
        let files = || first.iter().zip(&self.contents).filter_map(|(named, content)| Some(((*named)?, content)));
        for ((name, node), content) in files() {
            if let Place::Text(text) = &content.place {
                out(name, node, b"", content.size, &mut text.as_slice())?;
            }
        }
        match source {
            Source::Directory { path, .. } => {
                let root = Root::open(path)?;
                for ((name, node), content) in files() {
                    let Place::Path(place) = &content.place else { continue };
                    if interrupt.is_raised() {
                        return Err(TreeError::Interrupted);
                    }
                    let mut data = Hashed { inner: root.file(place, OFlags::empty())?, hasher: sha2::Sha256::new() };
                    let changed = || TreeError::Changed(path.join(place));
                    let length = data.inner.metadata().at(path.join(place))?.len();
                    if length != content.size {
                        return Err(changed());
                    }
                    out(name, node, b"", content.size, &mut (&mut data).take(content.size))?;
                    if Some(Sha256::from(data.hasher)) != content.sha256 {
                        return Err(changed());
                    }
                }
            }
            Source::Archive { .. } | Source::Layers { .. } => {
                let mut wanted: HashMap<(usize, u64), (&Vec<u8>, &Node)> = HashMap::new();
                for (named, content) in files() {
                    if let Place::Member(archive, number) = content.place {
                        wanted.insert((archive, number), named);
                    }
                }
                for (archive, (origin, file)) in source.archives().into_iter().enumerate() {
                    archive::read(file, &origin, limit, interrupt, &mut |number, member, data| {
                        let Some((path, node)) = wanted.remove(&(archive, number)) else { return Ok(()) };
                        Ok(out(path, node, b"", member.size, data)?)
                    })?;
                }
                if let Some((path, _)) = wanted.into_values().next() {
                    return Err(TreeError::entry(source.origin(), path, "is no longer in the archive"));
                }
            }
        }
        for (path, node) in &self.nodes {
            match &node.kind {
                Kind::Symlink(target) => out(path, node, target, 0, &mut io::empty())?,
                Kind::Fifo => out(path, node, b"", 0, &mut io::empty())?,
                Kind::Directory | Kind::File(_) | Kind::Device => {}
            }
        }
        for (path, node, name) in links {
            out(path, node, name, 0, &mut io::empty())?;
        }
        let finished =
            builder.into_inner().and_then(|buffered| buffered.into_inner().map_err(io::IntoInnerError::into_error));
        finished.and_then(|file| file.sync_all()).at(target)?;
        Ok(())
    }
}

/// Appends an entry. A file with a link is another name of that file.
fn append(
    builder: &mut Builder<impl Write>,
    path: &[u8],
    node: &Node,
    link: &[u8],
    size: u64,
    data: &mut dyn Read,
) -> io::Result<()> {
    // The root itself.
    let path = if path.is_empty() { b"." } else { path };
    let kind = match node.kind {
        Kind::Directory => EntryType::Directory,
        Kind::File(_) if link.is_empty() => EntryType::Regular,
        Kind::File(_) => EntryType::Link,
        Kind::Symlink(_) => EntryType::Symlink,
        Kind::Fifo => EntryType::Fifo,
        Kind::Device => return Ok(()),
    };
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(node.meta.mode);
    header.set_mtime(node.meta.mtime);
    header.set_size(size);
    // Numbers that the fields cannot hold are in the extended header.
    header.set_uid(u64::from(node.meta.uid) & 0o7_777_777);
    header.set_gid(u64::from(node.meta.gid) & 0o7_777_777);
    let mut extended: Vec<(&str, &[u8])> = Vec::new();
    let numbers = [("uid", node.meta.uid), ("gid", node.meta.gid)].map(|(key, id)| (key, id.to_string(), id));
    for (key, text, id) in &numbers {
        if *id > 0o7_777_777 {
            extended.push((key, text.as_bytes()));
        }
    }
    let fields = header.as_old_mut();
    for (key, field, bytes) in [("path", &mut fields.name, path), ("linkpath", &mut fields.linkname, link)] {
        let length = bytes.len().min(SHORT);
        field[..length].copy_from_slice(&bytes[..length]);
        if bytes.len() > SHORT {
            extended.push((key, bytes));
        }
    }
    if let Some(capability) = node.meta.capability.as_deref().filter(|_| kind == EntryType::Regular) {
        extended.push((CAPABILITY, capability));
    }
    if !extended.is_empty() {
        builder.append_pax_extensions(extended)?;
    }
    header.set_cksum();
    builder.append(&header, data)
}

/// A reader that computes the digest of what it reads.
struct Hashed {
    inner: File,
    hasher: sha2::Sha256,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
