//! Records which manifests this program has written, because a manifest beside an image may be from anybody.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::manifest::{self, Summary};
use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError, write_private};

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
    pub fn record(&self, dir: &Path) -> Result<(), PathError> {
        let digest = Sha256::of(&manifest::read(dir)?);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).at(&self.0)?;
        write_private(&self.0.join(digest.to_string()), b"")
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
        origin.record(&out).expect("it is recorded");
        assert!(origin.has_built(&image) && !Origin::of(work.path()).has_built(&image));
        std::fs::write(&image, b"an imagE").expect("it is written");
        assert!(!origin.has_built(&image), "another image in its place");
        std::fs::write(&image, content).expect("it is written");
        std::fs::write(&file, text.replace("bookworm", "Bookworm")).expect("it is written");
        assert!(!origin.has_built(&image), "another manifest in its place");
    }
}
