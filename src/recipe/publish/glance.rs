//! Images at the image service of a cloud.

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
    /// The cloud, by its name in `clouds.yaml`. Default: `OS_CLOUD`, or the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// The region. Default: as the cloud's configuration says, or the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its name. `%Y%m%d` and the like stand for the time when the image was made, in UTC. Default: the image's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Format of the output that is published. Default: the first that an image service takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Who sees it.
    pub visibility: Visibility,
    /// Properties beside those that follow from the image, or in place of them; an empty value leaves one out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Words that it can be found by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it cannot be deleted.
    pub protected: bool,
    /// Whether lists leave it out.
    pub hidden: bool,
    /// How its data gets there.
    pub import: Import,
    /// Stores of the service that the data goes to; `all` means all. Default: the one that the service prefers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<String>,
    /// Where the service finds the file, for `web-download`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The image of another region that has the same data, for `glance-download`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Elsewhere>,
    /// How long nothing may change in an import; a download by the service changes nothing until it is whole. Default: 1h.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::units::option_duration")]
    #[schemars(with = "Option<String>")]
    pub patience: Option<Duration>,
    /// Put it in the place of the image that was promoted before, once it is there and verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote: Option<Promote>,
    /// How many images of this recipe stay, the promoted one among them. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// Sign it, so that the service and whoever boots it find out whether it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// Metadata of the Sovereign Cloud Stack, SCS-0102: what cannot be found out about the image. The rest follows from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scs: Option<Scs>,
}

/// By what an image is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sign {
    /// The private key: PEM without a passphrase.
    pub key: SecretSource,
    /// The certificate that belongs to it.
    pub certificate: Certificate,
    /// The digest that is signed.
    #[serde(default)]
    pub hash: Hash,
}

/// Where a certificate is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Certificate {
    /// In the cloud's key manager: its id.
    Id(String),
    /// In a file in PEM, absolute or relative to the recipe. The key manager gets it unless it has it.
    File(PathBuf),
}

/// The digest that is signed.
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
    /// Its project.
    #[default]
    Private,
    /// Its project, and those that it is shared with.
    Shared,
    /// Everybody who knows its id.
    Community,
    /// Everybody.
    Public,
}

impl Visibility {
    /// The service's word for it.
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
    /// The tag that only the promoted image of this recipe has.
    pub tag: String,
    /// Who sees the promoted image. Default: those who see the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// What becomes of the image that was promoted before.
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
    /// Lists leave it out. Who knows its id still starts and rebuilds servers from it.
    Hide,
    /// Its name gets the time when it was made.
    Rename,
    /// Hidden, and seen by those only who see images that are not promoted.
    Withdraw,
    /// Nothing but that it loses the tag.
    Keep,
}

impl Glance {
    /// With paths that are relative to a directory.
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
