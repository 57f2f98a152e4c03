//! Finds out which extended attributes and access control lists a tar file has, before tar unpacks it.
//!
//! - An archive has access control lists as texts (`SCHILY.acl.access`, by `tar --acls`) or as extended attributes
//!   (`SCHILY.xattr.system.posix_acl_access`, by `tar --xattrs`). GNU tar that is told to look for texts takes the list
//!   away from every file that has none: so it is told only of archives that have some.
//! - GNU tar keeps mode and owner of a directory that is there, and gives it the attributes of the archive all the same. A
//!   list among them changes its mode. So tar must pass over such a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use tar::{Archive, EntryType};

use super::place::{Found, Last, find};
use super::{FileKind, Guest, GuestError};
use crate::fsx::pax;
use crate::image::{Codec, unpack};

/// What an archive says of attributes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Whether access control lists are texts.
    pub(super) texts: bool,
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
        let mut all = Self::default();
        // As they are: the header of attributes is an entry before its file.
        let mut before: Option<BTreeMap<Vec<u8>, Vec<u8>>> = None;
        for mut entry in entries.raw(true).map_while(Result::ok) {
            match entry.header().entry_type() {
                EntryType::XHeader => {
                    let mut bytes = Vec::new();
                    if entry.by_ref().take(16 << 20).read_to_end(&mut bytes).is_err() {
                        break;
                    }
                    let Some(records) = pax::records(&bytes) else { break };
                    all.texts |= records.keys().any(|keyword| keyword.starts_with(b"SCHILY.acl."));
                    before = Some(records);
                }
                EntryType::Directory => {
                    if let Some(mut records) =
                        before.take().filter(|records| records.keys().any(|keyword| is_attribute(keyword)))
                    {
                        let path = records.remove(&b"path"[..]).unwrap_or_else(|| entry.path_bytes().into_owned());
                        let path = String::from_utf8(path).map(|path| path.trim_end_matches('/').to_owned());
                        all.directories.extend(path.ok().filter(|path| !path.contains('\n')));
                    }
                }
                _ => before = None,
            }
        }
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
                assert_eq!(found, Attributes { texts: expected, directories }, "{keyword} {compression:?}");
            }
        }
    }
}
