//! Finds out what tar must know of a tar file before it unpacks it: extended attributes, access control lists, links.
//!
//! - An archive has access control lists as texts (`SCHILY.acl.access`, by `tar --acls`) or as extended attributes
//!   (`SCHILY.xattr.system.posix_acl_access`, by `tar --xattrs`). GNU tar that is told to look for texts takes the list
//!   away from every file that has none: so it is told only of archives that have some.
//! - GNU tar keeps mode and owner of a directory that is there, and gives it the attributes of the archive all the same. A
//!   list among them changes its mode. So tar must pass over such a directory.
//! - GNU tar makes a symbolic link that may lead out of the archive at last, and an empty file in its place before. If a later
//!   entry has the same name, its file can have the number of that empty file, and the link replaces it. With
//!   `--absolute-names` tar makes the links at once. But then an entry can lie behind such a link, and `..` in a name leads
//!   out. So tar gets this option for archives that have neither.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use tar::{Archive, EntryType, Header};

use super::place::{Found, Last, find};
use super::{FileKind, Guest, GuestError};
use crate::fsx::pax;
use crate::image::{Codec, unpack};

/// What an archive says of attributes and of links.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Whether access control lists are texts.
    pub(super) texts: bool,
    /// Whether every entry stays below the directory that the archive is unpacked into, without help from tar.
    pub(super) contained: bool,
    /// Directories with attributes, as the archive names them, without a slash at the end.
    directories: BTreeSet<String>,
}

impl Attributes {
    /// Reads an archive. Of a damaged one, which tar will refuse, it counts how it begins.
    pub(super) fn of(archive: &Path, compression: Option<&str>) -> Self {
        Self::read(archive, compression).unwrap_or_default()
    }

    fn read(archive: &Path, compression: Option<&str>) -> io::Result<Self> {
        let file = File::open(archive)?;
        let codec = match compression {
            Some("gzip") => Codec::Gzip,
            Some("xz") => Codec::Xz,
            Some("zstd") => Codec::Zstd,
            // What lies between two headers need not be read.
            _ => return Ok(Self::found(Archive::new(BufReader::new(file)).entries_with_seek()?)),
        };
        Ok(Self::found(Archive::new(unpack::decoder(file, codec)?).entries()?))
    }

    fn found<R: Read>(entries: tar::Entries<'_, R>) -> Self {
        let mut all = Self { contained: true, ..Self::default() };
        let mut names = Names::default();
        // As they are: the headers of attributes and of long names are entries before their file.
        let mut before: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for entry in entries.raw(true) {
            let Some(mut entry) = entry.ok() else {
                all.contained = false;
                break;
            };
            let kind = entry.header().entry_type();
            if let Some(keyword) = described_by(kind) {
                let mut bytes = Vec::new();
                let read = entry.by_ref().take(HEADER_LIMIT).read_to_end(&mut bytes);
                let Some(records) = read.ok().and_then(|_| records(keyword, bytes)) else {
                    all.contained = false;
                    break;
                };
                all.texts |= records.keys().any(|keyword| keyword.starts_with(b"SCHILY.acl."));
                // Names for all entries that follow: no program writes them.
                all.contained &= kind != EntryType::XGlobalHeader || !records.keys().any(|key| is_name(key));
                before.extend(records);
                continue;
            }
            let records = std::mem::take(&mut before);
            all.contained &= is_read_alike(kind, entry.header(), &records);
            let own = [entry.path_bytes().into_owned(), entry.link_name_bytes().unwrap_or_default().into_owned()];
            // An entry can have several names, of which tar takes one.
            for name in own.iter().take(1).chain(PATHS.iter().filter_map(|key| records.get(*key))) {
                // A hard link to a symbolic link is one itself.
                names.add(name, matches!(kind, EntryType::Symlink | EntryType::Link));
            }
            if kind == EntryType::Link {
                for name in own.iter().skip(1).chain(TARGETS.iter().filter_map(|key| records.get(*key))) {
                    names.add(name, false);
                }
            }
            let [path, _] = own;
            let path = PATHS.iter().find_map(|key| records.get(*key).cloned()).unwrap_or(path);
            if kind == EntryType::Directory && records.keys().any(|keyword| is_attribute(keyword)) {
                let path = String::from_utf8(path).map(|path| path.trim_end_matches('/').to_owned());
                all.directories.extend(path.ok().filter(|path| !path.contains('\n')));
            }
        }
        all.contained &= names.are_contained();
        all
    }

    /// Returns those of the directories that exist below a directory of the image, one in each line.
    pub(super) fn there(&self, guest: &mut dyn Guest, below: &str) -> Result<String, GuestError> {
        let mut there = String::new();
        let mut missing: Option<String> = None;
        for directory in &self.directories {
            // Names are sorted, and what is missing has nothing in it.
            if missing.as_ref().is_some_and(|above| directory.starts_with(above.as_str())) {
                continue;
            }
            match find(guest, &format!("{below}/{directory}"), Last::Followed)? {
                Found::There { kind: FileKind::Directory, .. } => there.extend([directory, "\n"]),
                _ => missing = Some(format!("{directory}/")),
            }
        }
        Ok(there)
    }
}

/// Largest size of a header that stands before an entry, in bytes.
const HEADER_LIMIT: u64 = 16 << 20;

/// Keywords of an entry's name, the deciding one first: of a sparse file, of any file, and of GNU tar's own header.
const PATHS: [&[u8]; 3] = [b"GNU.sparse.name", b"path", b"long name"];

/// Keywords of a link's target.
const TARGETS: [&[u8]; 2] = [b"linkpath", b"long target"];

fn is_name(keyword: &[u8]) -> bool {
    PATHS.iter().chain(&TARGETS).any(|name| *name == keyword)
}

/// Returns the keyword that a header before an entry gives a value for; an empty one for a header with keywords of its own.
fn described_by(kind: EntryType) -> Option<&'static [u8]> {
    match kind {
        EntryType::XHeader | EntryType::XGlobalHeader => Some(b""),
        EntryType::GNULongName => Some(PATHS[2]),
        EntryType::GNULongLink => Some(TARGETS[1]),
        _ => None,
    }
}

/// Returns whether GNU tar finds the next entry at the same place as this module. It takes the size from an extended header, reads
/// further headers of sparse files in its own old form, and finds no content behind entries that are no files.
fn is_read_alike(kind: EntryType, header: &Header, records: &BTreeMap<Vec<u8>, Vec<u8>>) -> bool {
    let empty = header.entry_size().is_ok_and(|size| size == 0);
    let known = match kind {
        EntryType::Regular => true,
        EntryType::Directory
        | EntryType::Symlink
        | EntryType::Link
        | EntryType::Char
        | EntryType::Block
        | EntryType::Fifo => empty,
        _ => false,
    };
    known && !records.contains_key(&b"size"[..])
}

/// Returns what a header before an entry says.
fn records(keyword: &[u8], mut bytes: Vec<u8>) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    if keyword.is_empty() {
        return pax::records(&bytes);
    }
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    Some(BTreeMap::from([(keyword.into(), bytes)]))
}

/// The names of an archive's entries.
#[derive(Debug, Default)]
struct Names {
    /// Whether one of them, or the target of a hard link, begins with `/` or has a `..`.
    lead_out: bool,
    /// Symbolic links.
    links: BTreeSet<Vec<u8>>,
    /// Directories that have entries.
    parents: BTreeSet<Vec<u8>>,
}

impl Names {
    fn add(&mut self, name: &[u8], link: bool) {
        let parts: Vec<_> = name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        self.lead_out |= name.first() == Some(&b'/') || parts.contains(&&b".."[..]);
        for end in (1..parts.len()).rev() {
            // The directories above it are known as well.
            if !self.parents.insert(parts[..end].join(&b'/')) {
                break;
            }
        }
        if link {
            self.links.insert(parts.join(&b'/'));
        }
    }

    fn are_contained(&self) -> bool {
        !self.lead_out && self.links.is_disjoint(&self.parents)
    }
}

fn is_attribute(keyword: &[u8]) -> bool {
    keyword.starts_with(b"SCHILY.acl.") || keyword.starts_with(b"SCHILY.xattr.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_directories_with_attributes_are_found() {
        let list = b"user::rw-\nuser:7:rw-\ngroup::r--\n".as_slice();
        for (keyword, expected) in [("SCHILY.acl.access", true), ("SCHILY.xattr.system.posix_acl_access", false)] {
            let mut builder = tar::Builder::new(Vec::new());
            // A value that looks like a record, and content that does.
            builder.append_pax_extensions([("comment", &b"x\n30 SCHILY.acl.access=y"[..])]).expect("memory");
            for extension in [None, Some((keyword, list))] {
                builder.append_pax_extensions(extension).expect("memory");
                let mut header = tar::Header::new_ustar();
                header.set_size(22);
                builder.append_data(&mut header, "f", &b"30 SCHILY.acl.access=y"[..]).expect("memory");
            }
            builder.append_pax_extensions([(keyword, list), ("path", "./ü/x/".as_bytes())]).expect("memory");
            for path in ["other", "plain"] {
                let mut header = tar::Header::new_ustar();
                header.set_entry_type(EntryType::Directory);
                header.set_size(0);
                builder.append_data(&mut header, path, io::empty()).expect("memory");
            }
            let bytes = builder.into_inner().expect("memory");
            let mut xz = Vec::new();
            liblzma::read::XzEncoder::new(&bytes[..], 1).read_to_end(&mut xz).expect("xz");
            let mut gzip = Vec::new();
            flate2::read::GzEncoder::new(&bytes[..], flate2::Compression::fast()).read_to_end(&mut gzip).expect("gzip");
            let zstd = zstd::encode_all(&bytes[..], 1).expect("zstd");
            for (bytes, compression) in [(bytes, None), (xz, Some("xz")), (gzip, Some("gzip")), (zstd, Some("zstd"))] {
                let file = tempfile::NamedTempFile::new().expect("a file");
                std::fs::write(file.path(), bytes).expect("write");
                let found = Attributes::of(file.path(), compression);
                let directories = BTreeSet::from(["./ü/x".to_owned()]);
                assert_eq!(
                    found,
                    Attributes { texts: expected, contained: true, directories },
                    "{keyword} {compression:?}"
                );
            }
        }
    }

    #[test]
    fn an_archive_with_an_entry_behind_a_link_or_outside_is_not_contained() {
        type Row = (EntryType, &'static str, &'static str);
        let link = |name, target| (EntryType::Symlink, name, target);
        let file = |name| (EntryType::Regular, name, "");
        let long = "d/".repeat(150);
        let long: &'static str = Box::leak((long + "f").into_boxed_str());
        let rows: [(&[Row], bool); 14] = [
            (&[file("a"), link("./a", "/etc"), file("b/c")], true),
            (&[link("a", "../../etc"), file("ab/c"), file("a")], true),
            (&[file(long), link("d/e", "/")], true),
            (&[(EntryType::Link, "b", "a"), file("a")], true),
            (&[file("/a")], false),
            (&[file("a/../../b")], false),
            (&[(EntryType::Link, "b", "/etc/passwd")], false),
            (&[(EntryType::Link, "b", "../x")], false),
            (&[link("a", "/etc"), file("./a//b/c")], false),
            (&[file("a/b"), link("a/", "/etc")], false),
            (&[file(long), link("d/d", "/")], false),
            (&[link("a", "/etc"), (EntryType::Link, "b", "a"), file("b/c")], false),
            (&[(EntryType::XGlobalHeader, "g", "13 path=/etc\n"), file("a")], false),
            (&[(EntryType::XHeader, "x", "12 size=512\n"), file("a")], false),
        ];
        for (number, (entries, expected)) in rows.into_iter().enumerate() {
            let mut builder = tar::Builder::new(Vec::new());
            for (kind, name, target) in entries {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(*kind);
                header.set_size(0);
                if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
                    header.set_size(target.len() as u64);
                    builder.append_data(&mut header, name, target.as_bytes()).expect("memory");
                } else if name.len() > 100 {
                    builder.append_data(&mut header, name, io::empty()).expect("memory");
                } else {
                    // `tar::Header::set_path` refuses names that lead out.
                    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
                    header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
                    header.set_cksum();
                    builder.append(&header, io::empty()).expect("memory");
                }
            }
            assert_eq!(contained(builder), expected, "row {number}");
        }
        for kind in [EntryType::Link, EntryType::Directory, EntryType::GNUSparse, EntryType::new(b'A')] {
            let mut builder = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(512);
            builder.append_data(&mut header, "a", &[0; 512][..]).expect("memory");
            assert!(!contained(builder), "{kind:?} with content");
        }
    }

    fn contained(builder: tar::Builder<Vec<u8>>) -> bool {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), builder.into_inner().expect("memory")).expect("write");
        Attributes::of(file.path(), None).contained
    }
}
