//! The record of what publishing has done at a target, for the report to the user.

use serde::Serialize;

use crate::openstack::image::Image;

/// One thing that was done at a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Operation {
    /// The image was published.
    Published {
        /// Id, path or address of the image.
        place: String,
        /// Name of the image at the target.
        name: String,
        /// The image as the service describes it.
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<Box<Image>>,
    },
    /// The image was there already.
    AlreadyThere {
        /// Id, path or address of the image.
        place: String,
        /// Name of the image at the target.
        name: String,
        /// The image as the service describes it.
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<Box<Image>>,
    },
    /// The data of the image did not take the usual way, which is an upload into the store that the service prefers.
    Delivered {
        /// The way and the reason: `staged, because several stores are wanted`.
        how: String,
    },
    /// The metadata of an image that was there was brought up to date.
    Updated {
        /// Names of attributes and properties.
        attributes: Vec<String>,
    },
    /// An image was promoted.
    Promoted {
        /// Id, path or address of the image.
        place: String,
    },
    /// An image is no longer the promoted one.
    Retired {
        /// Id, path or address of the image.
        place: String,
    },
    /// An image was removed.
    Removed {
        /// Id, path or address of the image.
        place: String,
        /// The reason.
        reason: String,
    },
    /// A dry run would have published the image.
    WouldPublish {
        /// Path or address of the image; its name if the service has no place for it yet.
        place: String,
    },
    /// A dry run would have removed an image.
    WouldRemove {
        /// Id, path or address of the image.
        place: String,
        /// The reason.
        reason: String,
    },
    /// An image should have been removed, but stays.
    Left {
        /// Id, path or address of the image.
        place: String,
        /// The reason.
        reason: String,
    },
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Published { place, name, .. } => write!(f, "{name} is there as {place}"),
            Self::AlreadyThere { place, name, .. } => write!(f, "{name} was there before as {place}"),
            Self::Delivered { how } => write!(f, "its data was {how}"),
            Self::Updated { attributes } => write!(f, "up to date now: {}", attributes.join(", ")),
            Self::Promoted { place } => write!(f, "{place} is promoted"),
            Self::Retired { place } => write!(f, "{place} is retired"),
            Self::Removed { place, reason } => write!(f, "{place} is removed: {reason}"),
            Self::WouldPublish { place } => write!(f, "would publish {place}"),
            Self::WouldRemove { place, reason } => write!(f, "would remove {place}: {reason}"),
            Self::Left { place, reason } => write!(f, "{place} stays: {reason}"),
        }
    }
}
