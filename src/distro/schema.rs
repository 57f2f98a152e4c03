//! `distro.yaml` as written.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, MapAccess, SeqAccess};
use serde::{Deserialize, Serialize};

use super::mechanism::NamedMechanisms;
use crate::recipe::Arch;

/// A distribution: what differs between it and others, as data.
///
/// Templates of recipes and elements see it as `os`: `os.packages.NAME` (a list), `os.paths.NAME`, `os.units.NAME`,
/// `os.mechanisms.NAME`, `os.name`, `os.title`, `os.family` and `os.user`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DistroFile {
    /// Name, the same as the distribution's directory; templates see it as `distro`.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Other names: those that os-release has as `ID`, and that libguestfs has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Distribution from which it has whatever this file does not say, but for `aliases`, `releases`, `bootstrap` and `notes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// Family: distributions that mostly have the same packages. Elements can name it in `packages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// What people must know of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Architectures that it is made for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<Arch>,
    /// User that cloud-init makes if nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Releases. An image may hold another one, too; what can be bootstrapped is listed here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<Release>,
    /// How it is made of packages. Without this it is a base as an image only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
    /// Which of the ways that this program knows it has to do things.
    #[serde(default)]
    pub mechanisms: NamedMechanisms,
    /// Packages by what they are for: letters, digits and `_` name it. A list, or a list for each architecture.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, PerArch<Vec<String>>>,
    /// Absolute paths in the image by what they are for. A path, or a path for each architecture.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, PerArch<String>>,
    /// systemd units by what they are for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
}

/// A release of a distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Code name, or the version where there is none.
    pub name: String,
    /// Version number.
    pub version: String,
    /// Day on which its makers' own security updates end: `2028-08-09`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Packages that are others in this release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, PerArch<Vec<String>>>,
    /// Paths that are others in this release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, PerArch<String>>,
    /// Units that are others in this release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
    /// Mechanisms that are others in this release.
    #[serde(default)]
    pub mechanisms: NamedMechanisms,
}

/// How a distribution is made of packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bootstrap {
    /// The program that does it.
    pub tool: Tool,
    /// What its repositories have as `Origin`, by which the mirrors of a host that runs it are known.
    pub origin: String,
    /// Last parts of the URLs of its mirrors, by which they are known before the host's package manager has looked.
    pub directories: Vec<String>,
    /// Keys that sign its repositories.
    pub keyring: Keyring,
    /// Suites of a release on the mirror; `RELEASE` is its name.
    pub suites: Vec<String>,
    /// Suites of a release on the mirror for security updates.
    #[serde(default)]
    pub security_suites: Vec<String>,
    /// Components that are used if the recipe names none.
    pub components: Vec<String>,
    /// Mirrors for recipes that name none, on hosts that have none of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mirrors: BTreeMap<Arch, Mirrors>,
}

/// A program that makes a tree of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// `mmdebstrap`, for repositories of Debian's form.
    Mmdebstrap,
}

/// A file of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keyring {
    /// Its path, on the host as in the image.
    pub file: String,
    /// Package of the host that brings it.
    pub package: String,
}

/// Mirrors of a distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mirrors {
    /// Base URL of the main archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<String>,
    /// Base URL of the archive of security updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<String>,
}

impl Mirrors {
    /// These, and those of another where these have none.
    pub fn or(self, other: Self) -> Self {
        Self { main: self.main.or(other.main), security: self.security.or(other.security) }
    }
}

impl Bootstrap {
    /// The mirrors for an architecture; none for one that the file names none for.
    pub fn mirrors(&self, arch: Arch) -> Mirrors {
        self.mirrors.get(&arch).cloned().unwrap_or_default()
    }
}

/// A value, or one for each architecture that has it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PerArch<T> {
    /// The same for all.
    All(T),
    /// By architecture.
    Each(BTreeMap<Arch, T>),
}

impl<T> PerArch<T> {
    /// The value for an architecture.
    pub fn get(&self, arch: Arch) -> Option<&T> {
        match self {
            Self::All(value) => Some(value),
            Self::Each(values) => values.get(&arch),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PerArch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = PerArch<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, or a map from architectures to values")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(StrDeserializer::new(text)).map(PerArch::All)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                T::deserialize(SeqAccessDeserializer::new(list)).map(PerArch::All)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(PerArch::Each)
            }
        }
        deserializer.deserialize_any(Visitor(PhantomData))
    }
}
