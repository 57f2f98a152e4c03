//! Packs files and directories of a recipe or element into a tar file for the image, with their links, attributes and holes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use sha2::{Digest as _, Sha256 as Hasher};
use tar::{Builder, EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

use super::{ActionError, access};
use crate::digest::Sha256;
use crate::plan::{Asset, AssetKind, Origin};

/// A block of zeros of this size and place becomes a hole, whether it is one on the host or not: so the image depends on
/// what a file holds, not on how it came to be on the host.
const BLOCK: usize = 4096;

/// Parts of a file that are no holes: where each begins, and its length.
type Parts = Vec<(u64, u64)>;

/// How files are to be in the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Permissions of regular files, where they are not their own.
    pub(super) mode: Option<u32>,
    /// Numeric owner and group of everything.
    pub(super) owner: (u32, u32),
    /// Time of the last change of everything. Those of the host differ for each clone of a repository.
    pub(super) time: u64,
}

/// The asset with the content of the one at a path, and its own path.
pub(super) fn content<'a>(path: &'a str, files: &'a BTreeMap<String, Asset>) -> Option<(&'a str, &'a Asset)> {
    let mut path = path;
    loop {
        match files.get(path)? {
            // The first name of a file lies before all others.
            Asset { kind: AssetKind::Hardlink { first }, .. } => path = first,
            asset => return Some((path, asset)),
        }
    }
}

/// Writes what is at `source`, with all below it, to a tar file, in which it is named `name`. What was read is proved to
/// be what the plan was made of.
pub(super) fn carry(
    source: &str,
    name: &str,
    files: &BTreeMap<String, Asset>,
    manner: Manner,
    target: &File,
) -> Result<(), ActionError> {
    let mut archive = Builder::new(target);
    let prefix = format!("{source}/");
    let mut carried: HashMap<&str, String> = HashMap::new();
    for path in files.keys() {
        let name = match path.strip_prefix(&prefix) {
            Some(below) => format!("{name}/{below}"),
            None if path == source => name.to_owned(),
            None => continue,
        };
        let Some((first, asset)) = content(path, files) else { continue };
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => changed(path),
            _ => ActionError::Unfit { action: path.clone(), message: error.to_string() },
        };
        let mut entry = Entry { name: &name, link: None, asset, manner };
        match &asset.kind {
            AssetKind::File { .. } if carried.contains_key(first) => {
                entry.link = carried.get(first).map(String::as_str);
                entry.append(&mut archive, EntryType::Link).map_err(failed)?;
            }
            AssetKind::File { sha256, origin } => {
                entry.append_file(&mut archive, *sha256, origin).map_err(failed)?;
                carried.insert(first, name);
            }
            AssetKind::Directory => entry.append(&mut archive, EntryType::Directory).map_err(failed)?,
            AssetKind::Symlink { target } => {
                entry.link = Some(target);
                entry.append(&mut archive, EntryType::Symlink).map_err(failed)?;
            }
            AssetKind::Hardlink { .. } => {}
        }
    }
    archive.finish().map_err(|error| ActionError::Unfit { action: source.to_owned(), message: error.to_string() })
}

/// What a file is told by that is not as it was.
pub(super) fn changed(path: &str) -> ActionError {
    let message = "changed while the image was built: build again".to_owned();
    ActionError::Unfit { action: path.to_owned(), message }
}

/// What is needed of a content: it is read twice.
trait Content: Read + Seek {}
impl<T: Read + Seek> Content for T {}

/// One entry of the archive.
struct Entry<'a> {
    name: &'a str,
    link: Option<&'a str>,
    asset: &'a Asset,
    manner: Manner,
}

impl Entry<'_> {
    /// Keywords and values of its extended attributes. An access control list must not undo permissions that are given.
    fn attributes(&self, mode: Option<u32>) -> Vec<(String, Cow<'_, [u8]>)> {
        let all = self.asset.xattrs.iter().map(|(name, value)| {
            let list = access::keyword(name).and_then(|keyword| Some((keyword, access::text(value, mode)?)));
            match list {
                Some((keyword, text)) => (keyword.to_owned(), Cow::Owned(text.into_bytes())),
                None => (format!("SCHILY.xattr.{name}"), Cow::Borrowed(value.as_slice())),
            }
        });
        all.collect()
    }

    /// Writes what the header has no room for, and returns the header. Names are always there, as they are written:
    /// the header's own field is short, and whoever fills it tidies a path up.
    fn head(&self, archive: &mut Builder<&File>, kind: EntryType) -> io::Result<Header> {
        let mode = self.manner.mode.filter(|_| matches!(self.asset.kind, AssetKind::File { .. }));
        let attributes = self.attributes(mode);
        let mut extensions = vec![("path".to_owned(), self.name.as_bytes())];
        extensions.extend(self.link.map(|link| ("linkpath".to_owned(), link.as_bytes())));
        if kind != EntryType::Link {
            extensions.extend(attributes.iter().map(|(keyword, value)| (keyword.clone(), value.as_ref())));
        }
        archive.append_pax_extensions(extensions.iter().map(|(key, value)| (key.as_str(), *value)))?;
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_path("entry")?;
        header.set_mode(mode.unwrap_or(self.asset.mode));
        header.set_uid(self.manner.owner.0.into());
        header.set_gid(self.manner.owner.1.into());
        header.set_mtime(self.manner.time);
        header.set_size(0);
        Ok(header)
    }

    fn append(&self, archive: &mut Builder<&File>, kind: EntryType) -> io::Result<()> {
        let mut header = self.head(archive, kind)?;
        header.set_cksum();
        archive.append(&header, io::empty())
    }

    fn append_file(&self, archive: &mut Builder<&File>, sha256: Sha256, origin: &Origin) -> io::Result<()> {
        let mut content: Box<dyn Content> = match origin {
            Origin::Embedded(bytes) => Box::new(Cursor::new(*bytes)),
            Origin::File(path) => Box::new(File::open(path)?),
        };
        let (parts, length) = parts(&mut content)?;
        let stored: u64 = parts.iter().map(|(_, length)| length).sum();
        let mut hasher = Hasher::new();
        let whole = stored == length;
        let mut header = self.head(archive, if whole { EntryType::Regular } else { EntryType::GNUSparse })?;
        header.set_size(stored);
        let map = if whole { Vec::new() } else { sparse_map(&mut header, &parts, length) };
        header.set_cksum();
        let data = Data { content, parts: &parts, length, at: 0, part: 0, hasher: &mut hasher };
        archive.append(&header, Cursor::new(map).chain(data))?;
        if hasher.finalize().as_slice() == sha256.bytes() {
            return Ok(());
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// Finds the parts of a content that are no zeros, in whole blocks, and its length.
fn parts(content: &mut dyn Content) -> io::Result<(Parts, u64)> {
    let mut parts = Parts::new();
    let (mut at, mut buffer) = (0, vec![0; 64 * BLOCK]);
    loop {
        let read = fill(content, &mut buffer)?;
        for block in buffer[..read].chunks(BLOCK) {
            let length = block.len() as u64;
            if block.len() < BLOCK || block.iter().any(|byte| *byte != 0) {
                match parts.last_mut() {
                    Some(last) if last.0 + last.1 == at => last.1 += length,
                    _ => parts.push((at, length)),
                }
            }
            at += length;
        }
        if read < buffer.len() {
            content.seek(SeekFrom::Start(0))?;
            return Ok((parts, at));
        }
    }
}

/// Reads until a buffer is full or the end is there.
fn fill(content: &mut dyn Content, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match content.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Puts the map of a file with holes into its header, and returns what does not fit there: tar(5), "GNU tar Archives".
fn sparse_map(header: &mut Header, parts: &Parts, length: u64) -> Vec<u8> {
    // A last part without bytes says where the file ends if it ends with a hole.
    let all: Parts = parts.iter().copied().chain([(length, 0)]).collect();
    let Some(gnu) = header.as_gnu_mut() else { return Vec::new() };
    gnu.realsize = number(length);
    let (first, rest) = all.split_at(all.len().min(gnu.sparse.len()));
    place(&mut gnu.sparse, first);
    gnu.isextended = [u8::from(!rest.is_empty())];
    let mut map = Vec::new();
    let mut left = rest;
    while !left.is_empty() {
        let mut more = GnuExtSparseHeader::new();
        let (now, then) = left.split_at(left.len().min(more.sparse.len()));
        place(&mut more.sparse, now);
        more.set_is_extended(!then.is_empty());
        map.extend_from_slice(more.as_bytes());
        left = then;
    }
    map
}

fn place(slots: &mut [GnuSparseHeader], parts: &[(u64, u64)]) {
    for (slot, (offset, length)) in slots.iter_mut().zip(parts) {
        (slot.offset, slot.numbytes) = (number(*offset), number(*length));
    }
}

/// A number in octal digits: eleven of them hold 8 GiB. A larger one is in binary, after a byte that says so.
fn number(value: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if value < 1 << 33 {
        field.copy_from_slice(format!("{value:011o}\0").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..].copy_from_slice(&value.to_be_bytes());
    }
    field
}

/// The parts of a content one after the other. Holes are hashed too: the digest is of the whole.
struct Data<'a> {
    content: Box<dyn Content>,
    parts: &'a Parts,
    length: u64,
    at: u64,
    part: usize,
    hasher: &'a mut Hasher,
}

impl Data<'_> {
    fn skip(&mut self, to: u64) -> io::Result<()> {
        const ZEROS: [u8; BLOCK] = [0; BLOCK];
        let mut left = to.saturating_sub(self.at);
        while left > 0 {
            let step = left.min(BLOCK as u64);
            self.hasher.update(&ZEROS[..usize::try_from(step).unwrap_or(BLOCK)]);
            left -= step;
        }
        self.at = self.at.max(to);
        self.content.seek(SeekFrom::Start(to)).map(drop)
    }
}

impl Read for Data<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some((begin, length)) = self.parts.get(self.part).copied() {
            if self.at < begin {
                self.skip(begin)?;
            }
            let left = begin + length - self.at;
            if left == 0 {
                self.part += 1;
                continue;
            }
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = self.content.read(&mut buffer[..room])?;
            if read == 0 && room > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.hasher.update(&buffer[..read]);
            self.at += read as u64;
            return Ok(read);
        }
        if self.at < self.length {
            self.skip(self.length)?;
        }
        Ok(0)
    }
}
