//! The ways in which the data of an image gets to an image service, as recipes name them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The word for all stores of a service.
pub const ALL: &str = "all";

/// How the data of an image is transferred to an image service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Import {
    /// Goldsmith uploads the data. If several stores are named, it uses `glance-direct` if the service supports that.
    #[default]
    Auto,
    /// Goldsmith uploads the data to one store, and the service copies it to the other stores.
    Upload,
    /// Goldsmith uploads the data to the staging area of the service, and the service imports it into the stores.
    GlanceDirect,
    /// The service downloads the data from `url`.
    WebDownload,
    /// The service downloads the data of the image `from` from the image service of another region.
    GlanceDownload,
}

impl Import {
    /// Returns the name that recipes use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Upload => "upload",
            Self::GlanceDirect => "glance-direct",
            Self::WebDownload => "web-download",
            Self::GlanceDownload => "glance-download",
        }
    }
}

/// An image in another region of the same cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegionImage {
    /// Name of the region.
    pub region: String,
    /// Id of the image in that region.
    pub image: String,
}

impl std::str::FromStr for RegionImage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((region, image)) => Ok(Self { region: region.to_owned(), image: image.to_owned() }),
            None => Err("write it like REGION/ID".to_owned()),
        }
    }
}
