//! What publishing has done.

use serde::Serialize;

use crate::openstack::image::Image;

/// Something that was done at a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "did", rename_all = "kebab-case")]
pub enum Deed {
    /// The image was handed over.
    Published {
        /// Its id, path or address.
        place: String,
        /// Its name there.
        name: String,
        /// As the service tells of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<Box<Image>>,
    },
    /// The image was there already.
    Before {
        /// Its id, path or address.
        place: String,
        /// Its name there.
        name: String,
        /// As the service tells of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<Box<Image>>,
    },
    /// The image's data got there otherwise than by an upload into the store that the service prefers.
    Delivered {
        /// How, and why: `staged, because several stores are wanted`.
        how: String,
    },
    /// What is told of an image that was there was brought up to date.
    Updated {
        /// Names of attributes and properties.
        attributes: Vec<String>,
    },
    /// An image took the place of the one before.
    Promoted {
        /// Its id, path or address.
        place: String,
    },
    /// An image lost its place.
    Retired {
        /// Its id, path or address.
        place: String,
    },
    /// An image was removed.
    Removed {
        /// Its id, path or address.
        place: String,
        /// Why.
        reason: String,
    },
    /// An image would have been removed but stays.
    Left {
        /// Its id, path or address.
        place: String,
        /// Why.
        reason: String,
    },
}

impl std::fmt::Display for Deed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Published { place, name, .. } => write!(f, "{name} is there as {place}"),
            Self::Before { place, name, .. } => write!(f, "{name} was there before as {place}"),
            Self::Delivered { how } => write!(f, "its data was {how}"),
            Self::Updated { attributes } => write!(f, "up to date now: {}", attributes.join(", ")),
            Self::Promoted { place } => write!(f, "{place} is promoted"),
            Self::Retired { place } => write!(f, "{place} is retired"),
            Self::Removed { place, reason } => write!(f, "{place} is removed: {reason}"),
            Self::Left { place, reason } => write!(f, "{place} stays: {reason}"),
        }
    }
}
