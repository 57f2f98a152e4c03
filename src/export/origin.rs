//! Records which manifests this program has written and of which layers, because a manifest beside an image may be from anybody.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::manifest::{self, Summary};
use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError, read_regular, write_private};
use crate::layer::{Layer, LayerKey};

/// Size limit of a record, in bytes. That of an image with a thousand layers has 150 kB.
const LIMIT: u64 = 1 << 20;

/// The layers of an exported disk, the last one first, with the digests of their files: a layer that was made again has the same
/// key, but may differ in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Version of this program. Another one may compress in another way.
    pub version: String,
    /// Keys and digests.
    pub layers: Vec<(LayerKey, Sha256)>,
}

impl Layers {
    /// Returns the layers of a chain, whose last layer comes first.
    pub fn of(chain: &[Layer]) -> Self {
        let layers = chain.iter().map(|layer| (layer.key, layer.meta.sha256)).collect();
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), layers }
    }
}

/// The digests of all manifests that builds with a cache have written, as names of files in `CACHE/manifests/`.
#[derive(Debug)]
pub struct Origin(PathBuf);

impl Origin {
    /// Returns the record of a cache.
    pub fn of(cache: &Path) -> Self {
        Self(cache.join("manifests"))
    }

    /// Records that this program has written the manifest in a directory.
    ///
    /// # Errors
    ///
    /// If the manifest cannot be read or the cache cannot be written.
    pub fn record(&self, dir: &Path, layers: &Layers) -> Result<(), PathError> {
        let digest = Sha256::of(&manifest::read(dir)?);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).at(&self.0)?;
        let path = self.0.join(digest.to_string());
        let text = serde_json::to_vec(layers).map_err(std::io::Error::from).at(&path)?;
        write_private(&path, &text)
    }

    /// Returns the layers whose disk the artifacts in a directory hold, if the manifest there is known and its record says so.
    pub fn layers(&self, dir: &Path) -> Option<Layers> {
        let digest = Sha256::of(&manifest::read(dir).ok()?);
        let text = read_regular(&self.0.join(digest.to_string()), LIMIT).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Returns whether the manifest in a directory is unchanged since a build with this cache wrote it.
    pub fn knows(&self, dir: &Path) -> bool {
        manifest::read(dir).is_ok_and(|text| self.0.join(Sha256::of(&text).to_string()).is_file())
    }

    /// Returns whether an image was built with this cache: the manifest beside it is known, and the content has its digest.
    pub fn has_built(&self, image: &Path) -> bool {
        let dir = image.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Some(name) = image.file_name().and_then(|name| name.to_str()).filter(|_| self.knows(dir)) else {
            return false;
        };
        let Some(summary) = Summary::read(dir) else { return false };
        let Some(artifact) = summary.artifacts.iter().find(|artifact| artifact.file == name) else { return false };
        // The size is checked first, because the digest of a large file takes time.
        image.metadata().is_ok_and(|about| about.len() == artifact.size)
            && Sha256::of_file(image).is_ok_and(|digest| digest == artifact.digests.sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_while_it_and_its_manifest_are_as_they_were_built() {
        let work = tempfile::tempdir().expect("a directory");
        let (out, cache) = (work.path().join("out"), work.path().join("cache"));
        std::fs::create_dir(&out).expect("a directory");
        let (image, file, origin) = (out.join("a.qcow2"), out.join(manifest::FILE), Origin::of(&cache));
        let content = b"an image";
        let key = serde_json::from_value(serde_json::json!(Sha256::of(b"layer"))).expect("a key");
        let layers = Layers { version: "1".to_owned(), layers: vec![(key, Sha256::of(b"disk"))] };
        let text = serde_json::json!({
            "name": "a", "arch": "x86_64", "layer": Sha256::of(b"layer"),
            "distro": { "name": "debian", "release": "bookworm", "version": "12", "family": "debian" },
            "artifacts": [{ "file": "a.qcow2", "format": "qcow2", "size": content.len(), "sha256": Sha256::of(content) }],
        })
        .to_string();
        std::fs::write(&image, content).expect("it is written");
        std::fs::write(&file, &text).expect("it is written");
        assert!(Summary::read(&out).is_some(), "the test's manifest is none");
        assert!(!origin.has_built(&image), "it came from somewhere");
        origin.record(&out, &layers).expect("it is recorded");
        assert_eq!(origin.layers(&out), Some(layers));
        assert!(origin.has_built(&image) && !Origin::of(work.path()).has_built(&image));
        std::fs::write(&image, b"an imagE").expect("it is written");
        assert!(!origin.has_built(&image), "another image in its place");
        std::fs::write(&image, content).expect("it is written");
        std::fs::write(&file, text.replace("bookworm", "Bookworm")).expect("it is written");
        assert!(!origin.has_built(&image), "another manifest in its place");
        assert_eq!(origin.layers(&out), None);
    }
}
