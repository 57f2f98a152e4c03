//! The properties of a format: its names in other programs, and its limits.

use std::io;

use crate::units::ByteSize;

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
    /// The keys of an output that this format has, besides `format` and `file`.
    pub keys: &'static [&'static str],
}

/// The largest disk that Goldsmith accepts for any image, in bytes: 64 TiB. qcow2 with clusters of 64 KiB could hold far more.
const LARGEST: u64 = 64 << 40;

impl FormatTraits {
    /// Returns the usual properties of a format of disks: QEMU and the image service know it by its name.
    pub(super) const fn disk(name: &'static str, keys: &'static [&'static str]) -> Self {
        Self {
            name,
            content: Content::Disk,
            extension: name,
            qemu: Some(name),
            glance: Some((name, "bare")),
            max_size: LARGEST,
            granularity: 512,
            keys,
        }
    }

    /// Returns the usual properties of a format for a part of an image: no other program has a name for it.
    pub(super) const fn part(name: &'static str, content: Content, keys: &'static [&'static str]) -> Self {
        Self { content, qemu: None, glance: None, granularity: 1, ..Self::disk(name, keys) }
    }

    /// Says why a disk of `size` bytes does not fit the format.
    pub fn misfit(&self, size: u64) -> Option<String> {
        if size > self.max_size {
            let (name, max) = (self.name, ByteSize::bytes(self.max_size));
            return Some(format!("a {name} file holds at most {max}, and the disk has {}", ByteSize::bytes(size)));
        }
        (!size.is_multiple_of(self.granularity)).then(|| {
            format!(
                "the size of a {} disk must be a multiple of {} bytes, and it is {size}",
                self.name, self.granularity
            )
        })
    }

    /// Refuses disks that a file of the format cannot hold.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, with the reason.
    pub(super) fn check_size(&self, size: u64) -> io::Result<()> {
        let misfit = if size == 0 {
            Some(format!("a {} file cannot hold a disk without a single byte", self.name))
        } else {
            self.misfit(size)
        };
        misfit.map_or(Ok(()), |misfit| Err(io::Error::new(io::ErrorKind::InvalidInput, misfit)))
    }
}
