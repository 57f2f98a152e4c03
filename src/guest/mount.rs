//! A mount of an image: a file system, and the path at which it is mounted.

/// A file system of an image and its mount point.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mount {
    /// Device of the file system.
    pub source: MountSource,
    /// Subvolume of the file system; `None` for the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subvolume: Option<String>,
    /// Absolute path in the image.
    pub path: String,
}

impl Mount {
    /// Returns a partition at a path.
    pub fn partition(number: u32, path: &str) -> Self {
        Self { source: MountSource::Partition(number), subvolume: None, path: path.to_owned() }
    }
}

/// A device of an image, by a name that means the same in every guest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountSource {
    /// Partition of the attached disk, from 1.
    Partition(u32),
    /// Device whose name does not depend on the guest, such as a logical volume.
    Device(String),
    /// The whole attached disk.
    Disk,
}

impl MountSource {
    /// Returns the name of the device in a guest in which the disk has this name.
    pub(crate) fn device(&self, disk: &str) -> String {
        match self {
            Self::Partition(number) => format!("{disk}{number}"),
            Self::Device(device) => device.clone(),
            Self::Disk => disk.to_owned(),
        }
    }
}
