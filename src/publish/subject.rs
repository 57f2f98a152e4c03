//! The image to publish, and the artifacts that a build has left of it.

use std::path::{Component, Path, PathBuf};

use crate::export::Artifact;
use crate::export::manifest::{self, Summary};
use crate::image::{Format, Output};

/// An image of a recipe, whose releases are published.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Name of the image.
    pub name: String,
    /// Output files of the image.
    pub outputs: Vec<Output>,
    /// Directory of the build's artifacts.
    pub dir: PathBuf,
}

/// A built image, and the artifact of it to publish.
#[derive(Debug, Clone)]
pub struct Source {
    /// Directory of the artifacts.
    pub dir: PathBuf,
    /// The manifest of the image.
    pub summary: Summary,
    /// The artifact to publish.
    pub artifact: Artifact,
}

/// An error of finding the artifact to publish.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The directory has no manifest.
    #[error("{} has no {} that can be read", dir.display(), manifest::FILE)]
    NoManifest {
        /// The directory.
        dir: PathBuf,
    },
    /// The manifest names a file outside of its directory.
    #[error("{} of {} names {file:?}, which is no file name", manifest::FILE, dir.display())]
    Elsewhere {
        /// The directory.
        dir: PathBuf,
        /// The name in the manifest.
        file: String,
    },
    /// An artifact is a directory, a pipe or a device.
    #[error("{} is no regular file", file.display())]
    NoFile {
        /// The artifact.
        file: PathBuf,
    },
    /// The directory has another image.
    #[error("{} has the image `{found}`, not `{wanted}`", dir.display())]
    Other {
        /// The directory.
        dir: PathBuf,
        /// Name of the image that is there.
        found: String,
        /// Name of the image that is published.
        wanted: String,
    },
    /// No artifact is one that an image service takes.
    #[error("{} has no artifact that an image service takes{}", dir.display(), format.map(|format| format!(" as {}", format.name())).unwrap_or_default())]
    NoArtifact {
        /// The directory.
        dir: PathBuf,
        /// The requested format.
        format: Option<Format>,
    },
    /// The size of the artifact is not the one in the manifest.
    #[error("{} has {found} bytes, and the manifest says {expected}", file.display())]
    Changed {
        /// The artifact.
        file: PathBuf,
        /// Size of the artifact.
        found: u64,
        /// The size in the manifest.
        expected: u64,
    },
}

impl Subject {
    /// Finds the artifact of a build, in a format or in the first one that an image service takes.
    ///
    /// # Errors
    ///
    /// If there is no artifact that can be published.
    pub fn source(&self, format: Option<Format>) -> Result<Source, SourceError> {
        let source = Source::read(&self.dir, format)?;
        if source.summary.name == self.name {
            return Ok(source);
        }
        let (dir, found) = (self.dir.clone(), source.summary.name);
        Err(SourceError::Other { dir, found, wanted: self.name.clone() })
    }

    /// Returns Glance's name of a format, or of the first output format that Glance takes.
    pub(super) fn disk_format(&self, format: Option<Format>) -> Option<&'static str> {
        let formats = self.outputs.iter().map(|output| output.format);
        let mut fitting = formats.filter(|known| format.is_none_or(|format| format == *known));
        fitting.find_map(|format| format.traits().glance).map(|(disk, _)| disk)
    }
}

/// Checks that an artifact is a regular file of the size in the manifest.
pub(super) fn unchanged(file: &Path, expected: u64) -> Result<(), SourceError> {
    let meta = std::fs::metadata(file).ok();
    if meta.as_ref().is_some_and(|meta| !meta.is_file()) {
        return Err(SourceError::NoFile { file: file.to_owned() });
    }
    let found = meta.map_or(0, |meta| meta.len());
    if found != expected {
        return Err(SourceError::Changed { file: file.to_owned(), found, expected });
    }
    Ok(())
}

impl Source {
    /// Reads the manifest in a directory and finds the artifact. Without a format, it is the first that an image service takes.
    ///
    /// # Errors
    ///
    /// If there is no artifact that can be published.
    pub fn read(dir: &Path, format: Option<Format>) -> Result<Self, SourceError> {
        let summary = Summary::read(dir).ok_or_else(|| SourceError::NoManifest { dir: dir.to_owned() })?;
        let fitting = summary.artifacts.iter().find(|artifact| {
            artifact.disk_format.is_some() && format.is_none_or(|format| artifact.output.format == format)
        });
        let artifact = fitting.ok_or_else(|| SourceError::NoArtifact { dir: dir.to_owned(), format })?.clone();
        // The manifest is not trusted: a name in it must not lead out of its directory.
        let mut parts = Path::new(&artifact.file).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(name)), None) if name == artifact.file.as_str())
        {
            return Err(SourceError::Elsewhere { dir: dir.to_owned(), file: artifact.file });
        }
        unchanged(&dir.join(&artifact.file), artifact.size)?;
        Ok(Self { dir: dir.to_owned(), summary, artifact })
    }

    /// Returns the path of the file to publish.
    pub fn file(&self) -> PathBuf {
        self.dir.join(&self.artifact.file)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns an image as a build leaves it.
    pub(in crate::publish) fn source() -> Source {
        let summary = r#"{"name":"gold","arch":"x86_64","layer":"LAYER",
            "distro":{"name":"debian","release":"bookworm","version":"12","family":"debian"},
            "artifacts":[{"file":"gold.qcow2","format":"qcow2","disk_format":"qcow2","container_format":"bare","size":1048577,"sha256":"LAYER"}]}"#;
        let summary: Summary = serde_json::from_str(&summary.replace("LAYER", &"0".repeat(64))).expect("a manifest");
        let artifact = summary.artifacts[0].clone();
        Source { dir: PathBuf::from("out/gold"), summary, artifact }
    }

    #[test]
    fn what_is_there_is_what_was_built() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert!(matches!(Source::read(dir.path(), None), Err(SourceError::NoManifest { .. })));
        let manifest = r#"{"name":"gold","arch":"x86_64","layer":"LAYER",
            "distro":{"name":"debian","release":"bookworm","version":"12","family":"debian"},
            "artifacts":[{"file":"a.tar","format":"tar","size":1,"sha256":"LAYER"},
                {"file":"a.qcow2","format":"qcow2","disk_format":"qcow2","container_format":"bare","size":2,"sha256":"LAYER"}]}"#;
        std::fs::write(dir.path().join(manifest::FILE), manifest.replace("LAYER", &"0".repeat(64))).expect("a file");
        assert!(matches!(Source::read(dir.path(), None), Err(SourceError::Changed { found: 0, expected: 2, .. })));
        std::fs::write(dir.path().join("a.qcow2"), "ab").expect("a file");
        assert_eq!(Source::read(dir.path(), None).expect("it is there").artifact.file, "a.qcow2");
        for elsewhere in ["../a.qcow2", "/a.qcow2", "b/../a.qcow2", "./a.qcow2", "a.qcow2/", "..", ""] {
            let manifest = manifest.replace("a.qcow2", elsewhere).replace("LAYER", &"0".repeat(64));
            std::fs::write(dir.path().join(manifest::FILE), manifest).expect("a file");
            let error = Source::read(dir.path(), None).expect_err(elsewhere);
            assert!(matches!(error, SourceError::Elsewhere { .. }), "{elsewhere}: {error}");
        }
        let empty = manifest.replace("LAYER", &"0".repeat(64)).replace("\"size\":2", "\"size\":0");
        std::fs::write(dir.path().join(manifest::FILE), empty).expect("a file");
        std::fs::remove_file(dir.path().join("a.qcow2")).expect("removed");
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("a.qcow2"), 0o600.into()).expect("a pipe");
        assert!(matches!(Source::read(dir.path(), None), Err(SourceError::NoFile { .. })));
        let error = Source::read(dir.path(), Some(Format::Vmdk)).expect_err("there is none");
        assert!(error.to_string().ends_with("that an image service takes as vmdk"), "{error}");
    }
}
