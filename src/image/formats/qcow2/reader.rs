//! What the list of formats needs to know of reading qcow2.

use std::fs::File;
use std::io;

use super::header::{Header, MAGIC, incompatible};
use super::tables::Qcow2;
use crate::image::Source;
use crate::image::read::fault::Fault;
use crate::image::read::fields::Fields;
use crate::image::read::{BackingFile, Description, Mapped, Pages, Reader};
use crate::text::printable;

/// The reader.
pub(in crate::image) struct Qcow2Reader;

impl Reader for Qcow2Reader {
    fn recognize(&self, head: &Fields) -> bool {
        head.bytes().starts_with(MAGIC)
    }

    fn describe(&self, file: &File, description: &mut Description) -> Result<(), Fault> {
        let header = Header::read(file)?;
        let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(printable);
        let has = |feature| header.incompatible & feature != 0;
        description.virtual_size = Some(header.size);
        let features = &mut description.features;
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
        description.mark("backing-file", header.has_backing);
        description.mark("data-file", has(incompatible::DATA_FILE));
        description.mark("encrypted", header.encryption != 0);
        description.mark("snapshots", header.snapshots != 0);
        description.mark("dirty", has(incompatible::DIRTY));
        description.mark("corrupt", has(incompatible::CORRUPT));
        description.mark("extended-l2", has(incompatible::EXTENDED_L2));
        description.mark("unknown-feature", header.incompatible & !incompatible::KNOWN != 0);
        Ok(())
    }

    fn backing(&self, file: &File) -> Result<Option<BackingFile>, Fault> {
        let header = checked_header(file)?;
        Ok(header.has_backing.then_some(BackingFile { name: header.backing, format: header.backing_format }))
    }

    fn open(&self, file: File, below: Option<Box<dyn Source>>) -> Result<Box<dyn Source>, Fault> {
        let header = checked_header(&file)?;
        let pages = Pages::new(file)?;
        let map = Qcow2::new(&header, &pages)?;
        Ok(Box::new(Mapped::new(pages, Box::new(map), header.size, below)))
    }

    fn inspect_as_openstack(&self, head: &Fields, _: &File) -> io::Result<Option<Vec<String>>> {
        if head.bytes().len() < 512 || !self.recognize(head) {
            return Ok(None);
        }
        let mut failures: Vec<String> = Vec::new();
        let mut fail = |reason: &str| failures.push(reason.to_owned());
        if head.be64(8) != 0 {
            fail("it has a backing file");
        }
        // oslo.utils checks the feature bits in every version.
        let features = head.be64(72);
        if features & 0b100 != 0 {
            fail("its data is in another file");
        }
        match head.be32(4) {
            2 => {}
            3 if features >> 4 == 0 => {}
            3 => fail("it has a feature of qcow2 that is not allowed, as subclusters are (`extended_l2`)"),
            version => fail(&format!("qcow2 version {version} is not supported")),
        }
        Ok(Some(failures))
    }
}

/// Reads a header and refuses it if it is invalid or unsupported.
fn checked_header(file: &File) -> Result<Header, Fault> {
    let header = Header::read(file)?;
    header.check(file.metadata()?.len())?;
    Ok(header)
}
