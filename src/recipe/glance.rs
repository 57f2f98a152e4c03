//! A base that is an image of an OpenStack cloud.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An image of an OpenStack cloud, which may be the snapshot of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GlanceSource {
    /// Id or name of the image. Without `tag`, only one image may have the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Tag of the image. Of several images, of which `image` may give the name, Goldsmith takes the newest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Name of the cloud in `clouds.yaml`. Default: the cloud of `--os-cloud` or `OS_CLOUD`, or the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// Region of the cloud. Default: the region of `--os-region`, or of the cloud's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl fmt::Display for GlanceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.image, &self.tag) {
            (Some(image), None) => write!(f, "image `{image}`"),
            (Some(image), Some(tag)) => write!(f, "image `{image}` with the tag `{tag}`"),
            (None, Some(tag)) => write!(f, "image with the tag `{tag}`"),
            (None, None) => f.write_str("image"),
        }?;
        match &self.cloud {
            Some(cloud) => write!(f, " of the cloud `{cloud}`"),
            None => f.write_str(" of the cloud"),
        }
    }
}
