//! What a recipe says about publishing its image.

mod trees;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::delivery::{self, Elsewhere, Import};
use super::schema::SecretSource;
use super::scs::Scs;
use crate::image::{Format, Output};
pub use trees::{ChecksumKeys, Directory, S3, key_id};

/// Beginning of the names of properties that are the image service's own.
pub const RESERVED: &str = "os_glance";

/// Beginning of the names of properties by which published images are found again.
pub const OWN: &str = "goldsmith_";

/// What an image has at the service besides properties: Image Service API v2, "Show image".
pub const ATTRIBUTES: [&str; 25] = [
    "checksum",
    "container_format",
    "created_at",
    "direct_url",
    "disk_format",
    "file",
    "id",
    "locations",
    "min_disk",
    "min_ram",
    "name",
    "os_hash_algo",
    "os_hash_value",
    "os_hidden",
    "owner",
    "protected",
    "schema",
    "self",
    "size",
    "status",
    "stores",
    "tags",
    "updated_at",
    "virtual_size",
    "visibility",
];

/// Most characters of a name: the service's database has room for no more.
const LIMIT: usize = 255;

/// A place that the image is handed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The image service of an OpenStack cloud.
    Glance(Box<Glance>),
    /// A directory: a web server's, or one that others mount.
    Directory(Directory),
    /// A bucket of an object store.
    S3(S3),
}

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

/// Something that is wrong with what is said about publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The keys that lead to it, below the target's own.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Target {
    /// Its word in recipes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Glance(_) => "glance",
            Self::Directory(_) => "directory",
            Self::S3(_) => "s3",
        }
    }

    /// What is wrong with it, for an image with these outputs, as far as they are known.
    pub fn faults(&self, outputs: Option<&[Output]>) -> Vec<Fault> {
        match self {
            Self::Glance(glance) => glance.faults(outputs),
            Self::Directory(directory) => directory.faults(outputs),
            Self::S3(s3) => s3.faults(outputs),
        }
    }

    /// With the paths that are relative to the recipe, whose directory this is.
    #[must_use]
    pub fn below(self, dir: &Path) -> Self {
        match self {
            Self::Glance(glance) => Self::Glance(Box::new(glance.below(dir))),
            Self::Directory(directory) => Self::Directory(directory.below(dir)),
            Self::S3(s3) => Self::S3(s3.below(dir)),
        }
    }

    /// Whether both are the same place, so that each would take its images for the other's.
    pub fn same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Glance(one), Self::Glance(other)) => {
                (&one.cloud, &one.region, one.format) == (&other.cloud, &other.region, other.format)
            }
            (Self::Directory(one), Self::Directory(other)) => one.path == other.path,
            (Self::S3(one), Self::S3(other)) => {
                (one.endpoint(), &one.bucket, &one.prefix) == (other.endpoint(), &other.bucket, &other.prefix)
            }
            _ => false,
        }
    }
}

impl Glance {
    /// With paths that are relative to a directory.
    fn below(mut self, dir: &Path) -> Self {
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

    fn faults(&self, outputs: Option<&[Output]>) -> Vec<Fault> {
        let mut faults = delivery::faults(self);
        let mut add = |path: &[&str], message: String, help: &str| {
            let path = path.iter().map(|key| (*key).to_owned()).collect();
            faults.push(Fault { path, message, help: help.to_owned() });
        };
        if let Some(Err(message)) = self.name.as_deref().map(|name| dated(name, Timestamp::UNIX_EPOCH)) {
            add(&["name"], message, "`%Y%m%d` is a date, `%%` a percent sign");
        }
        if let Some((format, outputs)) = self.format.zip(outputs)
            && outputs.iter().all(|output| output.format != format)
        {
            add(
                &["format"],
                format!("no output is a {} file", format.name()),
                "add it to `outputs`, or leave this out",
            );
        }
        for name in self.properties.keys() {
            if let Err(error) = property(name) {
                add(&["properties", name], error.to_string(), "`goldsmith images metadefs` shows what clouds know");
            }
        }
        if let Some(Sign { certificate: Certificate::Id(id), .. }) = &self.sign
            && uuid::Uuid::try_parse(id).is_err()
        {
            let message = format!("`{id}` is no id of a key manager: a UUID is one");
            add(&["sign", "certificate", "id"], message, "`file: PATH` names a certificate in PEM");
        }
        for (key, message) in self.scs.iter().flat_map(|scs| scs.faults(self.keep)) {
            add(&["scs", key], message, "SCS-0102 \"Image Metadata\" has the words");
        }
        if self.keep == Some(0) {
            let message = "at least one image stays: the one that is published".to_owned();
            add(&["keep"], message, "leave it out to keep all");
        }
        if let Some(promote) = &self.promote {
            if promote.tag.trim().is_empty() {
                add(&["promote", "tag"], "the promoted image needs a tag".to_owned(), "leave it out for `promoted`");
            }
            if self.tags.contains(&promote.tag) {
                let message = format!("every image gets the tag `{}`, not only the promoted one", promote.tag);
                add(&["tags"], message, "remove it here: promoting adds it");
            }
            if self.hidden {
                let message = "what is promoted is shown".to_owned();
                add(&["hidden"], message, "leave it out: an image is hidden until it is promoted");
            }
        }
        faults
    }
}

/// A name with the time in it, as strftime writes it; at most 255 characters.
///
/// # Errors
///
/// What is wrong with it, as a sentence.
pub fn dated(name: &str, made: Timestamp) -> Result<String, String> {
    let time = jiff::fmt::strtime::BrokenDownTime::from(made);
    let dated = time.to_string(name).map_err(|error| format!("`{name}` cannot be a name: {error}"))?;
    match dated.chars().count() {
        0 => Err("a name is missing here".to_owned()),
        1..=LIMIT => Ok(dated),
        count => Err(format!("a name has at most {LIMIT} characters, and this has {count}")),
    }
}

/// A property that no service takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the property `{name}` {reason}")]
pub struct PropertyError {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Whether somebody may give an image a property of this name.
///
/// # Errors
///
/// Why not.
pub fn property(name: &str) -> Result<(), PropertyError> {
    let reason = if name.starts_with(RESERVED) {
        "is the service's own: names that begin with `os_glance` are reserved"
    } else if name.starts_with(OWN) {
        "is set by goldsmith itself, which finds its images by it"
    } else if ATTRIBUTES.contains(&name) {
        "is no property but an attribute, which the service or an option sets"
    } else if name.chars().count() > LIMIT {
        "has a name of more than 255 characters"
    } else {
        return Ok(());
    };
    Err(PropertyError { name: name.to_owned(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_property_is_refused() {
        let longest = "n".repeat(LIMIT + 1);
        for name in ["os_glance_stores", "min_disk", "status", "goldsmith_image", &longest] {
            assert!(property(name).is_err(), "{name}");
        }
        assert_eq!(property("os_distro"), Ok(()));
    }

    #[test]
    fn names_may_hold_the_time() {
        let made = "2026-11-21T19:05:06Z".parse().expect("a time");
        assert_eq!(dated("Debian 12 %Y-%m-%d 100%%", made), Ok("Debian 12 2026-11-21 100%".to_owned()));
        for name in ["", "%", "%!", &"n".repeat(256)] {
            assert!(dated(name, made).is_err(), "{name}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        let good = Glance { promote: Some(Promote::default()), keep: Some(1), ..Glance::default() };
        let outputs = [Output::new(Format::Qcow2)];
        let told = |glance: &Glance| -> Vec<String> {
            glance.faults(Some(&outputs)).into_iter().map(|fault| fault.path.join(".")).collect()
        };
        assert_eq!(told(&good), [""; 0]);
        let sign = Sign {
            key: SecretSource::Env("KEY".to_owned()),
            certificate: Certificate::Id("mine".to_owned()),
            hash: Hash::default(),
        };
        let properties = BTreeMap::from([("size".to_owned(), "3".to_owned())]);
        for (glance, place) in [
            (Glance { keep: Some(0), ..good.clone() }, "keep"),
            (Glance { hidden: true, ..good.clone() }, "hidden"),
            (Glance { sign: Some(sign), ..good.clone() }, "sign.certificate.id"),
            (Glance { name: Some("%".to_owned()), ..good.clone() }, "name"),
            (Glance { format: Some(Format::Vmdk), ..good.clone() }, "format"),
            (Glance { tags: vec!["promoted".to_owned()], ..good.clone() }, "tags"),
            (Glance { properties, ..good.clone() }, "properties.size"),
            (
                Glance { promote: Some(Promote { tag: " ".to_owned(), ..Promote::default() }), ..good.clone() },
                "promote.tag",
            ),
        ] {
            assert_eq!(told(&glance), [place]);
        }
    }
}
