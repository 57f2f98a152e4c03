//! The descriptor of a VMDK file, a text (VMware, "Virtual Disk Format 1.1").

use std::fs::File;
use std::io;

use crate::image::read::fields::Fields;

/// Longest descriptor that is read, in bytes. The descriptor of a disk in one file has about a thousand.
const LONGEST: u64 = 64 << 10;

/// The values of a descriptor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) create_type: Option<String>,
    pub(super) parent_cid: Option<String>,
    pub(super) adapter: Option<String>,
    pub(super) tools_version: Option<String>,
    pub(super) extents: Vec<Extent>,
}

/// A file with a part of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    /// `SPARSE`, `FLAT`, `ZERO`, ...
    pub(super) kind: String,
    /// The name as the descriptor has it.
    pub(super) name: Option<String>,
}

impl Descriptor {
    /// Reads the descriptor at an offset of a file.
    pub(super) fn read(file: &File, offset: u64, length: u64) -> io::Result<Self> {
        let length = usize::try_from(length.min(LONGEST)).expect("at most the longest");
        let fields = Fields::read(file, offset, length)?;
        Ok(Self::parse(fields.bytes()))
    }

    /// Parses text that ends with a zero byte. Ignores lines that it does not understand.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        let mut descriptor = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            if let Some(extent) = Extent::parse(line) {
                descriptor.extents.push(extent);
            } else if let Some((key, value)) = line.split_once('=') {
                let value = Some(value.trim().trim_matches('"').to_owned());
                match key.trim().to_ascii_lowercase().as_str() {
                    "createtype" => descriptor.create_type = value,
                    "parentcid" => descriptor.parent_cid = value,
                    "ddb.adaptertype" => descriptor.adapter = value,
                    "ddb.toolsversion" => descriptor.tools_version = value,
                    _ => {}
                }
            }
        }
        descriptor
    }

    /// Returns whether the disk is a difference to another disk.
    pub(super) fn has_parent(&self) -> bool {
        self.parent_cid.as_ref().is_some_and(|cid| !cid.eq_ignore_ascii_case("ffffffff"))
    }
}

impl Extent {
    /// Parses a line such as `RW 4192256 SPARSE "disk.vmdk"`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, char::is_whitespace);
        let access = words.next()?;
        if !matches!(access, "RW" | "RDONLY" | "NOACCESS") {
            return None;
        }
        words.next()?.parse::<u64>().ok()?;
        let kind = words.next()?.to_owned();
        let name = words.next().and_then(|rest| rest.split('"').nth(1)).map(str::to_owned);
        Some(Self { kind, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_read() {
        let text = "# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n\
                    RW 26629 SPARSE \"a disk.vmdk\"\nNOACCESS 5 ZERO\nRW many FLAT \"x\"\nddb.adapterType = \"lsilogic\"\n\0rest=1";
        let descriptor = Descriptor::parse(text.as_bytes());
        assert_eq!(descriptor.create_type.as_deref(), Some("streamOptimized"));
        assert_eq!(descriptor.adapter.as_deref(), Some("lsilogic"));
        assert!(!descriptor.has_parent());
        let extents: Vec<_> = descriptor.extents.iter().map(|it| (it.kind.as_str(), it.name.as_deref())).collect();
        assert_eq!(extents, [("SPARSE", Some("a disk.vmdk")), ("ZERO", None)]);
        assert!(Descriptor::parse(b"parentCID=12345678").has_parent());
    }
}
