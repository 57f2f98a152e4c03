//! Finds out the format of an image file from its content alone.
//!
//! The format decides which bytes of a file are instructions: a raw disk whose content begins like a qcow2 header could name a
//! host file as its backing file. So names and extensions do not count, and files that a header names are reported and never
//! opened. Only headers are read: a few sectors, whatever the size of the file.

use std::fs::File;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::read::fault::Fault;
use super::read::fields::Fields;
use super::read::{qcow2, vdi, vhd, vhdx, vmdk};
use super::{Codec, Format};
use crate::fsx::{self, IoContext as _, PathError};
use crate::text::printable;

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

/// The features that the header of an image file states. Absent if the format lacks the feature or the file does not state it.
/// Text from the file is made safe for a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Features {
    /// Version of the format, as its users know it: `1.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Variant of the format: `streamOptimized`, `dynamic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subformat: Option<String>,
    /// Compression of the compressed blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<&'static str>,
    /// Bytes of a cluster, grain or block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_size: Option<u64>,
    /// The file that this one needs below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing_file: Option<String>,
    /// Format of the backing file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing_format: Option<String>,
    /// The external file with the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_file: Option<String>,
    /// The files that a VMDK descriptor names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extents: Vec<String>,
    /// Disk adapter that a VMDK descriptor names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// `ddb.toolsVersion` of a VMDK descriptor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools_version: Option<String>,
    /// Program that made a VHD file, by its four letters in the footer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
    /// Unusual features: `encrypted`, `dirty`, `corrupt`, `extended-l2`, `data-file`, `backing-file`, `snapshots`, `log`,
    /// `parent`, `footer-differs`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<&'static str>,
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
    match describe(&file, kind, &mut probed) {
        Ok(()) => {}
        Err(Fault::Bad(complaint)) => probed.fault = Some(complaint.reason),
        Err(Fault::Access(source)) => return Err(PathError { path: path.to_owned(), source }),
    }
    Ok(probed)
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
    let starts = |magic: &[u8]| head.bytes().starts_with(magic);
    Ok(if head.bytes().is_empty() {
        Kind::Other(Other { what: "an empty file", help: None })
    } else if starts(qcow2::MAGIC) {
        Kind::Disk(Format::Qcow2)
    } else if starts(vmdk::MAGIC) {
        Kind::Disk(Format::Vmdk)
    } else if starts(vhd::COOKIE) {
        Kind::Disk(Format::Vhd)
    } else if starts(vhdx::MAGIC) {
        Kind::Disk(Format::Vhdx)
    } else if head.le32(vdi::SIGNATURE_AT) == vdi::SIGNATURE && starts(b"<<<") {
        Kind::Disk(Format::Vdi)
    } else if let Some(codec) = codec(head.bytes()) {
        Kind::Packed(codec)
    } else if let Some(other) = other(&head) {
        Kind::Other(other)
    } else if is_fixed_vhd(file)? {
        Kind::Disk(Format::Vhd)
    } else if head.slice(510, 2) == [0x55, 0xaa] {
        // Both kinds of partition table put this mark at the end of the first sector.
        Kind::Disk(Format::Raw)
    } else {
        Kind::Unknown
    })
}

/// Returns whether the file is a fixed VHD: a raw disk with a footer.
fn is_fixed_vhd(file: &File) -> io::Result<bool> {
    let footer = vhd::Footer::read(file)?;
    Ok(footer.valid && footer.kind == 2)
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

fn describe(file: &File, kind: Kind, probed: &mut Probed) -> Result<(), Fault> {
    match kind {
        Kind::Disk(Format::Qcow2) => qcow2_features(&qcow2::Header::read(file)?, probed),
        Kind::Disk(Format::Vmdk) => vmdk_features(file, probed)?,
        Kind::Disk(Format::Vhd) => vhd_features(file, probed)?,
        Kind::Disk(Format::Vhdx) => {
            let header = vhdx::Header::read(file)?;
            probed.virtual_size = Some(header.size);
            probed.features.cluster_size = Some(header.block);
            probed.features.subformat = Some(if header.fixed { "fixed" } else { "dynamic" }.to_owned());
            probed.mark("parent", header.has_parent);
            probed.mark("log", header.has_log);
        }
        Kind::Disk(Format::Vdi) => {
            let header = vdi::Header::read(file)?;
            probed.virtual_size = Some(header.size);
            probed.features.version = Some(format!("{}.{}", header.version >> 16, header.version & 0xffff));
            probed.features.cluster_size = Some(header.block.into());
            probed.features.subformat = header.subformat().map(str::to_owned);
            probed.mark("parent", matches!(header.kind, 3 | 4));
        }
        Kind::Disk(_) | Kind::Unknown => probed.virtual_size = Some(probed.file_size),
        Kind::Packed(_) | Kind::Other(_) => {}
    }
    Ok(())
}

impl Probed {
    fn mark(&mut self, mark: &'static str, is_so: bool) {
        if is_so {
            self.features.marks.push(mark);
        }
    }

    /// Returns whether the header has a mark.
    pub fn is(&self, mark: &str) -> bool {
        self.features.marks.contains(&mark)
    }
}

fn qcow2_features(header: &qcow2::Header, probed: &mut Probed) {
    let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(printable);
    let has = |feature| header.incompatible & feature != 0;
    probed.virtual_size = Some(header.size);
    let features = &mut probed.features;
    features.version = match header.version {
        2 => Some("0.10".to_owned()),
        3 => Some("1.1".to_owned()),
        version => Some(format!("version {version}")),
    };
    features.cluster_size = (header.cluster_bits < 64).then(|| header.cluster());
    features.compression = match header.compression {
        0 => Some("zlib"),
        1 => Some("zstd"),
        _ => None,
    };
    features.backing_file = text(&header.backing);
    features.backing_format = text(&header.backing_format);
    features.data_file = text(&header.data_file);
    probed.mark("backing-file", header.has_backing);
    probed.mark("data-file", has(qcow2::incompatible::DATA_FILE));
    probed.mark("encrypted", header.encryption != 0);
    probed.mark("snapshots", header.snapshots != 0);
    probed.mark("dirty", has(qcow2::incompatible::DIRTY));
    probed.mark("corrupt", has(qcow2::incompatible::CORRUPT));
    probed.mark("extended-l2", has(qcow2::incompatible::EXTENDED_L2));
    probed.mark("unknown-feature", header.incompatible & !qcow2::incompatible::KNOWN != 0);
}

fn vmdk_features(file: &File, probed: &mut Probed) -> io::Result<()> {
    let header = vmdk::Header::read(file, 0)?;
    let text = |text: Option<String>| text.map(|text| printable(text.as_bytes()));
    probed.virtual_size = Some(header.size());
    probed.features.version = Some(header.version.to_string());
    probed.features.cluster_size = Some(header.grain.saturating_mul(512));
    probed.features.compression = (header.compression == 1).then_some("zlib");
    if header.has_footer() {
        let footer = vmdk::Header::read_footer(file)?;
        let same = vmdk::Header { directory: header.directory, ..footer.clone() } == header;
        probed.mark("footer-differs", !same || !footer.whole);
    }
    let Some(descriptor) = header.descriptor(file)? else { return Ok(()) };
    probed.mark("parent", descriptor.has_parent());
    probed.features.extents = descriptor
        .extents
        .iter()
        .map(|extent| printable(extent.name.as_deref().unwrap_or(&extent.kind).as_bytes()))
        .collect();
    probed.features.subformat = text(descriptor.create_type);
    probed.features.adapter = text(descriptor.adapter);
    probed.features.tools_version = text(descriptor.tools_version);
    Ok(())
}

fn vhd_features(file: &File, probed: &mut Probed) -> io::Result<()> {
    let at_end = vhd::Footer::read(file)?;
    // If the footer at the end is invalid, the copy at the beginning still has the size.
    let footer = if at_end.valid { at_end } else { vhd::Footer::read_at(file, 0)? };
    probed.virtual_size = Some(footer.size);
    probed.features.subformat = footer.subformat().map(str::to_owned);
    probed.features.creator = Some(footer.creator.clone());
    probed.mark("parent", footer.kind == 4);
    Ok(())
}
