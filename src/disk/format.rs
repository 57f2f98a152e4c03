//! What a disk image file is, by its own first bytes.
//!
//! The format decides which bytes of a file are obeyed: a raw disk whose content happens to begin like a
//! qcow2 header names host files as its backing file. So names and extensions are never trusted,
//! `qemu-img` is never left to guess, and nothing of a header is used before it is checked.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::fsx::{IoContext as _, PathError};
use crate::image::Format;
use crate::units::ByteSize;

/// Largest virtual size that is believed: 64 TiB, the limit of ext4 and XFS in common use is beyond any image.
pub const MAX_VIRTUAL_SIZE: ByteSize = ByteSize::mebibytes(64 << 20);

const QCOW2_MAGIC: &[u8; 4] = b"QFI\xfb";
const SECTOR: u64 = 512;

/// Why a file is refused as the base of an image.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file could not be read.
    #[error(transparent)]
    Access(#[from] PathError),
    /// The file is not a disk image, or one that must not be used.
    #[error("{} cannot be used as a disk image: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
}

/// A disk image that may be used as a backing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Its format.
    pub format: Format,
    /// Size of the disk in it, in bytes.
    pub virtual_size: u64,
}

/// Tells the format of a file by its magic number: qcow2, or else raw.
pub fn detect(path: &Path) -> Result<Format, PathError> {
    let file = File::open(path).at(path)?;
    let mut magic = Vec::new();
    file.take(4).read_to_end(&mut magic).at(path)?;
    Ok(if magic == QCOW2_MAGIC { Format::Qcow2 } else { Format::Raw })
}

/// Reads a file's header and refuses what is no whole, self-contained disk image. Reads a few sectors
/// only: damage further inside a qcow2 file is for [`QemuImg::check`](super::QemuImg::check) to find.
pub fn check(path: &Path) -> Result<Checked, FormatError> {
    let file = File::open(path).at(path)?;
    let length = file.metadata().at(path)?.len();
    let checked = match detect(path)? {
        Format::Qcow2 => check_qcow2(&file, length),
        _ => check_raw(&file, length),
    };
    checked.at(path)?.map_err(|reason| FormatError::Refused { path: path.to_owned(), reason })
}

fn check_qcow2(file: &File, length: u64) -> io::Result<Result<Checked, String>> {
    let mut header = [0; 104];
    if length < 72 {
        return Ok(Err("it ends within its qcow2 header; download it again".to_owned()));
    }
    let available = header.len().min(usize::try_from(length).unwrap_or(usize::MAX));
    file.read_exact_at(&mut header[..available], 0)?;
    let u32_at = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) << 32 | u64::from(u32_at(at + 4));
    let (version, cluster_bits, virtual_size) = (u32_at(4), u32_at(20), u64_at(24));
    let incompatible = if version >= 3 { u64_at(72) } else { 0 };
    let refused = if !(2..=3).contains(&version) {
        format!("qcow2 version {version} is not known")
    } else if u64_at(8) != 0 {
        "it is an overlay that needs a backing file; flatten it with `qemu-img convert -O qcow2`".to_owned()
    } else if incompatible & 0b100 != 0 {
        "its data is in another file; merge both with `qemu-img convert -O qcow2`".to_owned()
    } else if u32_at(32) != 0 {
        "it is encrypted; decrypt it with `qemu-img convert`".to_owned()
    } else if incompatible & 0b10 != 0 {
        "it is marked as corrupt".to_owned()
    } else if !(9..=21).contains(&cluster_bits) {
        format!("its cluster size of 2^{cluster_bits} bytes is not possible")
    } else if let Some(reason) = bad_size(virtual_size) {
        reason
    } else if u64_at(40).saturating_add(u64::from(u32_at(36)).saturating_mul(8)) > length
        || u64_at(48).saturating_add(1 << cluster_bits) > length.next_multiple_of(1 << cluster_bits)
    {
        "it is truncated: its tables lie beyond its end; download it again".to_owned()
    } else {
        return Ok(Ok(Checked { format: Format::Qcow2, virtual_size }));
    };
    Ok(Err(refused))
}

fn check_raw(file: &File, length: u64) -> io::Result<Result<Checked, String>> {
    let mut head = [0; 2 * SECTOR as usize];
    let available = head.len().min(usize::try_from(length).unwrap_or(usize::MAX));
    file.read_exact_at(&mut head[..available], 0)?;
    if let Some(kind) = known_other(&head[..available]) {
        return Ok(Err(format!("it is {kind}")));
    }
    // Both kinds of partition table put this mark at the end of the first sector.
    let partitioned = head[510..512] == [0x55, 0xaa];
    Ok(if !partitioned {
        Err("it is neither qcow2 nor a raw disk with a partition table".to_owned())
    } else if !length.is_multiple_of(SECTOR) {
        Err(format!("its {length} bytes are no whole number of sectors: it seems truncated; download it again"))
    } else if let Some(reason) = bad_size(length) {
        Err(reason)
    } else {
        Ok(Checked { format: Format::Raw, virtual_size: length })
    })
}

fn bad_size(bytes: u64) -> Option<String> {
    if bytes < ByteSize::MIB {
        return Some(format!("a disk of {} cannot hold a system", ByteSize::bytes(bytes)));
    }
    (bytes > MAX_VIRTUAL_SIZE.get())
        .then(|| format!("its virtual size of {} is beyond all reason", ByteSize::bytes(bytes)))
}

/// Names what people mistake for a disk image.
fn known_other(head: &[u8]) -> Option<&'static str> {
    const OTHERS: [(&[u8], &str); 9] = [
        (b"\x1f\x8b", "a gzip file, not a disk image; unpack it first"),
        (b"\xfd7zXZ", "an xz file, not a disk image; unpack it first"),
        (b"\x28\xb5\x2f\xfd", "a zstd file, not a disk image; unpack it first"),
        (b"BZh", "a bzip2 file, not a disk image; unpack it first"),
        (b"PK\x03\x04", "a zip file, not a disk image; unpack it first"),
        (b"KDMV", "a VMDK image, not qcow2 or raw; convert it with `qemu-img convert -O qcow2`"),
        (b"conectix", "a VHD image, not qcow2 or raw; convert it with `qemu-img convert -O qcow2`"),
        (b"vhdxfile", "a VHDX image, not qcow2 or raw; convert it with `qemu-img convert -O qcow2`"),
        (b"-----BEGIN", "a signature, not a disk image"),
    ];
    if head.is_empty() {
        return Some("an empty file, not a disk image");
    }
    let start = head.trim_ascii_start();
    let markup = start.first() == Some(&b'<') && start.is_ascii();
    OTHERS
        .iter()
        .find(|(magic, _)| head.starts_with(magic))
        .map(|(_, kind)| *kind)
        .or_else(|| markup.then_some("a web page, not a disk image"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A qcow2 header with some fields changed, in a file of 1 MiB.
    fn qcow2(changes: &[(usize, &[u8])], length: usize) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        for (at, field) in [
            (0, &QCOW2_MAGIC[..]),
            (4, &3u32.to_be_bytes()),
            (20, &16u32.to_be_bytes()),
            (24, &(1u64 << 30).to_be_bytes()),
            (36, &2u32.to_be_bytes()),
            (40, &0x30000u64.to_be_bytes()),
            (48, &0x10000u64.to_be_bytes()),
        ]
        .iter()
        .chain(changes)
        {
            bytes[*at..at + field.len()].copy_from_slice(field);
        }
        bytes.truncate(length);
        bytes
    }

    fn raw(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        bytes
    }

    fn verdict(bytes: &[u8]) -> Result<Checked, FormatError> {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), bytes).expect("write");
        check(file.path())
    }

    #[test]
    fn whole_images_are_taken() {
        let whole = verdict(&qcow2(&[], 1 << 20)).expect("qcow2");
        assert_eq!(whole, Checked { format: Format::Qcow2, virtual_size: 1 << 30 });
        let disk = verdict(&raw(2 << 20)).expect("raw");
        assert_eq!(disk, Checked { format: Format::Raw, virtual_size: 2 << 20 });
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        let all = 1 << 20;
        for (bytes, reason) in [
            (qcow2(&[(8, &0x1000u64.to_be_bytes())], all), "backing file"),
            (qcow2(&[(72, &4u64.to_be_bytes())], all), "data is in another file"),
            (qcow2(&[(72, &2u64.to_be_bytes())], all), "corrupt"),
            (qcow2(&[(32, &2u32.to_be_bytes())], all), "encrypted"),
            (qcow2(&[(4, &9u32.to_be_bytes())], all), "version 9"),
            (qcow2(&[(20, &63u32.to_be_bytes())], all), "cluster size"),
            (qcow2(&[(24, &u64::MAX.to_be_bytes())], all), "beyond all reason"),
            (qcow2(&[(24, &0u64.to_be_bytes())], all), "cannot hold"),
            (qcow2(&[(40, &u64::MAX.to_be_bytes())], all), "truncated"),
            (qcow2(&[], 0x20000), "truncated"),
            (qcow2(&[], 40), "ends within its qcow2 header"),
            (Vec::new(), "empty file"),
            (b"\n<!DOCTYPE html><html>".to_vec(), "web page"),
            (b"\x1f\x8b\x08 compressed".to_vec(), "gzip"),
            (vec![7; 4 << 20], "neither qcow2 nor a raw disk"),
            (raw((2 << 20) + 1), "truncated"),
            (raw(512), "cannot hold"),
        ] {
            let error = verdict(&bytes).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error:?} does not say {reason:?}");
        }
    }
}
