//! The files to make from a disk: [`Output`] as users write it, [`Encoding`] as writers need it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CHUNK, Format};
use crate::units::ByteSize;

/// One file to make of the finished disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Output {
    /// Format of the file.
    pub format: Format,
    /// Name of the file. Default: the image's name with the extension of the format and the compression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Compression. For the clusters of a qcow2 file: `zstd` (default), `zlib`, `none`. For a whole raw or tar file: `none`
    /// (default), `zstd`, `gzip`, `xz`. For squashfs: `zstd` (default), `gzip`, `xz`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Cluster size of a qcow2 file, a power of two from 4KiB to 2MiB. Default: 64KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_size: Option<ByteSize>,
    /// Version of a qcow2 file, named after the QEMU release that introduced it: `"1.1"` (default) or `"0.10"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compat: Option<Compat>,
    /// Subformat of a VMDK file: `streamOptimized` (default), `monolithicSparse`. Of a VHD file: `dynamic` (default), `fixed`
    /// (for Azure).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subformat: Option<Subformat>,
    /// Disk adapter that a VMDK or OVA file names. Default: `lsilogic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<Adapter>,
    /// Version of VMware Tools that a VMDK or OVA file names (`ddb.toolsVersion`). Default: 2147483647, which means that the
    /// system brings its own tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools_version: Option<u32>,
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

/// The properties that a VMDK descriptor states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VmdkOptions {
    /// Disk adapter.
    pub adapter: Adapter,
    /// `ddb.toolsVersion`.
    pub tools_version: u32,
}

/// The encoding of a file: a format with valid values for all its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A qcow2 file.
    Qcow2 {
        /// Compression of its clusters; `None` for uncompressed ones.
        codec: Option<ClusterCodec>,
        /// Bytes of a cluster.
        cluster_size: u32,
        /// Version.
        compat: Compat,
    },
    /// A raw file, sparse unless it is compressed.
    Raw(Option<Codec>),
    /// A VMDK file with compressed grains.
    VmdkStream(VmdkOptions),
    /// A VMDK file with uncompressed grains.
    VmdkSparse(VmdkOptions),
    /// A VHD file of blocks.
    VhdDynamic,
    /// A raw disk with a VHD footer, its size a multiple of 1 MiB.
    VhdFixed,
    /// A VHDX file.
    Vhdx,
    /// A VDI file.
    Vdi,
    /// A VMDK file with compressed grains within an OVA.
    Ova(VmdkOptions),
    /// A tar file, perhaps compressed.
    Tar(Option<Codec>),
    /// A squashfs.
    Squashfs(Codec),
    /// An erofs.
    Erofs,
    /// The root partition.
    Ami,
    /// The kernel.
    Aki,
    /// The initial RAM disk.
    Ari,
}

/// Compression of qcow2 clusters.
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
    /// Key of [`Output`].
    pub key: &'static str,
    /// The error.
    pub message: String,
    /// Advice, where it is not obvious.
    pub help: Option<String>,
}

/// Keys that only some formats have.
const KEYS: [(&str, &[Format]); 6] = [
    ("compression", &[Format::Qcow2, Format::Raw, Format::Tar, Format::Squashfs]),
    ("cluster-size", &[Format::Qcow2]),
    ("compat", &[Format::Qcow2]),
    ("subformat", &[Format::Vmdk, Format::Vhd]),
    ("adapter", &[Format::Vmdk, Format::Ova]),
    ("tools-version", &[Format::Vmdk, Format::Ova]),
];

impl Output {
    /// Returns an output with the default values of a format.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            file: None,
            compression: None,
            cluster_size: None,
            compat: None,
            subformat: None,
            adapter: None,
            tools_version: None,
        }
    }

    /// Returns the name of the file for an image with the name `image`.
    pub fn file_name(&self, image: &str) -> String {
        if let Some(file) = &self.file {
            return file.clone();
        }
        let extension = self.format.extension();
        let codec = match self.encoding() {
            Ok(Encoding::Raw(codec) | Encoding::Tar(codec)) => codec,
            _ => None,
        };
        match codec {
            Some(codec) => format!("{image}.{extension}.{}", codec.extension()),
            None => format!("{image}.{extension}"),
        }
    }

    /// Returns the encoding that this output asks for.
    ///
    /// # Errors
    ///
    /// The first key that does not fit the format or another key.
    pub fn encoding(&self) -> Result<Encoding, OutputError> {
        let given = [
            self.compression.is_some(),
            self.cluster_size.is_some(),
            self.compat.is_some(),
            self.subformat.is_some(),
            self.adapter.is_some(),
            self.tools_version.is_some(),
        ];
        for ((key, formats), _) in KEYS.iter().zip(given).filter(|(_, given)| *given) {
            if !formats.contains(&self.format) {
                let names: Vec<_> = formats.iter().map(|format| format!("`{format}`")).collect();
                let message = format!("an output of format `{}` has no `{key}`", self.format);
                return Err(wrong(key, message, Some(format!("it is for {} only", names.join(", ")))));
            }
        }
        let vmdk = VmdkOptions {
            adapter: self.adapter.unwrap_or_default(),
            tools_version: self.tools_version.unwrap_or(i32::MAX.unsigned_abs()),
        };
        Ok(match self.format {
            Format::Qcow2 => self.qcow2()?,
            Format::Raw => Encoding::Raw(self.codec(None)?),
            Format::Vmdk => match self.subformat {
                None | Some(Subformat::StreamOptimized) => Encoding::VmdkStream(vmdk),
                Some(Subformat::MonolithicSparse) => Encoding::VmdkSparse(vmdk),
                Some(_) => return Err(self.bad_subformat("streamOptimized` or `monolithicSparse")),
            },
            Format::Vhd => match self.subformat {
                None | Some(Subformat::Dynamic) => Encoding::VhdDynamic,
                Some(Subformat::Fixed) => Encoding::VhdFixed,
                Some(_) => return Err(self.bad_subformat("dynamic` or `fixed")),
            },
            Format::Vhdx => Encoding::Vhdx,
            Format::Vdi => Encoding::Vdi,
            Format::Ova => Encoding::Ova(vmdk),
            Format::Tar => Encoding::Tar(self.codec(None)?),
            Format::Squashfs => match self.codec(Some(Codec::Zstd))? {
                Some(codec) => Encoding::Squashfs(codec),
                None => return Err(wrong("compression", "a squashfs is always compressed".to_owned(), None)),
            },
            Format::Erofs => Encoding::Erofs,
            Format::Ami => Encoding::Ami,
            Format::Aki => Encoding::Aki,
            Format::Ari => Encoding::Ari,
        })
    }

    fn qcow2(&self) -> Result<Encoding, OutputError> {
        let compat = self.compat.unwrap_or(Compat::V1_1);
        // Version 2 has no field for the kind of compression.
        let default = if compat == Compat::V0_10 { Compression::Zlib } else { Compression::Zstd };
        let codec = match self.compression.unwrap_or(default) {
            Compression::Zstd if compat == Compat::V0_10 => {
                let message = "qcow2 of compat 0.10 cannot be compressed with zstd".to_owned();
                return Err(wrong("compression", message, Some("use `zlib`, or compat 1.1".to_owned())));
            }
            Compression::Zstd => Some(ClusterCodec::Zstd),
            Compression::Zlib => Some(ClusterCodec::Zlib),
            Compression::None => None,
            other => return Err(self.bad_compression(other, "`zstd`, `zlib` or `none`")),
        };
        let size = self.cluster_size.map_or(64 << 10, ByteSize::get);
        match u32::try_from(size) {
            Ok(cluster_size) if size.is_power_of_two() && (4096..=CHUNK as u64).contains(&size) => {
                Ok(Encoding::Qcow2 { codec, cluster_size, compat })
            }
            _ => {
                let message = format!("clusters of {} are not possible", ByteSize::bytes(size));
                Err(wrong("cluster-size", message, Some("use a power of two from 4KiB to 2MiB".to_owned())))
            }
        }
    }

    fn codec(&self, default: Option<Codec>) -> Result<Option<Codec>, OutputError> {
        match self.compression {
            None => Ok(default),
            Some(Compression::None) => Ok(None),
            Some(Compression::Zstd) => Ok(Some(Codec::Zstd)),
            Some(Compression::Gzip) => Ok(Some(Codec::Gzip)),
            Some(Compression::Xz) => Ok(Some(Codec::Xz)),
            Some(Compression::Zlib) => Err(self.bad_compression(Compression::Zlib, "`zstd`, `gzip`, `xz` or `none`")),
        }
    }

    fn bad_compression(&self, compression: Compression, instead: &str) -> OutputError {
        let name = serde_json::to_value(compression).unwrap_or_default();
        let message = format!("a {} file is not compressed with {}", self.format, name.as_str().unwrap_or_default());
        wrong("compression", message, Some(format!("use {instead}")))
    }

    fn bad_subformat(&self, instead: &str) -> OutputError {
        let message = format!("a {} file has no such subformat", self.format);
        wrong("subformat", message, Some(format!("use `{instead}`")))
    }
}

fn wrong(key: &'static str, message: String, help: Option<String>) -> OutputError {
    OutputError { key, message, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> Output {
        serde_json::from_str(text).expect("an output")
    }

    #[test]
    fn defaults_are_what_most_people_need() {
        for (format, name) in [(Format::Qcow2, "i.qcow2"), (Format::Ova, "i.ova"), (Format::Aki, "i.vmlinuz")] {
            assert_eq!(Output::new(format).file_name("i"), name);
            assert!(Output::new(format).encoding().is_ok());
        }
        assert_eq!(output(r#"{"format":"raw","compression":"xz"}"#).file_name("i"), "i.raw.xz");
        let old = output(r#"{"format":"qcow2","compat":"0.10"}"#).encoding();
        let codec = Some(ClusterCodec::Zlib);
        assert_eq!(old, Ok(Encoding::Qcow2 { codec, cluster_size: 65536, compat: Compat::V0_10 }));
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_key() {
        for (text, key, part) in [
            (r#"{"format":"vdi","compression":"zstd"}"#, "compression", "has no `compression`"),
            (r#"{"format":"qcow2","compression":"xz"}"#, "compression", "not compressed with xz"),
            (
                r#"{"format":"qcow2","compression":"zstd","compat":"0.10"}"#,
                "compression",
                "cannot be compressed with zstd",
            ),
            (r#"{"format":"qcow2","cluster-size":"5KiB"}"#, "cluster-size", "not possible"),
            (r#"{"format":"vmdk","subformat":"fixed"}"#, "subformat", "no such subformat"),
            (r#"{"format":"squashfs","compression":"none"}"#, "compression", "always compressed"),
            (r#"{"format":"raw","tools-version":1}"#, "tools-version", "has no `tools-version`"),
        ] {
            let error = output(text).encoding().expect_err(text);
            assert_eq!(error.key, key);
            assert!(error.message.contains(part), "{error}");
        }
    }
}
