//! A distribution as one image has it: for a release and an architecture.

use std::collections::BTreeMap;

use serde::Serialize;

use super::library::Distribution;
use super::mechanism::Mechanisms;
use super::schema::{Bootstrap, PerArch, Release};
use crate::recipe::Arch;
use crate::vocabulary::Distro;

/// What is known of the operating system of an image. Templates see it as `os`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Os {
    /// Name of the distribution.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Its family.
    pub family: String,
    /// File that all this is from.
    pub file: String,
    /// User that cloud-init makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How things are done there.
    pub mechanisms: Mechanisms,
    /// Packages by what they are for.
    pub packages: BTreeMap<String, Vec<String>>,
    /// Paths by what they are for.
    pub paths: BTreeMap<String, String>,
    /// Units by what they are for.
    pub units: BTreeMap<String, String>,
    /// How it is made of packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
}

impl Distribution {
    /// The release that its file lists last, or one without a number.
    pub(crate) fn newest(&self) -> Distro {
        let (release, version) = match self.file.releases.last() {
            Some(release) => (release.name.clone(), release.version.clone()),
            None => ("unknown".to_owned(), String::new()),
        };
        self.named(release, version)
    }

    /// A release of it, in the terms of elements.
    pub fn named(&self, release: String, version: String) -> Distro {
        Distro { name: self.file.name.clone(), release, version, family: self.family.clone() }
    }

    /// What is known of it for a release and an architecture. A release that its file does not list has what all have.
    pub fn os(&self, distro: &Distro, arch: Arch) -> Os {
        let release = self.file.releases.iter().find(|release| release.is(&distro.release, &distro.version));
        let mut packages = chosen(&self.file.packages, arch);
        let mut paths = chosen(&self.file.paths, arch);
        let mut units = self.file.units.clone();
        let mut mechanisms = self.mechanisms;
        if let Some(release) = release {
            packages.extend(chosen(&release.packages, arch));
            paths.extend(chosen(&release.paths, arch));
            units.extend(release.units.clone());
            mechanisms = release.mechanisms.or(mechanisms.into()).complete().unwrap_or(mechanisms);
        }
        Os {
            name: self.file.name.clone(),
            title: self.file.title.clone(),
            family: self.family.clone(),
            file: self.source.name().to_owned(),
            user: self.file.user.clone(),
            mechanisms,
            packages,
            paths,
            units,
            bootstrap: self.file.bootstrap.clone(),
        }
    }
}

impl Release {
    /// Whether an image that calls its release so has this one. A version stands for those that begin with it: `9` for `9.4`.
    fn is(&self, name: &str, version: &str) -> bool {
        let within =
            || version.strip_prefix(&self.version).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.name == name || within()
    }
}

fn chosen<T: Clone>(values: &BTreeMap<String, PerArch<T>>, arch: Arch) -> BTreeMap<String, T> {
    values.iter().filter_map(|(name, value)| Some((name.clone(), value.get(arch)?.clone()))).collect()
}
