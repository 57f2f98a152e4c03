//! Official cloud images, by the names under which recipes and `goldsmith bases` know them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::library::Distros;
use super::schema::Keyring;
use crate::vocabulary::Arch;

/// An official cloud image of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudImage {
    /// Name: the distribution and the version, as in `debian-12`.
    pub name: String,
    /// The same with the name of the release, as in `debian-bookworm`, if that is another name.
    pub alias: Option<String>,
    /// The distribution and the version, for people.
    pub title: String,
    /// URLs of the image by architecture.
    pub files: BTreeMap<Arch, CloudFile>,
    /// Keys that sign the lists of checksums.
    pub keyring: Option<Keyring>,
}

/// The file of a cloud image for an architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CloudFile {
    /// URL of the image.
    pub source: String,
    /// URL of the list of checksums.
    pub checksums: String,
}

impl Distros {
    /// Returns the cloud images that are known, by distribution and in the order of its releases.
    pub fn cloud_images(&self) -> Vec<CloudImage> {
        let mut all = Vec::new();
        for one in self.iter() {
            for release in &one.file.releases {
                let images = one.file.images.iter().filter(|images| images.releases.contains(&release.name));
                all.extend(images.map(|images| {
                    let place = |text: &str, arch: &str| {
                        let text = text.replace("RELEASE", &release.name).replace("VERSION", &release.version);
                        text.replace("ARCH", arch)
                    };
                    let names: BTreeMap<Arch, String> = match images.architectures.is_empty() {
                        true => one.file.architectures.iter().map(|arch| (*arch, arch.name().to_owned())).collect(),
                        false => images.architectures.clone(),
                    };
                    let files = names.iter().map(|(arch, name)| {
                        let source = place(&images.source, name);
                        let (directory, file) = source.rsplit_once('/').unwrap_or(("", &source));
                        let checksums = place(&images.checksums, name).replace("FILE", file);
                        (*arch, CloudFile { checksums: format!("{directory}/{checksums}"), source })
                    });
                    let files = files.collect();
                    let keyring = images.keyring.clone().map(|keyring| {
                        let file = keyring.file.replace("RELEASE", &release.name).replace("VERSION", &release.version);
                        Keyring { file, ..keyring }
                    });
                    let named = |version: &str| format!("{}-{version}", one.file.name);
                    CloudImage {
                        name: named(&release.version),
                        alias: (release.name != release.version).then(|| named(&release.name)),
                        title: format!("{} {}", one.file.title, release.version),
                        files,
                        keyring,
                    }
                }));
            }
        }
        all
    }

    /// Returns the cloud image with a name or an alias.
    pub fn cloud_image(&self, name: &str) -> Option<CloudImage> {
        self.cloud_images().into_iter().find(|image| image.name == name || image.alias.as_deref() == Some(name))
    }
}
