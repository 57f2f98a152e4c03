//! The format of `distro.yaml`: the types that its YAML is decoded to.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, MapAccess, SeqAccess};
use serde::{Deserialize, Serialize};

use super::mechanism::NamedMechanisms;
use crate::recipe::Arch;

/// A distribution: the facts in which it differs from others, as data.
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
    /// Other names: `ID` in os-release, and the names of libguestfs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Distribution that supplies the keys that this file lacks, except `aliases`, `releases`, `bootstrap`, `images` and `notes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// Family: distributions that mostly have the same packages. Elements can name it in `packages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Remarks for users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Architectures of the distribution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<Arch>,
    /// User that cloud-init makes by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Releases: those that can be bootstrapped, and those with facts of their own. An image may have another one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<Release>,
    /// Data for bootstrapping. Without this key only images of the distribution can be bases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
    /// Official cloud images, which recipes can name as their base.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<CloudImages>,
    /// Mechanisms: the ways in which the distribution does things, of those that Goldsmith knows.
    #[serde(default)]
    pub mechanisms: NamedMechanisms,
    /// Packages by purpose, which is a name of letters, digits and `_`. A list, or a list for each architecture.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, PerArch<Vec<String>>>,
    /// Absolute paths in the image by purpose. A path, or a path for each architecture.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, PerArch<String>>,
    /// systemd units by purpose.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
}

/// A release of a distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Code name, or the version if there is none.
    pub name: String,
    /// Version number.
    pub version: String,
    /// Day on which the distribution's own security updates end: `2028-08-09`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Whether the distribution still works on it. New recipes begin with a release that is out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreleased: bool,
    /// Suites of this release, if they are others than those of `bootstrap`; it then has none for security updates besides them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<String>,
    /// Packages that differ in this release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, PerArch<Vec<String>>>,
    /// Paths that differ in this release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, PerArch<String>>,
    /// Units that differ in this release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
    /// Mechanisms that differ in this release.
    #[serde(default)]
    pub mechanisms: NamedMechanisms,
}

/// The data for bootstrapping a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bootstrap {
    /// Program that bootstraps it.
    pub tool: Tool,
    /// Value of `Origin` in its repositories, which identifies its mirrors on a host that runs it.
    pub origin: String,
    /// Last parts of its mirrors' URLs, which identify mirrors before the host's package manager has read them.
    pub directories: Vec<String>,
    /// Keys that sign its repositories.
    pub keyring: Keyring,
    /// Suites of a release on the mirror; `RELEASE` stands for its name. For dnf, zypper and apk, they are directories of repositories, and
    /// `ARCH` stands for the architecture, as rpm names it. For pacman, they are names of repositories.
    pub suites: Vec<String>,
    /// Suites of a release on the mirror for security updates.
    #[serde(default)]
    pub security_suites: Vec<String>,
    /// Components that are used if the recipe names none; none for other tools than
    /// mmdebstrap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Packages that every tree has, besides those that the tool always installs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Directory of rpm's database in the image, for dnf and zypper: rpm on other hosts has another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Mirrors for recipes that name none, on hosts that have none of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mirrors: BTreeMap<Arch, Mirrors>,
}

/// Official cloud images of some releases of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudImages {
    /// Names of the releases.
    pub releases: Vec<String>,
    /// URL of the newest image. `RELEASE` stands for the name of the release, `VERSION` for its version number, and `ARCH` for the
    /// architecture.
    pub source: String,
    /// Name of the list of checksums, in the same directory. `FILE` stands for the name of the image, and `ARCH` for the architecture.
    pub checksums: String,
    /// What stands for `ARCH`. Default: rpm's name, for each architecture of the distribution.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub architectures: BTreeMap<Arch, String>,
    /// Keys that sign the list of checksums. Without them the list has no signature, and https alone protects it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyring: Option<Keyring>,
}

/// A program that makes a tree of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// `mmdebstrap`, for repositories of Debian's form.
    Mmdebstrap,
    /// `dnf`, for repositories of rpm's form.
    Dnf,
    /// `zypper`, for repositories of rpm's form.
    Zypper,
    /// `apk`, for repositories of Alpine's form.
    Apk,
    /// `pacman`, for repositories of Arch Linux's form.
    Pacman,
}

impl Tool {
    /// Returns the name of the program.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mmdebstrap => "mmdebstrap",
            Self::Dnf => "dnf",
            Self::Zypper => "zypper",
            Self::Apk => "apk",
            Self::Pacman => "pacman",
        }
    }

    /// Returns the name of a repository's index, whose digest pins the repository. pacman's has the name of the repository.
    pub const fn index(self) -> &'static str {
        match self {
            Self::Mmdebstrap => "InRelease",
            Self::Dnf | Self::Zypper => "repomd.xml",
            Self::Apk => "APKINDEX.tar.gz",
            Self::Pacman => "database",
        }
    }
}

/// A file of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keyring {
    /// Path of the file on the host, and in images whose package manager is apt; for apk, of a directory with files of keys; for pacman,
    /// of a file `NAME.gpg` beside `NAME-trusted` and `NAME-revoked`. `RELEASE` stands for the name of the release, and `ARCH` for the
    /// architecture.
    pub file: String,
    /// Package of the host that contains the file.
    pub package: String,
    /// Fingerprints of the keys in the file that may have signed the repositories during a bootstrap, for mmdebstrap, or the checksums of
    /// images. No other key of the file counts. Without fingerprints every key of the file counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
    /// URL of a directory with the package, for hosts whose distribution does not have it. Goldsmith only prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<String>,
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
    /// Returns these mirrors, with those of `other` for missing ones.
    pub fn or(self, other: Self) -> Self {
        Self { main: self.main.or(other.main), security: self.security.or(other.security) }
    }
}

impl Bootstrap {
    /// Returns the data for a release and an architecture, with their names in place of `RELEASE` and `ARCH`. `own` are suites that
    /// the release has instead of all of these.
    pub fn of(&self, release: &str, own: &[String], arch: Arch) -> Self {
        let named = |text: &String| text.replace("RELEASE", release).replace("ARCH", arch.name());
        Self {
            keyring: Keyring { file: named(&self.keyring.file), ..self.keyring.clone() },
            suites: if own.is_empty() { &self.suites } else { own }.iter().map(named).collect(),
            security_suites: self.security_suites.iter().filter(|_| own.is_empty()).map(named).collect(),
            ..self.clone()
        }
    }

    /// Returns the mirrors for an architecture; none if the file names none for it.
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
    /// Returns the value for an architecture.
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
