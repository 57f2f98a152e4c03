//! What a recipe says about how the data of its image gets to an image service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The word for all stores of a service.
pub const ALL: &str = "all";

/// How data gets to a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Import {
    /// Uploaded, unless several stores are wanted and the service can import what is staged.
    #[default]
    Auto,
    /// Uploaded, and copied to further stores.
    Upload,
    /// Sent to where the service imports it from.
    GlanceDirect,
    /// Fetched by the service from `url`.
    WebDownload,
    /// Fetched by the service from the image service of another region: `from`.
    GlanceDownload,
}

impl Import {
    /// Its word in recipes.
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
    /// The region.
    pub region: String,
    /// Id of the image there.
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
