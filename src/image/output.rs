//! A file to make of a disk, as users write it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::format::{Encoding, Format};
use super::options::{Adapter, Compat, Compression, FormatOptions, OutputError, Subformat};
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
        match self.encoding().ok().and_then(|encoding| encoding.codec()) {
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
        self.format.encoding(&FormatOptions {
            compression: self.compression,
            cluster_size: self.cluster_size,
            compat: self.compat,
            subformat: self.subformat,
            adapter: self.adapter,
            tools_version: self.tools_version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ClusterCodec, Qcow2Encoding};

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
        assert_eq!(old, Ok(Encoding::Qcow2(Qcow2Encoding { codec, cluster_size: 65536, compat: Compat::V0_10 })));
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
