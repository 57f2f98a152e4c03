//! What the list of formats needs to know of VDI.

use std::fs::File;
use std::io;

use super::read::{Header, SIGNATURE, SIGNATURE_AT, Vdi};
use super::write::dynamic;
use crate::image::digests::Kinds;
use crate::image::read::fault::Fault;
use crate::image::read::fields::Fields;
use crate::image::read::{Description, Mapped, Pages, Reader};
use crate::image::traits::FormatTraits;
use crate::image::write::{Blocks, Disk, Stream};
use crate::image::{Sink, Source};

/// The properties of the format. It has 32-bit numbers of blocks of 1 MiB.
pub(in crate::image) const TRAITS: FormatTraits = FormatTraits::disk("vdi", &[]);

/// The reader.
pub(in crate::image) struct VdiReader;

impl Reader for VdiReader {
    fn recognize(&self, head: &Fields) -> bool {
        head.le32(SIGNATURE_AT) == SIGNATURE && head.bytes().starts_with(b"<<<")
    }

    fn describe(&self, file: &File, description: &mut Description) -> Result<(), Fault> {
        let header = Header::read(file)?;
        description.virtual_size = Some(header.size);
        let features = &mut description.features;
        features.version = Some(format!("{}.{}", header.version >> 16, header.version & 0xffff));
        features.cluster_size = Some(header.block.into());
        features.subformat = header.subformat().map(str::to_owned);
        description.mark("parent", matches!(header.kind, 3 | 4));
        Ok(())
    }

    fn open(&self, file: File, _: Option<Box<dyn Source>>) -> Result<Box<dyn Source>, Fault> {
        let pages = Pages::new(file)?;
        let map = Vdi::new(&pages)?;
        let size = map.size();
        Ok(Box::new(Mapped::new(pages, Box::new(map), size, None)))
    }

    fn inspect_as_openstack(&self, head: &Fields, _: &File) -> io::Result<Option<Vec<String>>> {
        let is_vdi = head.bytes().len() >= 512 && head.le32(SIGNATURE_AT) == SIGNATURE;
        Ok(is_vdi.then(Vec::new))
    }
}

/// Creates a writer.
pub(in crate::image) fn sink(disk: &Disk<'_>, file: File, kinds: Kinds) -> io::Result<Box<dyn Sink>> {
    TRAITS.check_size(disk.size)?;
    Ok(Box::new(Blocks::new(dynamic(disk), disk.extents, Stream::new(file, kinds))?))
}
