//! The documents of a container image, as far as they are needed here: OCI Image Format Specification 1.1 (`descriptor.md`,
//! `image-index.md`, `manifest.md`, `config.md`, `image-layout.md`) and Docker's Image Manifest Version 2, Schema 2.
//!
//! The crate `oci-spec` has types for all of the specifications, with builders and setters; these few fields need a tenth of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::ContainerError;
use crate::digest::Sha256;
use crate::vocabulary::Arch;

/// Largest document, in bytes: the distribution specification asks registries to take manifests of 4 MiB.
pub(super) const LIMIT: u64 = 4 << 20;

/// Most layers of an image. Union file systems allow a few hundred.
const LAYERS: usize = 500;

/// Media types of lists of images.
pub(super) const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// Media types of images.
pub(super) const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// Media types of the configuration of an image.
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// Media types of layers.
const LAYER_TYPES: [&str; 5] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

/// Annotation with the name of an image in a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A reference to a document or a layer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    digest: String,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// The system that an image is for.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Platform {
    pub(super) architecture: String,
    pub(super) os: String,
}

/// A list of images.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    pub(super) manifests: Vec<Descriptor>,
}

/// An image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    #[serde(default)]
    pub(super) media_type: Option<String>,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

/// The configuration of an image.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub(super) architecture: String,
    pub(super) os: String,
    pub(super) rootfs: RootFs,
}

/// The layers of an image.
#[derive(Debug, Deserialize)]
pub(super) struct RootFs {
    /// Digests of the unpacked layers, the lowest first.
    pub(super) diff_ids: Vec<String>,
}

impl Descriptor {
    /// Returns the digest. Other algorithms than SHA-256 are allowed by the specification, and used by nobody.
    pub(super) fn sha256(&self, image: &str) -> Result<Sha256, ContainerError> {
        sha256(&self.digest).ok_or_else(|| {
            ContainerError::part("a part", image, format!("has the digest `{}`, which is no SHA-256", self.digest))
        })
    }

    /// Returns the name of the image in a layout.
    pub(super) fn name(&self) -> Option<&str> {
        self.annotations.get(REF_NAME).map(String::as_str)
    }

    pub(super) fn is_index(&self) -> bool {
        INDEXES.contains(&self.media_type.as_str())
    }

    pub(super) fn is_manifest(&self) -> bool {
        MANIFESTS.contains(&self.media_type.as_str())
    }
}

/// Reads a digest: `sha256:` and 64 lowercase hexadecimal digits.
pub(super) fn sha256(text: &str) -> Option<Sha256> {
    let hex = text.strip_prefix("sha256:")?;
    let good = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    Sha256::parse(hex).filter(|_| good)
}

/// Returns the name of an architecture in images, which is Go's.
pub(super) fn arch_name(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
    }
}

/// Reads a document.
pub(super) fn read<'d, T: Deserialize<'d>>(bytes: &'d [u8], part: &str, image: &str) -> Result<T, ContainerError> {
    serde_json::from_slice(bytes).map_err(|error| ContainerError::part(part, image, format!("cannot be read: {error}")))
}

impl Index {
    /// Returns the image for an architecture.
    pub(super) fn choose(&self, arch: Arch, image: &str) -> Result<&Descriptor, ContainerError> {
        let images = || self.manifests.iter().filter(|one| one.is_manifest());
        let is_for = |one: &&Descriptor| {
            one.platform.as_ref().is_some_and(|it| it.os == "linux" && it.architecture == arch_name(arch))
        };
        images().find(is_for).ok_or_else(|| ContainerError::NoArch {
            image: image.to_owned(),
            wanted: format!("linux/{}", arch_name(arch)),
            known: images().filter_map(|one| one.platform.as_ref()).map(Platform::shown).collect(),
        })
    }
}

impl Platform {
    fn shown(&self) -> String {
        crate::text::printable(format!("{}/{}", self.os, self.architecture).as_bytes())
    }
}

impl Manifest {
    /// Checks that the parts of the image are of kinds that are understood.
    pub(super) fn check(&self, image: &str) -> Result<(), ContainerError> {
        let wrong = |part: &str, found: &str| {
            Err(ContainerError::part(
                part,
                image,
                format!("has the media type `{found}`, which is not that of a container image"),
            ))
        };
        if let Some(found) = self.media_type.as_deref().filter(|found| !MANIFESTS.contains(found)) {
            return wrong("the manifest", found);
        }
        if !CONFIGS.contains(&self.config.media_type.as_str()) {
            return wrong("the configuration", &self.config.media_type);
        }
        if let Some(layer) = self.layers.iter().find(|layer| !LAYER_TYPES.contains(&layer.media_type.as_str())) {
            return wrong("a layer", &layer.media_type);
        }
        if self.layers.is_empty() || self.layers.len() > LAYERS {
            let reason = format!("has {} layers, and an image has between 1 and {LAYERS}", self.layers.len());
            return Err(ContainerError::part("the manifest", image, reason));
        }
        Ok(())
    }
}

impl Config {
    /// Checks that the image is for an architecture.
    pub(super) fn check(&self, arch: Arch, image: &str) -> Result<(), ContainerError> {
        if self.os == "linux" && self.architecture == arch_name(arch) {
            return Ok(());
        }
        let found = Platform { architecture: self.architecture.clone(), os: self.os.clone() };
        let wanted = format!("linux/{}", arch_name(arch));
        Err(ContainerError::NoArch { image: image.to_owned(), wanted, known: vec![found.shown()] })
    }
}
