//! What the list of formats needs to know of VHDX.

use std::fs::File;
use std::io;

use super::read::{Header, MAGIC, Vhdx};
use super::write::dynamic;
use crate::image::digests::Kinds;
use crate::image::read::fault::Fault;
use crate::image::read::fields::Fields;
use crate::image::read::{Description, Mapped, Pages, Reader};
use crate::image::traits::FormatTraits;
use crate::image::write::{Blocks, Disk, Stream};
use crate::image::{Sink, Source};

/// The properties of the format. It holds 64 TiB at most (MS-VHDX 1.3).
pub(in crate::image) const TRAITS: FormatTraits = FormatTraits::disk("vhdx", &[]);

/// The reader.
pub(in crate::image) struct VhdxReader;

impl Reader for VhdxReader {
    fn recognize(&self, head: &Fields) -> bool {
        head.bytes().starts_with(MAGIC)
    }

    fn describe(&self, file: &File, description: &mut Description) -> Result<(), Fault> {
        let header = Header::read(file)?;
        description.virtual_size = Some(header.size);
        description.features.cluster_size = Some(header.block);
        description.features.subformat = Some(if header.fixed { "fixed" } else { "dynamic" }.to_owned());
        description.mark("parent", header.has_parent);
        description.mark("log", header.has_log);
        Ok(())
    }

    fn open(&self, file: File, _: Option<Box<dyn Source>>) -> Result<Box<dyn Source>, Fault> {
        let pages = Pages::new(file)?;
        let map = Vhdx::new(&pages)?;
        let size = map.size();
        Ok(Box::new(Mapped::new(pages, Box::new(map), size, None)))
    }

    fn inspect_as_openstack(&self, head: &Fields, _: &File) -> io::Result<Option<Vec<String>>> {
        Ok(self.recognize(head).then(Vec::new))
    }
}

/// Creates a writer.
pub(in crate::image) fn sink(disk: &Disk<'_>, file: File, kinds: Kinds) -> io::Result<Box<dyn Sink>> {
    TRAITS.check_size(disk.size)?;
    Ok(Box::new(Blocks::new(dynamic(disk), disk.extents, Stream::new(file, kinds))?))
}
