//! The list of files in a tar archive, with their digests: reads it without unpacking the archive.
//!
//! The archives are those of [`Guest::archive`](crate::guest::Guest::archive): POSIX.1-2001 ("pax") as GNU tar writes
//! it. The `tar` crate's own iterator splits the records of extended headers at line ends, though they have lengths
//! because names and values may hold any byte; so only its reading of a header's fields is used here.

use std::collections::BTreeMap;
use std::io::{self, Read};

use sha2::Digest as _;
use tar::{EntryType, Header};

use super::{File, Files, Kind};
use crate::digest::Sha256;
use crate::fsx::pax;
use crate::interrupt::Interrupt;

const BLOCK: usize = 512;

type Name = Box<[u8]>;

/// Longest extended header that is accepted: Linux stores fewer bytes of names and attributes for one file.
const EXTENDED_LIMIT: u64 = 16 << 20;

/// Keyword of extended attributes, as GNU tar and star write it.
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

/// Reads the list of files of an archive, with a digest of each one's content.
///
/// # Errors
///
/// If the reader fails, if it does not hold a tar file, or if the flag is raised.
pub fn read(reader: impl Read, interrupt: &Interrupt) -> io::Result<Files> {
    let mut archive = Archive { reader, position: 0, buffer: vec![0; 256 * 1024], interrupt };
    let mut files = Vec::new();
    let mut links = Vec::new();
    let mut records = Records::default();
    while let Some(header) = archive.header()? {
        let size = match records.number("size")? {
            Some(size) => size,
            None => header.entry_size()?,
        };
        match header.entry_type() {
            EntryType::XHeader => records.read(&archive.small(size)?)?,
            EntryType::XGlobalHeader => archive.skip(size)?,
            EntryType::GNULongName => drop(records.0.insert(b"path".to_vec(), c_string(archive.small(size)?))),
            EntryType::GNULongLink => drop(records.0.insert(b"linkpath".to_vec(), c_string(archive.small(size)?))),
            kind => {
                let mut file = described(&header, &mut records)?;
                file.offset = archive.position;
                match kind {
                    EntryType::Regular | EntryType::Continuous => {
                        file.size = size;
                        file.sha256 = Some(archive.digest(size)?);
                    }
                    EntryType::Directory => file.kind = Kind::Directory,
                    EntryType::Symlink => file.kind = Kind::Symlink,
                    EntryType::Char => file.kind = Kind::CharacterDevice,
                    EntryType::Block => file.kind = Kind::BlockDevice,
                    EntryType::Fifo => file.kind = Kind::Fifo,
                    EntryType::Link => {
                        links.push((file.path, absolute(&file.target.unwrap_or_default())));
                        continue;
                    }
                    other => return Err(damaged(&format!("an entry of the type {:?}", char::from(other.as_byte())))),
                }
                files.push(file);
            }
        }
    }
    Ok(with_links(files, links))
}

/// Sorts the files. A second name of a file becomes a file like it.
fn with_links(mut files: Vec<File>, links: Vec<(Name, Name)>) -> Files {
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let named: Vec<_> = links
        .into_iter()
        .filter_map(|(path, target)| {
            let found = files.binary_search_by(|file| file.path.cmp(&target)).ok()?;
            Some(File { path, ..files[found].clone() })
        })
        .collect();
    files.extend(named);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Files(files)
}

/// Makes a file from its headers. The caller adds the facts that depend on its type.
fn described(header: &Header, records: &mut Records) -> io::Result<File> {
    let path = records.0.remove(&b"path"[..]).unwrap_or_else(|| header.path_bytes().into_owned());
    let link = records.0.remove(&b"linkpath"[..]).or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
    let kind = header.entry_type();
    let linked = matches!(kind, EntryType::Symlink | EntryType::Link);
    let device = matches!(kind, EntryType::Char | EntryType::Block);
    let owner = |value: Option<u64>, field: io::Result<u64>| match value {
        Some(value) => Ok(value),
        None => field,
    };
    let file = File {
        path: absolute(&path),
        kind: Kind::File,
        mode: header.mode()? & 0o7777,
        uid: owner(records.number("uid")?, header.uid())?,
        gid: owner(records.number("gid")?, header.gid())?,
        size: 0,
        target: link.filter(|_| linked).map(Vec::into_boxed_slice),
        device: if device { header.device_major()?.zip(header.device_minor()?) } else { None },
        sha256: None,
        attributes: records.attributes(),
        offset: 0,
    };
    records.0.clear();
    Ok(file)
}

/// Converts a member's name, which is relative to the root, into an absolute path.
fn absolute(name: &[u8]) -> Box<[u8]> {
    let name = name.strip_prefix(b".").filter(|rest| rest.is_empty() || rest.starts_with(b"/")).unwrap_or(name);
    let name = name.strip_prefix(b"/").unwrap_or(name);
    let name = name.strip_suffix(b"/").unwrap_or(name);
    [b"/", name].concat().into_boxed_slice()
}

/// Returns the bytes up to the zero that ends them.
fn c_string(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive of the image has {what}"))
}

/// The records of extended headers about the member after them.
#[derive(Default)]
struct Records(BTreeMap<Vec<u8>, Vec<u8>>);

impl Records {
    fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend(pax::records(bytes).ok_or_else(|| damaged("a malformed extended header"))?);
        Ok(())
    }

    fn number(&self, keyword: &str) -> io::Result<Option<u64>> {
        let value = self.0.get(keyword.as_bytes());
        value.map(|value| parsed(value).ok_or_else(|| damaged("an invalid number"))).transpose()
    }

    /// Takes the extended attributes.
    fn attributes(&mut self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let records = std::mem::take(&mut self.0).into_iter();
        records.filter_map(|(key, value)| Some((key.strip_prefix(ATTRIBUTE)?.to_vec(), value))).collect()
    }
}

fn parsed<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A tar file that is read from its beginning to its end.
struct Archive<'a, R> {
    reader: R,
    /// Bytes read so far.
    position: u64,
    buffer: Vec<u8>,
    interrupt: &'a Interrupt,
}

impl<R: Read> Archive<'_, R> {
    /// Reads the next header; `None` at the end of the archive.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut block = [0; BLOCK];
        self.reader.read_exact(&mut block)?;
        self.position += BLOCK as u64;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        // The checksum counts its own field as spaces.
        let sum =
            block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) });
        if header.cksum().ok() != Some(sum.sum()) {
            return Err(damaged("a header with a wrong checksum"));
        }
        Ok(Some(header))
    }

    /// Reads the data of a member piece by piece, and the padding of its last block.
    fn pieces(&mut self, size: u64, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            if self.interrupt.is_raised() {
                return Err(io::Error::other("interrupted"));
            }
            let piece = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.reader.read_exact(&mut self.buffer[..piece])?;
            each(&self.buffer[..piece]);
            left -= piece as u64;
        }
        let fill = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        self.reader.read_exact(&mut self.buffer[..fill as usize])?;
        self.position += size + fill;
        Ok(())
    }

    fn skip(&mut self, size: u64) -> io::Result<()> {
        self.pieces(size, |_| {})
    }

    fn digest(&mut self, size: u64) -> io::Result<Sha256> {
        let mut hasher = sha2::Sha256::new();
        self.pieces(size, |piece| hasher.update(piece))?;
        Ok(Sha256::from(hasher))
    }

    /// Reads the data of a member that describes another one.
    fn small(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > EXTENDED_LIMIT {
            return Err(damaged("an extended header of more than 16 MiB"));
        }
        let mut data = Vec::new();
        self.pieces(size, |piece| data.extend_from_slice(piece))?;
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A member with records before it, as GNU tar writes them.
    fn member(records: &[(&[u8], &[u8])], kind: EntryType, path: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !records.is_empty() {
            let mut extended = Vec::new();
            for (key, value) in records {
                let rest = key.len() + value.len() + 3;
                let length = (rest..).find(|length| length.to_string().len() + rest == *length).expect("a length");
                extended.extend([length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat());
            }
            bytes.extend(member(&[], EntryType::XHeader, "./PaxHeaders/x", &extended));
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(path).expect("a short path");
        header.set_mode(0o640);
        header.set_uid(1);
        header.set_gid(2);
        header.set_size(data.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn read_all(members: &[Vec<u8>]) -> io::Result<Vec<File>> {
        let bytes = [members.concat(), vec![0; 2 * BLOCK]].concat();
        read(bytes.as_slice(), &Interrupt::new()).map(|files| files.0)
    }

    #[test]
    fn names_and_attributes_hold_any_byte() {
        let records: [(&[u8], &[u8]); 3] = [
            (b"SCHILY.xattr.security.capability", b"\x01\n\n\x00=20 x=y\n"),
            (b"path", b"./odd\n\n\xff name"),
            (b"uid", b"4000000000"),
        ];
        let files = read_all(&[
            member(&records, EntryType::Regular, "./odd", b"text"),
            member(&[], EntryType::Regular, "./plain", b""),
        ]);
        let files = files.expect("an archive");
        assert_eq!(*files[0].path, *b"/odd\n\n\xff name");
        assert_eq!((files[0].uid, files[0].gid, files[0].mode, files[0].size), (4_000_000_000, 2, 0o640, 4));
        assert_eq!(files[0].sha256, Some(Sha256::of(b"text")));
        // Two headers and the records came before.
        assert_eq!(files[0].offset, 1536);
        assert_eq!(files[0].attributes[&b"security.capability"[..]], b"\x01\n\n\x00=20 x=y\n");
        // Records of one file do not apply to the next one.
        assert_eq!((&*files[1].path, files[1].uid, files[1].attributes.len()), (&b"/plain"[..], 1, 0));
    }

    #[test]
    fn files_are_sorted_and_a_second_name_is_a_file_like_the_first() {
        let link: [(&[u8], &[u8]); 1] = [(b"linkpath", b"./z/first")];
        let files = read_all(&[
            member(&[], EntryType::Directory, "./", b""),
            member(&[], EntryType::Directory, "./z/", b""),
            member(&[], EntryType::Regular, "./z/first", b"same"),
            member(&link, EntryType::Link, "./z.second", b""),
            member(&link, EntryType::Symlink, "./a", b""),
        ]);
        let files = files.expect("an archive");
        let shown: Vec<_> = files.iter().map(|file| (String::from_utf8_lossy(&file.path), file.kind)).collect();
        let expected = [
            ("/", Kind::Directory),
            ("/a", Kind::Symlink),
            ("/z", Kind::Directory),
            ("/z.second", Kind::File),
            ("/z/first", Kind::File),
        ];
        assert_eq!(shown, expected.map(|(path, kind)| (path.into(), kind)));
        assert_eq!(files[3].sha256, Some(Sha256::of(b"same")));
        assert_eq!(files[1].target.as_deref(), Some(&b"./z/first"[..]));
        assert_eq!(files[3].target, None);
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let mut broken = member(&[], EntryType::Regular, "./x", b"data");
        broken[0] = b'/';
        let extended = |text: &[u8]| [member(&[], EntryType::XHeader, "./x", text)].concat();
        for (bytes, complaint) in [
            (vec![1; 2048], "checksum"),
            (broken, "checksum"),
            (member(&[], EntryType::Regular, "./x", b"data")[..600].to_vec(), "fill whole buffer"),
            (Vec::new(), "fill whole buffer"),
            (extended(b"9 path=x\n9"), "malformed"),
            (extended(b"99 path=x\n"), "malformed"),
            (extended(b"2 \n"), "malformed"),
            ([extended(b"9 size=x\n"), member(&[], EntryType::Regular, "./x", b"")].concat(), "number"),
            (member(&[], EntryType::new(b'V'), "./x", b""), "type 'V'"),
        ] {
            let error = read(bytes.as_slice(), &Interrupt::new()).expect_err(complaint).to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn reading_ends_when_it_is_asked_to() {
        let interrupt = Interrupt::new();
        interrupt.raise();
        let bytes = member(&[], EntryType::Regular, "./x", b"data");
        let error = read(bytes.as_slice(), &interrupt).expect_err("interrupted");
        assert_eq!(error.to_string(), "interrupted");
    }
}
