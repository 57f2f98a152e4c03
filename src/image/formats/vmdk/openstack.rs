//! The inspector of OpenStack for VMDK (oslo.utils, `imageutils/format_inspector.py`, version 10, `VMDKInspector`).

use std::fs::File;
use std::io;

use super::descriptor::Descriptor;
use super::header::Header;
use crate::image::read::fields::Fields;
use crate::text::printable;

/// Safety checks that fail.
#[derive(Default)]
struct Found {
    failures: Vec<String>,
}

/// Inspects a file that begins with a header.
pub(super) fn inspect(file: &File) -> io::Result<Vec<String>> {
    let mut found = Found::default();
    found.header(file)?;
    Ok(found.failures)
}

/// Inspects a file that begins with a descriptor; `None` if it does not.
pub(super) fn inspect_descriptor(head: &Fields, file: &File) -> io::Result<Option<Vec<String>>> {
    if !is_descriptor(head.slice(0, 512)) {
        return Ok(None);
    }
    let mut found = Found::default();
    found.descriptor(Some(&Descriptor::read(file, 0, 64 << 10)?), &Fields::read(file, 0, 64 << 10)?);
    Ok(Some(found.failures))
}

/// Returns whether the text is a VMDK descriptor: it has the key `createType`.
fn is_descriptor(head: &[u8]) -> bool {
    let is_text = head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    is_text && head.to_ascii_lowercase().windows(12).any(|part| part == b"createtype=\"")
}

impl Found {
    fn fail(&mut self, reason: impl Into<String>) {
        self.failures.push(reason.into());
    }

    fn header(&mut self, file: &File) -> io::Result<()> {
        let header = Header::read(file, 0)?;
        if !(1..=3).contains(&header.version) {
            self.fail(format!("VMDK version {} is not supported", header.version));
        }
        if header.descriptor_offset != 1 {
            self.fail("its descriptor is not in the second sector");
            return Ok(());
        }
        let length = usize::try_from(header.descriptor_size.saturating_mul(512).min((1 << 20) - 1)).unwrap_or(0);
        self.descriptor(header.descriptor(file)?.as_ref(), &Fields::read(file, 512, length)?);
        if header.has_footer() {
            self.footer(file, &header)?;
        }
        Ok(())
    }

    fn descriptor(&mut self, descriptor: Option<&Descriptor>, fields: &Fields) {
        let text = fields.bytes().split(|byte| *byte == 0).next().unwrap_or_default();
        let Some(descriptor) = descriptor.filter(|_| text.is_ascii() && !text.is_empty()) else {
            self.fail("it has no descriptor");
            return;
        };
        let kind = descriptor.create_type.as_deref().unwrap_or_default();
        if !["monolithicSparse", "streamOptimized"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
            let kind = printable(kind.as_bytes());
            self.fail(format!("its subformat `{kind}` is not supported; monolithicSparse and streamOptimized are"));
            return;
        }
        let text = String::from_utf8_lossy(text).to_ascii_lowercase();
        let mut has_extent = false;
        for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let is_field = line.split_once('=').is_some_and(|(key, _)| !key.contains(' '));
            if line.starts_with("ddb") || is_field {
                continue;
            }
            if !matches!(line.split(' ').next(), Some("rw" | "rdonly" | "noaccess")) {
                self.fail(format!("its descriptor has the line `{}`", printable(line.as_bytes())));
                return;
            }
            has_extent = true;
            if line.contains('/') {
                self.fail("its descriptor names a file in another directory");
                return;
            }
        }
        if !has_extent {
            self.fail("its descriptor has no extent");
        }
    }

    /// Checks the footer: a marker, a copy of the header, and an end marker.
    fn footer(&mut self, file: &File, header: &Header) -> io::Result<()> {
        let length = file.metadata()?.len();
        let footer = Header::read_footer(file)?;
        let same = (footer.version, footer.descriptor_offset, footer.descriptor_size)
            == (header.version, header.descriptor_offset, header.descriptor_size);
        if !footer.whole || !same || footer.has_footer() {
            self.fail("its footer contradicts its header");
        }
        let marker = |end: u64| Fields::read(file, length.saturating_sub(end), 512);
        let (first, last) = (marker(1536)?, marker(512)?);
        let is_padded = first.slice(16, 496).iter().all(|byte| *byte == 0);
        if first.le32(8) != 0 || first.le32(12) != 3 || !is_padded {
            self.fail("the marker of its footer is not valid");
        }
        if last.bytes().iter().any(|byte| *byte != 0) {
            self.fail("the marker of its end is not valid");
        }
        Ok(())
    }
}
