//! The format of a recipe file: the types that its YAML is decoded to.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::container::Reference;
use super::element_use::ElementUse;
use super::glance::GlanceSource;
use super::installer::{Installer, InstallerSource};
use super::layout::Layout;
use super::matrix::MatrixFile;
use super::partitions::{Partition, Table};
use super::publish::Target;
use super::secret::SecretSource;
use super::verify::Verify;
use crate::element::schema::{Check, Param, Steps};
use crate::image::digests::Checksum;
use crate::image::{Format, Output};
use crate::units::ByteSize;
use crate::vocabulary::Arch;

/// A recipe: one YAML file that describes one image.
///
/// Templates (`{{ ... }}`) in values see the recipe's parameters and the built-ins `name`, `arch`, `distro`, `release`,
/// `version`, `family`, `firmware` and `os`. Only `elements`, `packages`, `steps`, `checks` and `publish` see the built-ins. The
/// rest of the recipe sees only the parameters, because the built-ins follow from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipeFile {
    /// Name of the image and of its files: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// One sentence that describes the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Files with keys of a recipe, relative to this file. Goldsmith merges them with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Architecture of the image. Default: the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<Arch>,
    /// Parameters: values that the command line and the environment can set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Param>,
    /// Values of parameters, each combination of which is an image of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<MatrixFile>,
    /// Packages, an image, a root tree, a container image, an installer or another recipe that the image starts from.
    pub base: BaseFile,
    /// Size and partitions of the disk.
    #[serde(default)]
    pub disk: Disk,
    /// Elements of the image. Their requirements decide their order, then the order of this list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "element_uses")]
    pub elements: Vec<ElementUse>,
    /// Packages to install besides those of the elements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// The recipe's own actions.
    #[serde(default, skip_serializing_if = "Steps::is_empty")]
    pub steps: Steps,
    /// The recipe's own checks, besides those of the elements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::element::schema::checks")]
    pub checks: Vec<Check>,
    /// How to verify the image: Goldsmith checks its disk and boots it as a cloud does. Without this key a build verifies
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Targets of `goldsmith publish` and `goldsmith build --publish`. No other command publishes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Target>,
    /// Secrets for the scripts of `run` actions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// Image files to make from the disk. Default: a qcow2 file compressed with zstd.
    #[serde(default = "default_outputs")]
    pub outputs: Vec<Output>,
    /// Further checksums of the outputs. Goldsmith always computes SHA-256.
    #[serde(default = "default_checksums", skip_serializing_if = "is_default_checksums")]
    pub checksums: Vec<Checksum>,
}

/// What an image starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Base", rename_all = "lowercase")]
pub enum BaseFile {
    /// The image starts from packages of a distribution's mirror.
    Bootstrap(Bootstrap),
    /// The image starts from an existing disk image: a file, or an official cloud image by its name, as `goldsmith bases` lists them.
    Image(ImageBase),
    /// The image starts from an image of an OpenStack cloud.
    Glance(GlanceSource),
    /// The image starts from a root tree, which has no kernel and no boot loader yet.
    Tree(TreeSource),
    /// The image starts from the files of a container image, which has no kernel and no boot loader yet.
    Container(ContainerSource),
    /// The image starts from the disk that an operating system's own installer makes, with an answer file.
    Installer(Box<InstallerSource>),
    /// The image starts from the disk that another recipe describes.
    Recipe(BaseRecipe),
}

/// What the lowest layer of an image is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// Packages of a distribution's mirror.
    Bootstrap(Bootstrap),
    /// A disk image.
    Image(ImageSource),
    /// An image of an OpenStack cloud.
    Glance(GlanceSource),
    /// A root tree.
    Tree(TreeSource),
    /// The files of a container image.
    Container(ContainerSource),
    /// The disk that an operating system's own installer makes.
    Installer(Box<Installer>),
}

/// A recipe whose disk another image starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaseRecipe {
    /// Path of the recipe, relative to this recipe.
    pub source: String,
    /// Values of its parameters. Options and variables set no parameters of a base recipe.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, serde_json::Value>,
}

/// A base made of packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bootstrap {
    /// Name or alias of the distribution.
    pub distro: String,
    /// Code name of the release: `bookworm`, `trixie`.
    pub release: String,
    /// URL of the mirror. Default: the mirror of the host's apt configuration, or else the distribution's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// URL of the mirror for security updates. Default: the mirror of the host's apt configuration, or else the distribution's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_mirror: Option<String>,
    /// Components of the archive. Default: the components in the distribution's data.
    #[serde(default)]
    pub components: Vec<String>,
    /// File with the keys that sign the repositories, relative to the recipe; only for distributions with apt. The image does not get
    /// it. If the distribution's data name fingerprints, no other key of the file counts. Default: the file in the distribution's data.
    #[serde(default, skip_serializing)]
    pub keyring: Option<String>,
    /// Accept repositories whose indexes have expired, as those of a snapshot mirror; only for distributions with apt. The list of
    /// repositories in the image accepts them too, because it names the same mirror. Whoever controls the mirror or the network can
    /// then hold back security updates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_expired: bool,
    /// Name of one of the recipe's `secrets`: a client certificate and its private key as PEM, by which the mirror knows who asks, such
    /// as an entitlement of RHEL; only for distributions with dnf. Neither the image nor the cache gets it.
    #[serde(default, skip_serializing)]
    pub client_certificate: Option<String>,
    /// File with the certificates of the authorities that vouch for the mirror, relative to the recipe; only for distributions with dnf.
    /// Default: the authorities that this machine trusts.
    #[serde(default, skip_serializing)]
    pub certificate_authority: Option<String>,
}

/// A disk image to start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum ImageBase {
    /// Name of an official cloud image: `debian-12`, `ubuntu-24.04`. The data of distributions give its URL, its list of checksums, and
    /// the key that has signed the list.
    Named(String),
    /// A file.
    File(ImageSource),
}

impl<'de> Deserialize<'de> for ImageBase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = ImageBase;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a cloud image, or `{ source: ..., sha256: ... }`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<ImageBase, E> {
                Ok(ImageBase::Named(name.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ImageBase, A::Error> {
                ImageSource::deserialize(de::value::MapAccessDeserializer::new(map)).map(ImageBase::File)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A base that is a disk image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageSource {
    /// An `http://` or `https://` URL, or a path relative to the recipe.
    pub source: String,
    /// SHA-256 of the file in hexadecimal, or the URL or path of a list of checksums. If the list has no SHA-256 of the file, its
    /// SHA-512 counts. A list named as the file with an extension needs no name in it.
    pub sha256: String,
    /// File with the OpenPGP or minisign public key that must have signed the list of checksums, relative to the recipe.
    /// The signature is in the list itself, or in a file beside it: `.asc`, `.gpg`, `.sign`, `.sig`, `.minisig`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Fingerprints of the OpenPGP keys in that file that may have signed. No other key of the file counts. Without fingerprints every
    /// key of the file counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
    /// Allow `http://` for a list of checksums without a signature, and for a login from `.netrc`. Anybody on the way can change
    /// such a list and read such a login.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// Package of the host that contains the key of a named image.
    #[serde(skip)]
    pub key_package: Option<String>,
}

/// A base that is a root tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TreeSource {
    /// A tar archive, plain or packed with gzip, xz or zstd: an `http://` or `https://` URL, or a path relative to the recipe. Or the path
    /// of a directory.
    pub source: String,
    /// SHA-256 of the archive in hexadecimal, or the URL or path of a `SHA256SUMS` file that lists it. A directory has none: Goldsmith
    /// computes the digest of its content at each build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// File with the public key that must have signed the list of checksums, as for an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Allow `http://` for a list of checksums without a signature, and for a login from `.netrc`, as for an image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// A base that is the files of a container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ContainerSource {
    /// Name of the image: `docker://HOST/NAME:TAG` or `docker://HOST/NAME@sha256:DIGEST` in a registry, `oci:DIRECTORY:TAG` in a directory
    /// with OCI layout, `docker-archive:FILE` in a file of `docker save`. Paths are relative to the recipe.
    pub source: String,
    /// Allow `http://` to a registry that is not on this host. Anybody on the way can change what a tag means, and read logins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

impl ContainerSource {
    /// Makes a relative path begin in a folder. A name that cannot be read stays as it is: it was reported.
    pub(super) fn move_below(&mut self, folder: &std::path::Path) {
        if let Ok(reference) = Reference::parse(&self.source)
            && !matches!(reference, Reference::Registry { .. })
        {
            self.source = reference.below(folder).to_string();
        }
    }
}

impl TreeSource {
    /// Returns the archive as a file with a digest; `None` for a directory.
    pub fn file(&self) -> Option<ImageSource> {
        let Self { source, sha256, signed_by, insecure } = self.clone();
        let (fingerprints, key_package) = (Vec::new(), None);
        Some(ImageSource { source, sha256: sha256?, signed_by, fingerprints, insecure, key_package })
    }
}

/// The disk of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// Virtual size. Goldsmith grows a smaller base image to this size, with its root file system if nothing lies behind it.
    pub size: ByteSize,
    /// Firmware that a bootstrapped disk boots under, which decides its partitions. A base image keeps its partitions. Default:
    /// `bios+uefi`, for aarch64 `uefi`.
    pub layout: Layout,
    /// Partition table of a bootstrapped disk with `partitions`.
    #[serde(skip_serializing_if = "Table::is_gpt")]
    pub table: Table,
    /// Partitions of a bootstrapped disk in their order, in place of those of `layout`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Partition>,
}

impl Default for Disk {
    fn default() -> Self {
        let (table, partitions) = (Table::Gpt, Vec::new());
        Self { size: ByteSize::mebibytes(3 * 1024), layout: Layout::BiosUefi, table, partitions }
    }
}

fn default_checksums() -> Vec<Checksum> {
    vec![Checksum::Sha256]
}

fn is_default_checksums(checksums: &[Checksum]) -> bool {
    checksums == [Checksum::Sha256]
}

fn default_outputs() -> Vec<Output> {
    vec![Output::new(Format::Qcow2)]
}

/// Schema of the element list: `- name` or `- name: { parameter: value }`, the latter with a condition at will.
fn element_uses(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "items": { "anyOf": [
            { "type": "string" },
            {
                "type": "object",
                "properties": { "when": { "type": ["string", "boolean"] } },
                "additionalProperties": { "type": ["object", "null"] },
                "minProperties": 1,
                "if": { "required": ["when"] },
                "then": { "minProperties": 2, "maxProperties": 2 },
                "else": { "maxProperties": 1 }
            }
        ] }
    })
}
