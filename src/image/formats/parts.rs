//! Formats for parts of an image: the tree of its files, its root file system, its kernel. `export` writes them, because the guest
//! makes what they contain.

use crate::image::options::{Codec, FormatOptions, OutputError};
use crate::image::traits::{Content, FormatTraits};

/// The properties of tar files.
pub(in crate::image) const TAR: FormatTraits = FormatTraits::part("tar", Content::Tree, &["compression"]);

/// The properties of squashfs.
pub(in crate::image) const SQUASHFS: FormatTraits = FormatTraits::part("squashfs", Content::Tree, &["compression"]);

/// The properties of erofs.
pub(in crate::image) const EROFS: FormatTraits = FormatTraits::part("erofs", Content::Tree, &[]);

/// The properties of a root file system.
pub(in crate::image) const AMI: FormatTraits =
    FormatTraits { glance: Some(("ami", "ami")), ..FormatTraits::part("ami", Content::RootPartition, &[]) };

/// The properties of a kernel.
pub(in crate::image) const AKI: FormatTraits = FormatTraits {
    extension: "vmlinuz",
    glance: Some(("aki", "aki")),
    ..FormatTraits::part("aki", Content::BootFile, &[])
};

/// The properties of an initial RAM disk.
pub(in crate::image) const ARI: FormatTraits = FormatTraits {
    extension: "initrd",
    glance: Some(("ari", "ari")),
    ..FormatTraits::part("ari", Content::BootFile, &[])
};

/// Returns the compression of a squashfs.
pub(in crate::image) fn squashfs_codec(options: &FormatOptions) -> Result<Codec, OutputError> {
    let codec = options.codec(SQUASHFS.name, Some(Codec::Zstd))?;
    codec.ok_or_else(|| OutputError::new("compression", "a squashfs is always compressed", None))
}
