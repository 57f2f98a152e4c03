//! The formats of image files: one table with their limits and their names in other programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::ByteSize;

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

/// The part of an image that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The whole disk, byte for byte.
    Disk,
    /// The tree of files.
    Tree,
    /// The partition with the root file system.
    RootPartition,
    /// A file of the boot directory.
    BootFile,
}

/// The properties of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatTraits {
    /// The format.
    pub format: Format,
    /// Name for people and in recipes.
    pub name: &'static str,
    /// The content of its files.
    pub content: Content,
    /// Extension of its file names.
    pub extension: &'static str,
    /// QEMU's name of the driver; `None` if QEMU does not open such files.
    pub qemu: Option<&'static str>,
    /// `disk_format` and `container_format` of the image service (Glance, "Disk and Container Formats");
    /// `None` if it has no name for the format.
    pub glance: Option<(&'static str, &'static str)>,
    /// Largest disk the format can hold, in bytes.
    pub max_size: u64,
    /// Sizes of disks must be a multiple of this, in bytes.
    pub granularity: u64,
}

const TIB: u64 = 1 << 40;

/// Every format.
///
/// Limits: qcow2 with clusters of 64 KiB could hold far more than the 64 TiB that Goldsmith accepts for any image; VMDK has
/// 32-bit sector numbers of grains; a dynamic VHD holds 2040 GiB (Microsoft, "Virtual Hard Disk Image Format Specification"), a
/// VHDX 64 TiB (MS-VHDX 1.3); VDI has 32-bit numbers of blocks of 1 MiB.
const TABLE: [FormatTraits; 13] = {
    const fn disk(
        format: Format,
        name: &'static str,
        qemu: &'static str,
        glance: (&'static str, &'static str),
        max_size: u64,
    ) -> FormatTraits {
        let (content, qemu, glance) = (Content::Disk, Some(qemu), Some(glance));
        FormatTraits { format, name, content, extension: name, qemu, glance, max_size, granularity: 512 }
    }
    const fn part(
        format: Format,
        name: &'static str,
        content: Content,
        extension: &'static str,
        glance: Option<(&'static str, &'static str)>,
    ) -> FormatTraits {
        FormatTraits { format, name, content, extension, qemu: None, glance, max_size: 64 * TIB, granularity: 1 }
    }
    [
        disk(Format::Qcow2, "qcow2", "qcow2", ("qcow2", "bare"), 64 * TIB),
        disk(Format::Raw, "raw", "raw", ("raw", "bare"), 64 * TIB),
        disk(Format::Vmdk, "vmdk", "vmdk", ("vmdk", "bare"), 2 * TIB - (64 << 10)),
        disk(Format::Vhd, "vhd", "vpc", ("vhd", "bare"), 2040 << 30),
        disk(Format::Vhdx, "vhdx", "vhdx", ("vhdx", "bare"), 64 * TIB),
        disk(Format::Vdi, "vdi", "vdi", ("vdi", "bare"), 64 * TIB),
        FormatTraits { qemu: None, ..disk(Format::Ova, "ova", "", ("vmdk", "ova"), 2 * TIB - (64 << 10)) },
        part(Format::Tar, "tar", Content::Tree, "tar", None),
        part(Format::Squashfs, "squashfs", Content::Tree, "squashfs", None),
        part(Format::Erofs, "erofs", Content::Tree, "erofs", None),
        part(Format::Ami, "ami", Content::RootPartition, "ami", Some(("ami", "ami"))),
        part(Format::Aki, "aki", Content::BootFile, "vmlinuz", Some(("aki", "aki"))),
        part(Format::Ari, "ari", Content::BootFile, "initrd", Some(("ari", "ari"))),
    ]
};

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
    /// Returns the row of the table.
    pub fn facts(self) -> &'static FormatTraits {
        TABLE.iter().find(|facts| facts.format == self).expect("every format is in the table")
    }

    /// Returns all formats, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|facts| facts.format)
    }

    /// Returns the name that recipes use.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Returns the extension of its file names.
    pub fn extension(self) -> &'static str {
        self.facts().extension
    }

    /// Returns the format with a name.
    pub fn of_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|facts| facts.name == name).map(|facts| facts.format)
    }

    /// Says why Goldsmith does not write the format with this name, and what to use instead.
    pub fn why_refused(name: &str) -> Option<&'static str> {
        REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, reason)| *reason)
    }

    /// Returns whether a file of the format holds the whole disk.
    pub fn is_disk(self) -> bool {
        self.facts().content == Content::Disk
    }

    /// Says why a disk of `size` bytes does not fit the format.
    pub fn misfit(self, size: u64) -> Option<String> {
        let facts = self.facts();
        if size > facts.max_size {
            let (name, max) = (facts.name, ByteSize::bytes(facts.max_size));
            return Some(format!("a {name} file holds at most {max}, and the disk has {}", ByteSize::bytes(size)));
        }
        (!size.is_multiple_of(facts.granularity)).then(|| {
            format!(
                "the size of a {} disk must be a multiple of {} bytes, and it is {size}",
                facts.name, facts.granularity
            )
        })
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
        for format in Format::all() {
            assert_eq!(serde_json::to_value(format).expect("a name"), format.name());
            assert_eq!(Format::of_name(format.name()), Some(format));
            assert_eq!(Format::why_refused(format.name()), None);
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_told() {
        assert_eq!(Format::Vhd.misfit(3 << 30), None);
        assert!(Format::Vhd.misfit(3 << 40).expect("too large").contains("the disk has 3 TiB"));
        assert!(Format::Raw.misfit(1000).expect("no sectors").contains("multiple of 512"));
    }
}
