//! What the list of formats needs to know of reading VMDK.

use std::fs::File;
use std::io;

use super::header::{Header, MAGIC};
use super::openstack;
use super::tables::Vmdk;
use crate::image::Source;
use crate::image::read::fault::Fault;
use crate::image::read::fields::Fields;
use crate::image::read::{Description, Mapped, Pages, Reader};
use crate::text::printable;

/// The reader.
pub(in crate::image) struct VmdkReader;

impl Reader for VmdkReader {
    fn recognize(&self, head: &Fields) -> bool {
        head.bytes().starts_with(MAGIC)
    }

    fn describe(&self, file: &File, description: &mut Description) -> Result<(), Fault> {
        let header = Header::read(file, 0)?;
        let text = |text: Option<String>| text.map(|text| printable(text.as_bytes()));
        description.virtual_size = Some(header.size());
        description.features.version = Some(header.version.to_string());
        description.features.cluster_size = Some(header.grain.saturating_mul(512));
        description.features.compression = (header.compression == 1).then_some("zlib");
        if header.has_footer() {
            let footer = Header::read_footer(file)?;
            let same = Header { directory: header.directory, ..footer.clone() } == header;
            description.mark("footer-differs", !same || !footer.whole);
        }
        let Some(descriptor) = header.descriptor(file)? else { return Ok(()) };
        description.mark("parent", descriptor.has_parent());
        description.features.extents = descriptor
            .extents
            .iter()
            .map(|extent| printable(extent.name.as_deref().unwrap_or(&extent.kind).as_bytes()))
            .collect();
        description.features.subformat = text(descriptor.create_type);
        description.features.adapter = text(descriptor.adapter);
        description.features.tools_version = text(descriptor.tools_version);
        Ok(())
    }

    fn open(&self, file: File, _: Option<Box<dyn Source>>) -> Result<Box<dyn Source>, Fault> {
        let pages = Pages::new(file)?;
        let map = Vmdk::new(&pages)?;
        let size = map.size();
        Ok(Box::new(Mapped::new(pages, Box::new(map), size, None)))
    }

    fn inspect_as_openstack(&self, head: &Fields, file: &File) -> io::Result<Option<Vec<String>>> {
        if self.recognize(head) {
            return openstack::inspect(file).map(Some);
        }
        openstack::inspect_descriptor(head, file)
    }
}
