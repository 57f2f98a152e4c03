//! Chooses the writer of a format.

use std::fs::File;
use std::io;

use super::super::digests::Kinds;
use super::super::{Encoding, Format, Sink};
use super::blocks::Blocks;
use super::disk::Disk;
use super::flat::Flat;
use super::framed::CompressedFlat;
use super::ova::Ova;
use super::stream::Stream;
use super::vmdk_stream::VmdkStream;
use super::{qcow2, vdi, vhd, vhdx, vmdk};

/// Returns the size of a disk in a file. It is greater than the disk if the format lacks this size. The added bytes are zero.
pub fn stored_size(encoding: &Encoding, size: u64) -> u64 {
    match encoding {
        Encoding::VhdFixed => vhd::fixed_size(size),
        _ => size,
    }
}

/// Creates a writer for an empty file. The file must be open for reading too: some formats are hashed at the end.
///
/// # Errors
///
/// `InvalidInput` if the disk does not fit the format, `Unsupported` for an encoding that holds no disk, and errors from writing
/// a header.
pub fn sink(encoding: &Encoding, disk: &Disk<'_>, file: File, kinds: Kinds) -> io::Result<Box<dyn Sink>> {
    if let Encoding::Qcow2 { codec: Some(codec), cluster_size, compat } = *encoding {
        return Ok(Box::new(qcow2::Compressed::new(file, kinds, disk.size, codec, cluster_size, compat)?));
    }
    match encoding {
        Encoding::Ova(_) => fits(Format::Ova, disk)?,
        Encoding::VmdkSparse(_) | Encoding::VmdkStream(_) => fits(Format::Vmdk, disk)?,
        Encoding::VhdDynamic | Encoding::VhdFixed => fits(Format::Vhd, disk)?,
        Encoding::Vhdx => fits(Format::Vhdx, disk)?,
        Encoding::Vdi => fits(Format::Vdi, disk)?,
        _ => {}
    }
    if let Encoding::Ova(options) = encoding {
        return Ok(Box::new(Ova::new(disk, options, file, kinds)?));
    }
    let stream = Stream::new(file, kinds);
    Ok(match *encoding {
        Encoding::Qcow2 { codec: None, cluster_size, compat } => {
            Box::new(qcow2::Plain::new(stream, disk.size, disk.extents, cluster_size, compat)?)
        }
        Encoding::Raw(None) => Box::new(Flat::new(stream, disk.size, Vec::new())),
        Encoding::Raw(Some(codec)) => Box::new(CompressedFlat::new(stream, codec, disk.size)?),
        Encoding::VmdkSparse(options) => Box::new(Blocks::new(vmdk::sparse(disk, &options)?, disk.extents, stream)?),
        Encoding::VmdkStream(options) => Box::new(VmdkStream::new(disk, &options, stream)?),
        Encoding::VhdDynamic => Box::new(Blocks::new(vhd::dynamic(disk), disk.extents, stream)?),
        Encoding::VhdFixed => {
            let size = vhd::fixed_size(disk.size);
            Box::new(Flat::new(stream, size, vhd::fixed_footer(disk, size)))
        }
        Encoding::Vhdx => Box::new(Blocks::new(vhdx::dynamic(disk), disk.extents, stream)?),
        Encoding::Vdi => Box::new(Blocks::new(vdi::dynamic(disk), disk.extents, stream)?),
        other => return Err(io::Error::new(io::ErrorKind::Unsupported, format!("{other:?} holds no disk"))),
    })
}

/// Refuses disks that the format cannot hold.
pub(super) fn fits(format: Format, disk: &Disk<'_>) -> io::Result<()> {
    let misfit = if disk.size == 0 {
        Some(format!("a {format} file cannot hold a disk without a single byte"))
    } else {
        format.misfit(disk.size)
    };
    misfit.map_or(Ok(()), |misfit| Err(io::Error::new(io::ErrorKind::InvalidInput, misfit)))
}
