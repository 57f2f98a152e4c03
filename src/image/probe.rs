//! Finds out the format of an image file from its content alone.
//!
//! The format decides which bytes of a file are instructions: a raw disk whose content begins like a qcow2 header could name a
//! host file as its backing file. So names and extensions do not count, and files that a header names are reported and never
//! opened. Only headers are read: a few sectors, whatever the size of the file.

use std::fs::File;
use std::io;
use std::path::Path;

use super::read::Description;
pub use super::read::Features;
use super::read::fault::Fault;
use super::read::fields::Fields;
use super::{Codec, Format};
use crate::fsx::{self, IoContext as _, PathError};

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A readable disk image. [`Format::Raw`] is recognized by a partition table.
    Disk(Format),
    /// A compressed file.
    Packed(Codec),
    /// A known kind of file that is no disk image.
    Other(Other),
    /// An unknown kind, perhaps a raw disk without partitions.
    Unknown,
}

/// A file that people mistake for a disk image, or an image that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other {
    /// The kind of file with an article: `a zip file`.
    pub what: &'static str,
    /// Advice.
    pub help: Option<&'static str>,
}

/// The properties of a file that its header shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// The kind of the file.
    pub kind: Kind,
    /// Size of the disk, in bytes, if the file is a disk image.
    pub virtual_size: Option<u64>,
    /// Length of the file, in bytes.
    pub file_size: u64,
    /// Bytes that the file takes on its file system.
    pub allocated: u64,
    /// The features that the header states.
    pub features: Features,
    /// The fault in the header, if it cannot be read completely.
    pub fault: Option<String>,
}

/// Reads the header of a file.
pub fn probe(path: &Path) -> Result<Probed, PathError> {
    let file = File::open(path).at(path)?;
    let metadata = file.metadata().at(path)?;
    let kind = identify(&file).at(path)?;
    let mut probed = Probed {
        kind,
        virtual_size: None,
        file_size: metadata.len(),
        allocated: fsx::allocated_bytes(&metadata),
        features: Features::default(),
        fault: None,
    };
    let reader = match kind {
        Kind::Disk(format) => format.reader(),
        Kind::Packed(_) | Kind::Other(_) => return Ok(probed),
        Kind::Unknown => None,
    };
    let Some(reader) = reader else {
        return Ok(Probed { virtual_size: Some(probed.file_size), ..probed });
    };
    let mut description = Description::default();
    match reader.describe(&file, &mut description) {
        Ok(()) => {}
        Err(Fault::Bad(complaint)) => probed.fault = Some(complaint.reason),
        Err(Fault::Access(source)) => return Err(PathError { path: path.to_owned(), source }),
    }
    let Description { virtual_size, features } = description;
    Ok(Probed { virtual_size, features, ..probed })
}

impl Probed {
    /// Returns whether the header has a mark.
    pub fn is(&self, mark: &str) -> bool {
        self.features.marks.contains(&mark)
    }
}

/// Bytes at the beginning that are read: up to the volume descriptor of an ISO 9660 file system.
const HEAD: usize = 33 << 10;

/// Recognizes the kind of a file.
///
/// # Errors
///
/// The file cannot be read.
pub fn identify(file: &File) -> io::Result<Kind> {
    let head = Fields::read(file, 0, HEAD)?;
    let readers = || Format::all().filter_map(|format| Some((format, format.reader()?)));
    if head.bytes().is_empty() {
        return Ok(Kind::Other(Other { what: "an empty file", help: None }));
    }
    if let Some((format, _)) = readers().find(|(_, reader)| reader.recognize(&head)) {
        return Ok(Kind::Disk(format));
    }
    if let Some(codec) = codec(head.bytes()) {
        return Ok(Kind::Packed(codec));
    }
    if let Some(other) = other(&head) {
        return Ok(Kind::Other(other));
    }
    for (format, reader) in readers() {
        if reader.recognize_end(file)? {
            return Ok(Kind::Disk(format));
        }
    }
    // Both kinds of partition table put this mark at the end of the first sector.
    Ok(match head.slice(510, 2) {
        [0x55, 0xaa] => Kind::Disk(Format::Raw),
        _ if is_text(head.bytes()) => Kind::Other(Other { what: "a text file", help: None }),
        _ => Kind::Unknown,
    })
}

/// Returns whether bytes at the beginning of a file are text. A character at their end may be cut.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or(""),
        Err(_) => return false,
    };
    !text.is_empty() && text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace() || c == '\u{1b}')
}

fn codec(head: &[u8]) -> Option<Codec> {
    const MAGICS: [(&[u8], Codec); 3] =
        [(b"\x1f\x8b", Codec::Gzip), (b"\xfd7zXZ\0", Codec::Xz), (b"\x28\xb5\x2f\xfd", Codec::Zstd)];
    MAGICS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, codec)| *codec)
}

/// Recognizes files that are no readable image. A file system without partitions counts as a raw disk, though it does not boot.
fn other(head: &Fields) -> Option<Other> {
    const UNPACK: Option<&str> = Some("unpack it first");
    const QEMU: Option<&str> = Some("convert it with `qemu-img convert -O qcow2`");
    const JOIN: Option<&str> =
        Some("join its files with `qemu-img convert`, after a look at the names in its descriptor");
    const FILES: Option<&str> =
        Some("it holds files, not a disk; a recipe can `extract` or `copy` such files into an image");
    const KNOWN: [(usize, &[u8], &str, Option<&str>); 17] = [
        (0, b"BZh", "a bzip2 file", UNPACK),
        (0, b"PK\x03\x04", "a zip file", UNPACK),
        (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip file", UNPACK),
        (0, b"QED\0", "a QED image", QEMU),
        (0, b"WithoutFreeSpace", "a Parallels image", QEMU),
        (0, b"WithouFreSpacExt", "a Parallels image", QEMU),
        (0, b"Bochs Virtual HD Image", "a Bochs image", QEMU),
        (0, b"COWD", "one of the several files of a disk of VMware ESX", QEMU),
        (0, b"# Disk DescriptorFile", "a VMDK descriptor without the disk, which is in other files", JOIN),
        (0, b"LUKS\xba\xbe", "an encrypted volume (LUKS)", Some("decrypt it first")),
        (0, b"hsqs", "a squashfs", FILES),
        (1024, b"\xe2\xe1\xf5\xe0", "an erofs", FILES),
        (257, b"ustar", "a tar file; an OVA is one too", Some("unpack it, and use the VMDK file in an OVA")),
        (0, b"\x7fELF", "a program", None),
        (0, b"-----BEGIN", "a signature", None),
        (0, b"MSWIM\0\0\0", "a Windows imaging file", FILES),
        (
            32_769,
            b"CD001",
            "an ISO 9660 image, a medium to install from",
            Some("use the publisher's cloud image of the same system"),
        ),
    ];
    let known = KNOWN.iter().find(|(at, magic, ..)| head.slice(*at, magic.len()) == *magic);
    if let Some((_, _, what, help)) = known {
        return Some(Other { what, help: *help });
    }
    let start = head.slice(0, 512).trim_ascii_start();
    let markup = start.first() == Some(&b'<') && start.is_ascii();
    markup.then_some(Other { what: "a web page", help: Some("look at it: servers send error pages in place of files") })
}
