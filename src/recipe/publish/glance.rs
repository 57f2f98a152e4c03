//! The target `glance`: an image at the image service of an OpenStack cloud.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::Format;
use crate::recipe::delivery::{Import, RegionImage};
use crate::recipe::scs::Scs;
use crate::recipe::secret::SecretSource;

/// An image at the image service of an OpenStack cloud. For each key that is missing, Goldsmith uses the default or a value that it reads from the image.
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
    /// Projects that can see and use the image.
    pub visibility: Visibility,
    /// Properties of the image, by name. They are added to those that Goldsmith derives from the image, and replace them. An empty value removes a property.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Tags of the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Protect the image from being deleted.
    pub protected: bool,
    /// Hide the image from lists.
    pub hidden: bool,
    /// How the data of the image is transferred to the service.
    pub import: Import,
    /// Names of the stores of the service that shall hold the data; `all` stands for every store. Default: the default store of the service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<String>,
    /// URL from which the service downloads the image. Required for `import: web-download`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Image in another region that has the same data. Required for `import: glance-download`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<RegionImage>,
    /// Longest time without progress before Goldsmith stops waiting for an import. A download by the service reports no progress until it is complete. Default: 1h.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::units::option_duration")]
    #[schemars(with = "Option<String>")]
    pub import_timeout: Option<Duration>,
    /// Mark the image as the current one, after it is uploaded and verified, and retire the image that was current before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote: Option<Promote>,
    /// Number of images of this recipe that stay at the service, including the promoted one. Goldsmith deletes older ones. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// Key and certificate to sign the image with, so that Glance and Nova detect changed data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// Properties of the standard SCS-0102 of the Sovereign Cloud Stack that only the provider of the image knows. Goldsmith derives its other properties from the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scs: Option<Scs>,
}

/// A key and a certificate to sign an image with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sign {
    /// Private key in PEM, without a passphrase.
    pub key: SecretSource,
    /// Certificate of the key.
    pub certificate: Certificate,
    /// Digest of the image that is signed.
    #[serde(default)]
    pub hash: Hash,
}

/// The place of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Certificate {
    /// Id of the certificate in the cloud's key manager.
    Id(String),
    /// PEM file, absolute or relative to the recipe. Goldsmith stores it in the key manager unless it is there.
    File(PathBuf),
}

/// Algorithm of the digest that is signed.
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

/// Projects that can see and use an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// The project that owns the image.
    #[default]
    Private,
    /// The project that owns the image, and projects that it shares the image with.
    Shared,
    /// All projects. Lists show the image only to the project that owns it, so other projects need its id.
    Community,
    /// All projects.
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

/// How a new image becomes the current one. Until then it is hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Promote {
    /// Tag of the current image of this recipe.
    pub tag: String,
    /// Visibility of the current image. Default: `visibility` of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Change to the image that was current before.
    pub retire: Retire,
}

impl Default for Promote {
    fn default() -> Self {
        Self { tag: "promoted".to_owned(), visibility: None, retire: Retire::Hide }
    }
}

/// Change to an image when another one becomes the current one. It always loses the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Retire {
    /// Goldsmith hides the image from lists. Servers can still be created and rebuilt from its id.
    Hide,
    /// Goldsmith appends the time of its upload to the name of the image.
    Rename,
    /// Goldsmith hides the image, and sets its visibility back to `visibility` of the target.
    Withdraw,
    /// Nothing else.
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
