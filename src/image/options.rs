//! The options of formats: the keys of an output besides `format` and `file`, and their values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::ByteSize;

/// The keys of an output besides `format` and `file`, as users wrote them. A format reads those of its
/// [`keys`](super::FormatTraits::keys).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FormatOptions {
    /// Compression of the file or of what is in it.
    pub compression: Option<Compression>,
    /// Cluster size of a qcow2 file.
    pub cluster_size: Option<ByteSize>,
    /// Version of a qcow2 file.
    pub compat: Option<Compat>,
    /// Kind of a VMDK or VHD file.
    pub subformat: Option<Subformat>,
    /// Disk adapter that a VMDK or OVA file names.
    pub adapter: Option<Adapter>,
    /// `ddb.toolsVersion` of a VMDK or OVA file.
    pub tools_version: Option<u32>,
}

impl FormatOptions {
    /// Returns the keys that have a value.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("compression", self.compression.is_some()),
            ("cluster-size", self.cluster_size.is_some()),
            ("compat", self.compat.is_some()),
            ("subformat", self.subformat.is_some()),
            ("adapter", self.adapter.is_some()),
            ("tools-version", self.tools_version.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key)
    }

    /// Returns the compression of a whole file of a format.
    ///
    /// # Errors
    ///
    /// The compression is not one for whole files.
    pub fn codec(&self, format: &str, default: Option<Codec>) -> Result<Option<Codec>, OutputError> {
        match self.compression {
            None => Ok(default),
            Some(Compression::None) => Ok(None),
            Some(Compression::Zstd) => Ok(Some(Codec::Zstd)),
            Some(Compression::Gzip) => Ok(Some(Codec::Gzip)),
            Some(Compression::Xz) => Ok(Some(Codec::Xz)),
            Some(Compression::Zlib) => {
                Err(OutputError::compression(format, Compression::Zlib, "`zstd`, `gzip`, `xz` or `none`"))
            }
        }
    }
}

/// Compression of a file or of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard, which is fast. QEMU 5.1 and later reads it in qcow2 files.
    Zstd,
    /// Deflate in clusters of qcow2, which every QEMU reads.
    Zlib,
    /// Deflate in gzip's format.
    Gzip,
    /// LZMA, which is slow and makes small files.
    Xz,
    /// No compression.
    None,
}

/// Version of a qcow2 file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Compat {
    /// Version 2, which QEMU 0.10 and later reads.
    #[serde(rename = "0.10")]
    V0_10,
    /// Version 3, which QEMU 1.1 and later reads.
    #[serde(rename = "1.1")]
    V1_1,
}

/// Kind of a VMDK or VHD file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Subformat {
    /// VMDK with compressed grains, for transfer and import.
    StreamOptimized,
    /// VMDK with uncompressed grains, for direct use.
    MonolithicSparse,
    /// VHD that stores only blocks with data.
    Dynamic,
    /// VHD that is a raw disk with a footer.
    Fixed,
}

/// Disk adapter of a VMDK file, `ddb.adapterType`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Adapter {
    /// IDE.
    Ide,
    /// BusLogic SCSI.
    Buslogic,
    /// LSI Logic SCSI.
    #[default]
    Lsilogic,
    /// VMware's paravirtual SCSI.
    Pvscsi,
}

impl Adapter {
    /// Returns the name in a VMDK descriptor. Paravirtual adapters have no name of their own: VMware's products write `lsilogic`
    /// for them, and the virtual machine's configuration decides.
    pub fn ddb_name(self) -> &'static str {
        match self {
            Self::Ide => "ide",
            Self::Buslogic => "buslogic",
            Self::Lsilogic | Self::Pvscsi => "lsilogic",
        }
    }
}

/// Compression of a stream of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Zstandard frames.
    Zstd,
    /// gzip members.
    Gzip,
    /// xz streams.
    Xz,
}

impl Codec {
    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
        }
    }

    /// Returns the extension of compressed files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zstd => "zst",
            Self::Gzip => "gz",
            Self::Xz => "xz",
        }
    }
}

/// Compression of the clusters of a qcow2 file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterCodec {
    /// Zstandard.
    Zstd,
    /// Raw deflate.
    Zlib,
}

/// An error in an output: the key, the reason, and advice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutputError {
    /// Key of [`Output`](super::Output).
    pub key: &'static str,
    /// The error.
    pub message: String,
    /// Advice, where it is not obvious.
    pub help: Option<String>,
}

impl OutputError {
    /// Returns an error in the value of a key.
    pub(super) fn new(key: &'static str, message: impl Into<String>, help: Option<String>) -> Self {
        Self { key, message: message.into(), help }
    }

    /// Returns the error for a compression that a format does not have. `instead` lists those that it has.
    pub(super) fn compression(format: &str, compression: Compression, instead: &str) -> Self {
        let name = serde_json::to_value(compression).unwrap_or_default();
        let message = format!("a {format} file is not compressed with {}", name.as_str().unwrap_or_default());
        Self::new("compression", message, Some(format!("use {instead}")))
    }

    /// Returns the error for a subformat that a format does not have. `instead` lists those that it has.
    pub(super) fn subformat(format: &str, instead: &str) -> Self {
        Self::new("subformat", format!("a {format} file has no such subformat"), Some(format!("use {instead}")))
    }
}
