//! The facts about a distribution for one image: for its release and its architecture.

use std::collections::BTreeMap;

use serde::Serialize;

use super::library::Distribution;
use super::mechanism::Mechanisms;
use super::schema::{Bootstrap, PerArch, Release};
use crate::recipe::Arch;
use crate::vocabulary::Distro;

/// The facts about the operating system of an image. Templates see them as `os`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Os {
    /// Name of the distribution.
    pub name: String,
    /// Name of the distribution for people.
    pub title: String,
    /// Family of the distribution.
    pub family: String,
    /// File that has these facts.
    pub file: String,
    /// User that cloud-init makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Mechanisms of the distribution.
    pub mechanisms: Mechanisms,
    /// Packages, by purpose.
    pub packages: BTreeMap<String, Vec<String>>,
    /// Paths, by purpose.
    pub paths: BTreeMap<String, String>,
    /// Units, by purpose.
    pub units: BTreeMap<String, String>,
    /// Data for bootstrapping the distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
}

impl Distribution {
    /// Returns the release that the file lists last; if it lists none, `unknown` without a number.
    pub(crate) fn newest(&self) -> Distro {
        let (release, version) = match self.file.releases.last() {
            Some(release) => (release.name.clone(), release.version.clone()),
            None => ("unknown".to_owned(), String::new()),
        };
        self.named(release, version)
    }

    /// Returns a release of the distribution, as elements see it.
    pub fn named(&self, release: String, version: String) -> Distro {
        Distro { name: self.file.name.clone(), release, version, family: self.family.clone() }
    }

    /// Returns the facts for a release and an architecture. A release that the file does not list has the facts of all releases.
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
            bootstrap: self
                .file
                .bootstrap
                .as_ref()
                .map(|how| how.of(&distro.release, release.map_or(&[][..], |it| &it.suites), arch)),
        }
    }
}

impl Release {
    /// Returns whether an image with this release name or version has this release. A version includes those that begin with
    /// it: `9` includes `9.4`.
    fn is(&self, name: &str, version: &str) -> bool {
        let within =
            || version.strip_prefix(&self.version).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.name == name || within()
    }
}

fn chosen<T: Clone>(values: &BTreeMap<String, PerArch<T>>, arch: Arch) -> BTreeMap<String, T> {
    values.iter().filter_map(|(name, value)| Some((name.clone(), value.get(arch)?.clone()))).collect()
}
