//! The way from the name of a container image to its layers in the cache.

use std::path::PathBuf;

use super::archive::Archive;
use super::blobs::{self, Blobs, document, file};
use super::error::ContainerError;
use super::layout::Layout;
use super::registry::Registry;
use super::spec::{self, Config, Descriptor, Index, Manifest};
use crate::digest::Sha256;
use crate::fetch::image::Means;
use crate::fetch::image_error::ImageError;
use crate::fetch::limited::readable_file;
use crate::fetch::pins::{self, PinPolicy};
use crate::recipe::{ContainerSource, Reference};
use crate::vocabulary::Arch;

/// A container image in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The digest of its manifest for the architecture; for an archive, that of its configuration.
    pub sha256: Sha256,
    /// Its layers, the lowest first.
    pub layers: Vec<PathBuf>,
}

/// Fetches the image for an architecture into the cache, unless it is there. A tag counts for as long as other pins.
///
/// # Errors
///
/// If the image is not there, or a part of it is not what its digest and size say.
pub fn fetch(
    source: &ContainerSource,
    arch: Arch,
    policy: &PinPolicy,
    means: &Means<'_>,
) -> Result<Container, ContainerError> {
    let wrong = |reason| ContainerError::Name { name: source.source.clone(), reason };
    let reference = Reference::parse(&source.source).map_err(wrong)?.below(means.directory);
    match &reference {
        Reference::Archive { file } => {
            let path: PathBuf = PathBuf::from(file).components().collect();
            readable_file(&path).map_err(|source| ImageError::NoSuchFile { path: path.clone(), source })?;
            let (sha256, layers) = Archive { file: path, image: &source.source, means: *means }.fetch(arch)?;
            Ok(Container { sha256, layers })
        }
        Reference::Layout { dir, tag } => {
            let layout = Layout { dir: PathBuf::from(dir).components().collect(), image: source.source.clone() };
            let top = layout.find(tag.as_deref())?;
            let content = document(&layout, &top, "the manifest", means)?;
            of(&layout, &content, Some(&top.media_type), arch, means)
        }
        Reference::Registry { tag, digest, .. } => {
            let registry = Registry::new(&reference, source, means)?;
            let subject = format!("container {}", source.source);
            let known = digest.or_else(|| tag.as_ref().and_then(|_| pins::find(means.cache, &subject, policy)));
            let cached = known.map(|sha256| (sha256, blobs::path(means, &sha256))).filter(|(_, path)| path.exists());
            let (content, kind) = match cached {
                Some((sha256, path)) => (blobs::checked(&path, &sha256, "the manifest", registry.image())?, None),
                None if means.offline => return Err(ImageError::NotCached(source.source.clone()).into()),
                None => {
                    let (content, kind) = registry.manifest(known)?;
                    let sha256 = blobs::store(means, &content)?;
                    if digest.is_none() {
                        pins::store(means.cache, &subject, &sha256)?;
                    }
                    (content, Some(kind))
                }
            };
            of(&registry, &content, kind.as_deref(), arch, means)
        }
    }
}

/// Brings the layers of an image into the cache. `content` is its manifest, or a list of manifests.
fn of(
    blobs: &dyn Blobs,
    content: &[u8],
    kind: Option<&str>,
    arch: Arch,
    means: &Means<'_>,
) -> Result<Container, ContainerError> {
    let image = blobs.image();
    let told: Told = spec::read(content, "the manifest", image)?;
    // A document that names another kind than its server is ambiguous ("Security Considerations" of `manifest.md`).
    let own = told.media_type.as_deref();
    if let (Some(own), Some(kind)) = (own, kind)
        && own != kind
    {
        let reason = format!("is `{}` by its own words, and `{}` by its server's", shown(own), shown(kind));
        return Err(ContainerError::part("the manifest", image, reason));
    }
    if told.manifests.is_some() && told.layers.is_some() {
        return Err(ContainerError::part("the manifest", image, "is both an image and a list of images"));
    }
    let is = |kinds: [&str; 2], has: bool| own.or(kind).map_or(has, |kind| kinds.contains(&kind));
    if is(spec::INDEXES, told.manifests.is_some()) {
        let index: Index = spec::read(content, "the list of images", image)?;
        let chosen: Descriptor = index.choose(arch, image)?.clone();
        let content = document(blobs, &chosen, "the manifest", means)?;
        return layers(blobs, &content, arch, means);
    }
    if !is(spec::MANIFESTS, told.layers.is_some()) {
        let found = shown(own.or(kind).unwrap_or("none"));
        let reason = format!("has the media type `{found}`, which is not that of a container image");
        return Err(ContainerError::part("the manifest", image, reason));
    }
    layers(blobs, content, arch, means)
}

/// What a manifest says about its kind.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
}

fn layers(blobs: &dyn Blobs, content: &[u8], arch: Arch, means: &Means<'_>) -> Result<Container, ContainerError> {
    let image = blobs.image();
    let manifest: Manifest = spec::read(content, "the manifest", image)?;
    manifest.check(image)?;
    let config: Config =
        spec::read(&document(blobs, &manifest.config, "the configuration", means)?, "the configuration", image)?;
    config.check(arch, image)?;
    let count = manifest.layers.len();
    if config.rootfs.diff_ids.len() != count {
        let reason = format!("names {} layers, and the manifest {count}", config.rootfs.diff_ids.len());
        return Err(ContainerError::part("the configuration", image, reason));
    }
    let mut files = Vec::new();
    for (number, layer) in (1..).zip(&manifest.layers) {
        files.push(file(blobs, layer, &format!("layer {number} of {count}"), means)?);
    }
    Ok(Container { sha256: Sha256::of(content), layers: files })
}

fn shown(text: &str) -> String {
    crate::text::printable(text.as_bytes())
}
