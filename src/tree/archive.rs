//! Reads the entries of a tar archive (POSIX.1-2001, with GNU's long names), packed or not, one after the other.
//!
//! The `tar` crate reads headers and data. It would also apply extended headers, but splits their records at line ends, which
//! attributes may contain, and reads them without a limit; so that is done here.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;
use std::rc::Rc;

use tar::{EntryType, Header};

use super::error::TreeError;
use super::model::Meta;
use crate::fsx::{IoContext as _, pax};
use crate::image::Codec;
use crate::image::unpack::decoder;
use crate::interrupt::Interrupt;
use crate::units::ByteSize;

/// Longest extended header, in bytes: Linux stores fewer bytes of names and attributes for one file.
const EXTENDED: u64 = 1 << 20;

/// Latest time that an ext4 file system can store, in seconds since 1970.
const LATEST: u64 = 15_032_385_535;

/// Keyword of the attribute that gives a program capabilities, as GNU tar, star and Go write it.
pub(super) const CAPABILITY: &str = "SCHILY.xattr.security.capability";

/// An entry of an archive, before anybody has looked at its names.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: MemberKind,
    pub(super) meta: Meta,
    /// Bytes of data.
    pub(crate) size: u64,
}

/// The kind of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MemberKind {
    File,
    Directory,
    /// With its target.
    Symlink(Vec<u8>),
    /// With the name of the entry that is the same file.
    Link(Vec<u8>),
    Fifo,
    Device,
}

/// Receives an entry with its number and its data.
pub(crate) type Visit<'a> = dyn FnMut(u64, Member, &mut dyn Read) -> Result<(), TreeError> + 'a;

/// Reads all entries of an archive in order. `limit` is the most bytes that it may unpack to.
pub(crate) fn read(
    path: &Path,
    origin: &str,
    limit: ByteSize,
    interrupt: &Interrupt,
    visit: &mut Visit<'_>,
) -> Result<(), TreeError> {
    let stop = Rc::new(Cell::new(None));
    let broken = |source: io::Error| match stop.take() {
        Some(Stop::Interrupted) => TreeError::Interrupted,
        Some(Stop::TooLarge) => TreeError::TooLarge { origin: origin.to_owned(), limit },
        None => TreeError::Archive { origin: origin.to_owned(), source },
    };
    let mut file = File::open(path).at(path)?;
    let codec = codec(&mut file).map_err(broken)?;
    let inner: Box<dyn Read> = match codec {
        Some(codec) => decoder(file, codec).map_err(broken)?,
        None => Box::new(io::BufReader::with_capacity(256 << 10, file)),
    };
    let guarded = Guarded { inner, left: limit.get(), interrupt, stop: Rc::clone(&stop) };
    let mut archive = tar::Archive::new(guarded);
    let mut records = Records::default();
    for (number, entry) in (0..).zip(archive.entries().map_err(broken)?.raw(true)) {
        let mut entry = entry.map_err(broken)?;
        let header = entry.header().clone();
        let size = header.entry_size().map_err(broken)?;
        match header.entry_type() {
            EntryType::XHeader => {
                let bytes = small(&mut entry, size).map_err(broken)?;
                records.0.extend(pax::records(&bytes).ok_or_else(|| broken(damaged("a malformed extended header")))?);
            }
            EntryType::XGlobalHeader => {}
            EntryType::GNULongName => records.set("path", small(&mut entry, size).map_err(broken)?),
            EntryType::GNULongLink => records.set("linkpath", small(&mut entry, size).map_err(broken)?),
            _ => {
                let member = described(&header, size, std::mem::take(&mut records)).map_err(broken)?;
                visit(number, member, &mut entry).map_err(|error| match error {
                    TreeError::Archive { source, .. } => broken(source),
                    error => error,
                })?;
            }
        }
    }
    Ok(())
}

/// Finds out how an archive is packed, from its first bytes.
fn codec(file: &mut File) -> io::Result<Option<Codec>> {
    let mut head = Vec::new();
    file.by_ref().take(6).read_to_end(&mut head)?;
    file.rewind()?;
    match head.as_slice() {
        [] => Err(damaged("no bytes")),
        [0x1f, 0x8b, ..] => Ok(Some(Codec::Gzip)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Ok(Some(Codec::Xz)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Some(Codec::Zstd)),
        [b'B', b'Z', b'h', ..] => Err(damaged("bzip2 compression: pack it with gzip, xz or zstd")),
        _ => Ok(None),
    }
}

/// Makes an entry of its headers.
fn described(header: &Header, size: u64, mut records: Records) -> io::Result<Member> {
    let name = records.take("path").unwrap_or_else(|| header.path_bytes().into_owned());
    let mut link = || {
        let link = records.take("linkpath").or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        link.filter(|name| !name.is_empty()).ok_or_else(|| damaged("a link without a target"))
    };
    let kind = match header.entry_type() {
        // Old archives have no type of their own for directories.
        EntryType::Regular if name.ends_with(b"/") => MemberKind::Directory,
        EntryType::Regular | EntryType::Continuous => MemberKind::File,
        EntryType::Directory => MemberKind::Directory,
        EntryType::Symlink => MemberKind::Symlink(link()?),
        EntryType::Link => MemberKind::Link(link()?),
        EntryType::Fifo => MemberKind::Fifo,
        EntryType::Char | EntryType::Block => MemberKind::Device,
        EntryType::GNUSparse => return Err(sparse()),
        other => return Err(damaged(&format!("an entry of the type {:?}", char::from(other.as_byte())))),
    };
    if records.0.keys().any(|key| key.starts_with(b"GNU.sparse.")) {
        return Err(sparse());
    }
    if records.number("size")?.is_some_and(|told| told != size) {
        return Err(damaged("a file of 8 GiB or more"));
    }
    let own = |told: Option<u64>, field: io::Result<u64>| -> io::Result<u32> {
        let value = match told {
            Some(value) => value,
            None => field?,
        };
        u32::try_from(value).map_err(|_| damaged("an owner that no file can have"))
    };
    let meta = Meta {
        mode: header.mode()? & 0o7777,
        uid: own(records.number("uid")?, header.uid())?,
        gid: own(records.number("gid")?, header.gid())?,
        mtime: records.time()?.or_else(|| header.mtime().ok()).unwrap_or(0).min(LATEST),
        capability: records.take(CAPABILITY),
    };
    Ok(Member { name, kind, meta, size })
}

fn sparse() -> io::Error {
    damaged("a sparse file: make the archive without the option --sparse")
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it has {what}"))
}

/// Reads the data of an entry that describes the next one.
fn small(entry: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    if size > EXTENDED {
        return Err(damaged("an extended header of more than 1 MiB"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What extended headers say of the next entry.
#[derive(Default)]
struct Records(BTreeMap<Vec<u8>, Vec<u8>>);

impl Records {
    /// Sets a name of GNU tar, which a zero byte ends.
    fn set(&mut self, key: &str, mut value: Vec<u8>) {
        if let Some(end) = value.iter().position(|byte| *byte == 0) {
            value.truncate(end);
        }
        self.0.insert(key.into(), value);
    }

    fn take(&mut self, key: &str) -> Option<Vec<u8>> {
        self.0.remove(key.as_bytes())
    }

    fn number(&mut self, key: &str) -> io::Result<Option<u64>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| damaged("an invalid number"))
    }

    /// Returns the time of change in whole seconds. A time before 1970 is 1970.
    fn time(&mut self) -> io::Result<Option<u64>> {
        let Some(value) = self.take("mtime") else { return Ok(None) };
        let text = std::str::from_utf8(&value).map_err(|_| damaged("an invalid time"))?;
        let whole = text.split('.').next().unwrap_or(text);
        match whole.parse::<i128>() {
            Ok(seconds) => Ok(Some(u64::try_from(seconds.max(0)).unwrap_or(LATEST))),
            Err(_) => Err(damaged("an invalid time")),
        }
    }
}

/// Why a reader has stopped.
#[derive(Debug, Clone, Copy)]
enum Stop {
    Interrupted,
    TooLarge,
}

/// A reader with a limit, which stops when the user asks for it.
struct Guarded<'a> {
    inner: Box<dyn Read>,
    left: u64,
    interrupt: &'a Interrupt,
    stop: Rc<Cell<Option<Stop>>>,
}

impl Read for Guarded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ended = |stop| {
            self.stop.set(Some(stop));
            Err(io::Error::other("stopped"))
        };
        if self.interrupt.is_raised() {
            return ended(Stop::Interrupted);
        }
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return ended(Stop::TooLarge),
        }
        Ok(count)
    }
}
