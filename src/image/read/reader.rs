//! The interface between the list of formats and the code that reads files of one format.

use std::fs::File;
use std::io;

use serde::Serialize;

use super::fault::Fault;
use super::fields::Fields;
use crate::image::Source;

/// Reads files of one format.
pub(in crate::image) trait Reader: Sync {
    /// Returns whether a file begins with the signature of the format.
    fn recognize(&self, head: &Fields) -> bool;

    /// Returns whether a file ends with the signature of the format. Asked only for files whose beginning says nothing.
    fn recognize_end(&self, _: &File) -> io::Result<bool> {
        Ok(false)
    }

    /// Reads what the header states. If it is invalid, the description has what was read until then.
    fn describe(&self, file: &File, description: &mut Description) -> Result<(), Fault>;

    /// Returns the file that this one needs below it. Called before [`Reader::open`].
    ///
    /// # Errors
    ///
    /// The fault in the header.
    fn backing(&self, _: &File) -> Result<Option<BackingFile>, Fault> {
        Ok(None)
    }

    /// Opens the disk in a file, with the disk of its backing file if it has one.
    ///
    /// # Errors
    ///
    /// The fault of the file.
    fn open(&self, file: File, below: Option<Box<dyn Source>>) -> Result<Box<dyn Source>, Fault>;

    /// Inspects a file as the library of OpenStack does, oslo.utils (`imageutils/format_inspector.py`, version 10): returns the
    /// safety checks that fail, or `None` if its inspector does not recognize the format. `head` has at least 512 bytes if the
    /// file has.
    fn inspect_as_openstack(&self, head: &Fields, file: &File) -> io::Result<Option<Vec<String>>>;
}

/// The file that an image file needs below it.
#[derive(Debug)]
pub(in crate::image) struct BackingFile {
    /// Its name as the header has it.
    pub(in crate::image) name: Option<Vec<u8>>,
    /// The name of its format.
    pub(in crate::image) format: Option<Vec<u8>>,
}

/// What the header of an image file states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::image) struct Description {
    /// Size of the disk, in bytes.
    pub(in crate::image) virtual_size: Option<u64>,
    /// The other features.
    pub(in crate::image) features: Features,
}

impl Description {
    /// Adds a mark to the features if it is true.
    pub(in crate::image) fn mark(&mut self, mark: &'static str, is_so: bool) {
        if is_so {
            self.features.marks.push(mark);
        }
    }
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
