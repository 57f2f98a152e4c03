//! Where a file system of an image is mounted.

/// One file system of an image and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mount {
    /// Partition number on the disk, from 1; `None` for a device the guest found by inspection.
    pub source: MountSource,
    /// Absolute path in the image.
    pub path: String,
}

/// How a file system is named.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountSource {
    /// Partition of the attached disk, from 1.
    Partition(u32),
    /// Device name as the guest's inspection gave it.
    Device(String),
}
