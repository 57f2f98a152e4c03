//! The ways in which the data of an image gets to an image service, as recipes name them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The word for all stores of a service.
pub const ALL: &str = "all";

/// How data gets to a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Import {
    /// Goldsmith uploads the data. For several stores it uses `glance-direct` if the service offers it.
    #[default]
    Auto,
    /// Goldsmith uploads the data, and the service copies it to further stores.
    Upload,
    /// Goldsmith uploads the data to the service's staging area, and the service imports it.
    GlanceDirect,
    /// The service downloads the data from `url`.
    WebDownload,
    /// The service downloads the data from the image service of another region: `from`.
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

/// An image of another region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Elsewhere {
    /// Name of the region.
    pub region: String,
    /// Id of the image in that region.
    pub image: String,
}

impl std::str::FromStr for Elsewhere {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((region, image)) => Ok(Self { region: region.to_owned(), image: image.to_owned() }),
            None => Err("write it like REGION/ID".to_owned()),
        }
    }
}
