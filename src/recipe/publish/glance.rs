//! The target `glance`: an image at the image service of an OpenStack cloud.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::Format;
use crate::recipe::delivery::{Elsewhere, Import};
use crate::recipe::scs::Scs;
use crate::recipe::secret::SecretSource;

/// An image at the image service of a cloud. What is not said follows from the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Glance {
    /// Name of the cloud in `clouds.yaml`. Default: `OS_CLOUD`, or the only cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// Region of the cloud. Default: from the cloud's configuration, or the only region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Name of the image in the cloud. `%Y%m%d` and other strftime codes stand for the build time in UTC. Default: the image's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Format of the output to publish. Default: the first output that Glance accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Who sees the image.
    pub visibility: Visibility,
    /// Properties to add or to replace. An empty value removes a property.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Tags of the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Protect the image from being deleted.
    pub protected: bool,
    /// Hide the image from lists.
    pub hidden: bool,
    /// How the service gets the data.
    pub import: Import,
    /// Stores for the data; `all` means all stores. Default: the service's default store.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<String>,
    /// URL of the file, for `web-download`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Image of another region with the same data, for `glance-download`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Elsewhere>,
    /// Give up if an import shows no progress for this long. A download by the service shows none until its end. Default: 1h.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::units::option_duration")]
    #[schemars(with = "Option<String>")]
    pub import_timeout: Option<Duration>,
    /// Promote the image after it is complete and verified: it replaces the image that was promoted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote: Option<Promote>,
    /// Number of images of this recipe to keep, including the promoted one. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// Sign the image, so that Glance and Nova can detect changed data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// Metadata by the standard SCS-0102 of the Sovereign Cloud Stack. Goldsmith derives the other properties of the standard from the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scs: Option<Scs>,
}

/// By what an image is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sign {
    /// Private key in PEM, without a passphrase.
    pub key: SecretSource,
    /// Certificate of the key.
    pub certificate: Certificate,
    /// Digest to sign.
    #[serde(default)]
    pub hash: Hash,
}

/// Where a certificate is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Certificate {
    /// Id of the certificate in the cloud's key manager.
    Id(String),
    /// PEM file, absolute or relative to the recipe. Goldsmith stores it in the key manager unless it is there.
    File(PathBuf),
}

/// Digest to sign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hash {
    /// SHA-224.
    Sha224,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// Who sees an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// The image's project.
    #[default]
    Private,
    /// The image's project, and projects with which it is shared.
    Shared,
    /// Everybody who knows the image's id.
    Community,
    /// Everybody.
    Public,
}

impl Visibility {
    /// Returns the image service's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Community => "community",
            Self::Public => "public",
        }
    }
}

/// How an image takes the place of the one before. Until then it is hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Promote {
    /// Tag that marks the promoted image of this recipe.
    pub tag: String,
    /// Who sees the promoted image. Default: the target's `visibility`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// What happens to the image that was promoted before.
    pub retire: Retire,
}

impl Default for Promote {
    fn default() -> Self {
        Self { tag: "promoted".to_owned(), visibility: None, retire: Retire::Hide }
    }
}

/// What becomes of an image whose place another one has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Retire {
    /// Goldsmith hides it from lists. Servers can still be created and rebuilt from its id.
    Hide,
    /// Goldsmith appends the time of its upload to its name.
    Rename,
    /// Goldsmith hides it and gives it the target's `visibility` again.
    Withdraw,
    /// It only loses the tag.
    Keep,
}

impl Glance {
    /// Prefixes relative paths with a directory.
    pub(super) fn below(mut self, dir: &Path) -> Self {
        self.sign = self.sign.map(|Sign { key, certificate, hash }| Sign {
            key: key.below(dir),
            certificate: match certificate {
                Certificate::File(file) => Certificate::File(dir.join(file)),
                id @ Certificate::Id(_) => id,
            },
            hash,
        });
        self
    }
}
