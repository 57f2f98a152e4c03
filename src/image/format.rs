//! The list of formats. Each is in a file or folder of `formats`, which knows nothing of this list.

use std::fs::File;
use std::io;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::digests::Kinds;
use super::formats::{ova, parts, qcow2, raw, vdi, vhd, vhdx, vmdk};
use super::interface::Sink;
use super::options::{Codec, FormatOptions, OutputError};
use super::read::Reader;
use super::traits::{Content, FormatTraits};
use super::write::Disk;

/// Format of an image file, by the name that OpenStack's image service has for it, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// QEMU's copy-on-write format.
    Qcow2,
    /// The plain bytes of the disk, as a sparse file.
    Raw,
    /// VMware's sparse disk in one file.
    Vmdk,
    /// Microsoft's Virtual PC disk, for Hyper-V generation 1, Azure and Xen.
    Vhd,
    /// Hyper-V's disk.
    Vhdx,
    /// VirtualBox' disk.
    Vdi,
    /// A virtual machine for VMware and VirtualBox: a tar file with a description, a VMDK disk and checksums.
    Ova,
    /// The files of the image, without a disk.
    Tar,
    /// The files of the image in a compressed, read-only file system.
    Squashfs,
    /// The files of the image in erofs, a read-only file system of Linux kernels since 5.4.
    Erofs,
    /// The root file system alone. It boots with a kernel and an initial RAM disk in files of their own.
    Ami,
    /// The kernel alone.
    Aki,
    /// The initial RAM disk alone.
    Ari,
}

/// The encoding of a file: a format with valid values for all its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A qcow2 file.
    Qcow2(qcow2::Qcow2Encoding),
    /// A raw file, sparse unless it is compressed.
    Raw(Option<Codec>),
    /// A VMDK file.
    Vmdk(vmdk::VmdkEncoding),
    /// A VHD file.
    Vhd(vhd::VhdEncoding),
    /// A VHDX file.
    Vhdx,
    /// A VDI file.
    Vdi,
    /// A VMDK file with compressed grains within an OVA.
    Ova(vmdk::VmdkOptions),
    /// A tar file, perhaps compressed.
    Tar(Option<Codec>),
    /// A squashfs.
    Squashfs(Codec),
    /// An erofs.
    Erofs,
    /// The root file system.
    Ami,
    /// The kernel.
    Aki,
    /// The initial RAM disk.
    Ari,
}

/// Every format, in the order of messages.
const ALL: [Format; 13] = [
    Format::Qcow2,
    Format::Raw,
    Format::Vmdk,
    Format::Vhd,
    Format::Vhdx,
    Format::Vdi,
    Format::Ova,
    Format::Tar,
    Format::Squashfs,
    Format::Erofs,
    Format::Ami,
    Format::Aki,
    Format::Ari,
];

/// Names of formats that Goldsmith does not write, and what to use instead.
const REFUSED: [(&str, &str); 6] = [
    ("iso", "an ISO 9660 image is a medium to install from, not an installed disk; use `raw` or `qcow2`"),
    (
        "ploop",
        "ploop is a directory of files with a description, for Virtuozzo containers only; use `qcow2`, or `tar` for a container",
    ),
    ("docker", "a Docker image is layers of files without a kernel; use `tar` and `docker import`"),
    ("qed", "QED was given up by QEMU and is refused by OpenStack; use `qcow2`"),
    ("vpc", "this is QEMU's name of the format `vhd`"),
    ("img", "this says nothing about the content of a file; use `raw` or `qcow2`"),
];

impl Format {
    /// Returns the properties of the format.
    pub fn traits(self) -> &'static FormatTraits {
        match self {
            Self::Qcow2 => &qcow2::TRAITS,
            Self::Raw => &raw::TRAITS,
            Self::Vmdk => &vmdk::TRAITS,
            Self::Vhd => &vhd::TRAITS,
            Self::Vhdx => &vhdx::TRAITS,
            Self::Vdi => &vdi::TRAITS,
            Self::Ova => &ova::TRAITS,
            Self::Tar => &parts::TAR,
            Self::Squashfs => &parts::SQUASHFS,
            Self::Erofs => &parts::EROFS,
            Self::Ami => &parts::AMI,
            Self::Aki => &parts::AKI,
            Self::Ari => &parts::ARI,
        }
    }

    /// Returns the reader of files that have a header or footer; `None` for a raw disk, and for formats that are only written.
    pub(super) fn reader(self) -> Option<&'static dyn Reader> {
        match self {
            Self::Qcow2 => Some(&qcow2::Qcow2Reader),
            Self::Vmdk => Some(&vmdk::VmdkReader),
            Self::Vhd => Some(&vhd::VhdReader),
            Self::Vhdx => Some(&vhdx::VhdxReader),
            Self::Vdi => Some(&vdi::VdiReader),
            Self::Raw | Self::Ova | Self::Tar | Self::Squashfs | Self::Erofs | Self::Ami | Self::Aki | Self::Ari => {
                None
            }
        }
    }

    /// Returns the encoding that options ask for.
    ///
    /// # Errors
    ///
    /// The first key that does not fit the format or another key.
    pub fn encoding(self, options: &FormatOptions) -> Result<Encoding, OutputError> {
        if let Some(key) = options.given().find(|key| !self.traits().keys.contains(key)) {
            let others = Self::all().filter(|format| format.traits().keys.contains(&key));
            let names: Vec<_> = others.map(|format| format!("`{format}`")).collect();
            let message = format!("an output of format `{self}` has no `{key}`");
            return Err(OutputError::new(key, message, Some(format!("it is for {} only", names.join(", ")))));
        }
        Ok(match self {
            Self::Qcow2 => Encoding::Qcow2(qcow2::Qcow2Encoding::new(options)?),
            Self::Raw => Encoding::Raw(options.codec(self.name(), None)?),
            Self::Vmdk => Encoding::Vmdk(vmdk::VmdkEncoding::new(options)?),
            Self::Vhd => Encoding::Vhd(vhd::VhdEncoding::new(options)?),
            Self::Vhdx => Encoding::Vhdx,
            Self::Vdi => Encoding::Vdi,
            Self::Ova => Encoding::Ova(vmdk::VmdkOptions::new(options)),
            Self::Tar => Encoding::Tar(options.codec(self.name(), None)?),
            Self::Squashfs => Encoding::Squashfs(parts::squashfs_codec(options)?),
            Self::Erofs => Encoding::Erofs,
            Self::Ami => Encoding::Ami,
            Self::Aki => Encoding::Aki,
            Self::Ari => Encoding::Ari,
        })
    }

    /// Returns all formats, in the order of messages.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
    }

    /// Returns the name that recipes use.
    pub fn name(self) -> &'static str {
        self.traits().name
    }

    /// Returns the extension of its file names.
    pub fn extension(self) -> &'static str {
        self.traits().extension
    }

    /// Returns the format with a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::all().find(|format| format.name() == name)
    }

    /// Says why Goldsmith does not write the format with this name, and what to use instead.
    pub fn why_refused(name: &str) -> Option<&'static str> {
        REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, reason)| *reason)
    }

    /// Returns whether a file of the format holds the whole disk.
    pub fn is_disk(self) -> bool {
        self.traits().content == Content::Disk
    }

    /// Returns whether Goldsmith reads disks from files of the format.
    pub fn is_readable(self) -> bool {
        self == Self::Raw || self.reader().is_some()
    }
}

impl Encoding {
    /// Creates a writer for an empty file. The file must be open for reading too: some formats are hashed at the end.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the disk does not fit the format, `Unsupported` for an encoding that holds no disk, and errors from
    /// writing a header.
    pub fn sink(&self, disk: &Disk<'_>, file: File, kinds: Kinds) -> io::Result<Box<dyn Sink>> {
        match self {
            Self::Qcow2(encoding) => encoding.sink(disk, file, kinds),
            Self::Raw(codec) => raw::sink(*codec, disk, file, kinds),
            Self::Vmdk(encoding) => encoding.sink(disk, file, kinds),
            Self::Vhd(encoding) => encoding.sink(disk, file, kinds),
            Self::Vhdx => vhdx::sink(disk, file, kinds),
            Self::Vdi => vdi::sink(disk, file, kinds),
            Self::Ova(options) => ova::sink(options, disk, file, kinds),
            Self::Tar(_) | Self::Squashfs(_) | Self::Erofs | Self::Ami | Self::Aki | Self::Ari => {
                Err(io::Error::new(io::ErrorKind::Unsupported, format!("{self:?} holds no disk")))
            }
        }
    }

    /// Returns the size of a disk in a file. It is greater than the disk if the format lacks this size. The added bytes are zero.
    pub fn stored_size(&self, size: u64) -> u64 {
        match self {
            Self::Vhd(encoding) => encoding.stored_size(size),
            _ => size,
        }
    }

    /// Returns the compression of the whole file.
    pub fn codec(&self) -> Option<Codec> {
        match self {
            Self::Raw(codec) | Self::Tar(codec) => *codec,
            _ => None,
        }
    }

    /// Returns whether the file is smaller than the data of the disk, because it is compressed.
    pub fn is_compressed(&self) -> bool {
        match self {
            Self::Qcow2(encoding) => encoding.codec.is_some(),
            Self::Vmdk(encoding) => encoding.is_compressed(),
            Self::Ova(_) => true,
            other => other.codec().is_some(),
        }
    }

    /// Returns whether the file, before its compression, has all bytes of the disk, zeros too.
    pub fn has_zeros(&self) -> bool {
        matches!(self, Self::Raw(_) | Self::Vhd(vhd::VhdEncoding::Fixed))
    }

    /// Returns whether an image service can open the file, if it has a name for the format. It cannot open a file that is
    /// compressed as a whole. A fixed VHD has no header, so the service's inspector takes it for a raw disk and refuses it as a
    /// VHD.
    pub fn suits_glance(&self) -> bool {
        self.codec().is_none() && !matches!(self, Self::Vhd(vhd::VhdEncoding::Fixed))
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_recipes() {
        let names = serde_json::to_value(schemars::schema_for!(Format)).expect("a schema");
        assert_eq!(names["oneOf"].as_array().map(Vec::len), Some(ALL.len()), "{names}");
        for format in Format::all() {
            assert_eq!(serde_json::to_value(format).expect("a name"), format.name());
            assert_eq!(Format::of_name(format.name()), Some(format));
            assert_eq!(Format::why_refused(format.name()), None);
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_told() {
        assert_eq!(Format::Vhd.traits().misfit(3 << 30), None);
        assert!(Format::Vhd.traits().misfit(3 << 40).expect("too large").contains("the disk has 3 TiB"));
        assert!(Format::Raw.traits().misfit(1000).expect("no sectors").contains("multiple of 512"));
    }
}
