//! An image version: one version of an image in a tree of files, with the content of each file.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::digest::Sha256;
use crate::export::manifest::{self, Summary};
use crate::export::sums;
use crate::image::Format;
use crate::image::digests::Checksum;
use crate::publish::subject::{SourceError, unchanged};

/// Folder of the index. No image can have this name.
pub(super) const STREAMS: &str = "streams";

/// Name of the pointer to the promoted version, beside the versions.
pub(super) const LATEST: &str = "latest";

/// File with the versions that were rolled back, one a line, beside the versions. Publishing such a build again does not promote
/// it, and the index leaves it out.
pub(super) const ROLLED_BACK: &str = "rolled-back";

/// Format of version names, for strftime.
const VERSION: &str = "%Y%m%dT%H%M%SZ";

/// Files that are published together as one version.
#[derive(Debug, Clone)]
pub struct ImageVersion {
    /// Name of the image, and of its folder.
    pub image: String,
    /// Time when the final disk was made, in UTC, as `20261121T191500Z`: the same disk is the same version.
    pub version: String,
    /// The files. The manifest is the last one: its presence makes the version complete.
    pub files: Vec<Entry>,
}

/// A file of an image version.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Name of the file in the version's folder.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub sha256: Sha256,
    /// Source of the content.
    pub content: Content,
}

/// Content of a file of an image version.
#[derive(Debug, Clone)]
pub enum Content {
    /// An artifact of the build.
    Artifact(PathBuf),
    /// Content in memory.
    Made(Vec<u8>),
}

/// An error of reading the artifacts of a build.
#[derive(Debug, thiserror::Error)]
pub enum ImageVersionError {
    /// The artifacts of the build are missing or changed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No artifact has a format that the recipe wants.
    #[error("{} has no artifact of the format {format}", dir.display())]
    NoSuchFormat {
        /// Directory of the build.
        dir: PathBuf,
        /// The wanted format.
        format: &'static str,
    },
    /// The manifest does not say when the disk was made.
    #[error("{} does not tell when the disk was made", file.display())]
    NoTime {
        /// The manifest.
        file: PathBuf,
    },
    /// A name in the manifest cannot be a path of the tree.
    #[error("`{name}` cannot be the name of {what} in a tree of images")]
    Name {
        /// The name in the manifest.
        name: String,
        /// The thing that has the name: an image or an artifact.
        what: &'static str,
    },
}

impl ImageVersionError {
    /// Returns advice, if there is any. That on [`SourceError`] is not part of it.
    pub(super) fn help(&self) -> Option<&'static str> {
        match self {
            Self::Source(_) => None,
            Self::NoSuchFormat { .. } => Some("`outputs` of the recipe say what is made"),
            Self::NoTime { .. } => Some("build it again"),
            Self::Name { .. } => {
                Some("letters, digits, `.`, `_` and `-` make a name; `streams` is the folder of the index")
            }
        }
    }
}

impl Entry {
    /// Makes an entry with content in memory.
    pub(super) fn made(name: impl Into<String>, content: Vec<u8>) -> Self {
        let (size, sha256) = (content.len() as u64, Sha256::of(&content));
        Self { name: name.into(), size, sha256, content: Content::Made(content) }
    }
}

impl ImageVersion {
    /// Reads the artifacts of a build from a directory: all, or those of some formats.
    ///
    /// # Errors
    ///
    /// If an artifact is missing, or the manifest cannot be read or used.
    pub fn read(dir: &Path, formats: &[Format]) -> Result<Self, ImageVersionError> {
        let file = dir.join(manifest::FILE);
        let no_manifest = || SourceError::NoManifest { dir: dir.to_owned() };
        let bytes = manifest::read(dir).map_err(|_| no_manifest())?;
        let mut summary: Summary = serde_json::from_slice(&bytes).map_err(|_| no_manifest())?;
        for format in formats {
            if !summary.artifacts.iter().any(|artifact| artifact.output.format == *format) {
                return Err(ImageVersionError::NoSuchFormat { dir: dir.to_owned(), format: format.name() });
            }
        }
        let wanted = |format: Format| formats.is_empty() || formats.contains(&format);
        summary.artifacts.retain(|artifact| wanted(artifact.output.format));
        let version = summary.created.map(version).ok_or(ImageVersionError::NoTime { file })?;
        name_of("an image", &summary.name)?;
        if summary.name == STREAMS {
            return Err(ImageVersionError::Name { name: summary.name, what: "an image" });
        }
        let mut files = Vec::new();
        for artifact in &summary.artifacts {
            name_of("an artifact", &artifact.file)?;
            let path = dir.join(&artifact.file);
            unchanged(&path, artifact.size)?;
            files.push(Entry {
                name: artifact.file.clone(),
                size: artifact.size,
                sha256: artifact.digests.sha256,
                content: Content::Artifact(path),
            });
        }
        for checksum in Checksum::ALL {
            let sums = sums(&summary.artifacts, checksum);
            files.extend(sums.map(|sums| Entry::made(checksum.file(), sums.into_bytes())));
        }
        let names: Vec<_> = summary.artifacts.iter().map(|artifact| artifact.file.as_str()).collect();
        files.push(Entry::made(manifest::FILE, manifest_of(bytes, &names)));
        Ok(Self { image: summary.name, version, files })
    }

    /// Returns the content of the file of checksums.
    pub fn sums(&self) -> &[u8] {
        let made = self.files.iter().find(|entry| entry.name == Checksum::Sha256.file());
        match made.map(|entry| &entry.content) {
            Some(Content::Made(content)) => content,
            // Every artifact has a SHA-256.
            _ => &[],
        }
    }

    /// Returns the folder of the version.
    pub(super) fn folder(&self) -> String {
        format!("{}/{}", self.image, self.version)
    }

    /// Returns the size of all files, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.files.iter().map(|entry| entry.size).sum()
    }
}

/// Returns the manifest without the artifacts that are not published.
fn manifest_of(bytes: Vec<u8>, names: &[&str]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else { return bytes };
    let Some(artifacts) = value.get_mut("artifacts").and_then(Value::as_array_mut) else { return bytes };
    let all = artifacts.len();
    artifacts.retain(|artifact| artifact["file"].as_str().is_some_and(|file| names.contains(&file)));
    if artifacts.len() == all {
        return bytes;
    }
    format!("{value:#}\n").into_bytes()
}

/// Returns the name of the version that was made at a time.
fn version(created: jiff::Timestamp) -> String {
    created.strftime(VERSION).to_string()
}

/// Returns when a version was made; `None` if the name is not that of a version.
pub(super) fn made_at(version: &str) -> Option<jiff::Timestamp> {
    let time = jiff::civil::DateTime::strptime(VERSION, version).ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    // The parser accepts more texts than the ones that Goldsmith writes.
    (self::version(time) == version).then_some(time)
}

/// Refuses a name from a manifest that leaves its folder, or that a URL must quote.
fn name_of(what: &'static str, name: &str) -> Result<(), ImageVersionError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 200 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(ImageVersionError::Name { name: name.to_owned(), what });
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// Writes a directory as a build leaves it, with a qcow2 and a tar file of this content.
    pub(in crate::publish) fn built(dir: &Path, name: &str, created: &str, content: &[u8]) {
        std::fs::create_dir_all(dir).expect("a directory");
        let artifacts = [("qcow2", content), ("tar", b"tar".as_slice())].map(|(format, content)| {
            let file = format!("{name}.{format}");
            std::fs::write(dir.join(&file), content).expect("a file");
            json!({ "file": file, "format": format, "size": content.len(), "sha256": Sha256::of(content) })
        });
        let manifest = json!({
            "format": 1, "name": name, "arch": "x86_64", "layer": Sha256::of(content), "artifacts": artifacts,
            "distro": { "name": "debian", "release": "bookworm", "version": "12", "family": "debian" },
            "created": created,
        });
        std::fs::write(dir.join(manifest::FILE), format!("{manifest:#}")).expect("a file");
    }

    #[test]
    fn versions_are_times() {
        let created = "2026-11-21T20:15:00.123+01:00".parse().expect("a time");
        assert_eq!(version(created), "20261121T191500Z");
        for (name, time) in [("20261121T191500Z", true), ("20261321T191500Z", false), ("latest", false), ("x", false)] {
            assert_eq!(made_at(name).is_some(), time, "{name}");
        }
    }

    #[test]
    fn a_release_has_what_is_wanted() {
        let dir = tempfile::tempdir().expect("a directory");
        built(dir.path(), "gold", "2026-11-21T19:15:00Z", b"disk");
        let names = |formats: &[Format]| {
            let image_version = ImageVersion::read(dir.path(), formats).expect("an image version");
            image_version.files.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["gold.qcow2", "gold.tar", "SHA256SUMS", "manifest.json"]);
        assert_eq!(names(&[Format::Tar]), ["gold.tar", "SHA256SUMS", "manifest.json"]);
        let image_version = ImageVersion::read(dir.path(), &[Format::Tar]).expect("an image version");
        assert_eq!(image_version.folder(), "gold/20261121T191500Z");
        assert_eq!(image_version.sums(), format!("{}  gold.tar\n", Sha256::of(b"tar")).as_bytes());
        // The manifest lists only artifacts that are there.
        let Content::Made(manifest) = &image_version.files[2].content else { panic!("{:?}", image_version.files) };
        let summary: Summary = serde_json::from_slice(manifest).expect("a manifest");
        assert_eq!(summary.artifacts.len(), 1);
        let all = ImageVersion::read(dir.path(), &[]).expect("an image version");
        let Content::Made(manifest) = &all.files[3].content else { panic!("{:?}", all.files) };
        assert_eq!(*manifest, std::fs::read(dir.path().join(manifest::FILE)).expect("a file"));
    }

    #[test]
    fn what_cannot_be_published_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = |formats: &[Format]| ImageVersion::read(dir.path(), formats).expect_err("it is wrong").to_string();
        assert!(error(&[]).contains("has no manifest.json"));
        built(dir.path(), "streams", "2026-11-21T19:15:00Z", b"disk");
        assert!(error(&[]).contains("`streams` cannot be the name of an image"));
        built(dir.path(), "gold", "2026-11-21T19:15:00Z", b"disk");
        assert!(error(&[Format::Vmdk]).contains("no artifact of the format vmdk"));
        let manifest = std::fs::read_to_string(dir.path().join(manifest::FILE)).expect("a file");
        std::fs::write(dir.path().join(manifest::FILE), manifest.replace("gold.tar", "../gold.tar")).expect("a file");
        assert!(error(&[]).contains("`../gold.tar` cannot be the name of an artifact"));
        std::fs::write(dir.path().join(manifest::FILE), manifest.replace("\"created\"", "\"x\"")).expect("a file");
        assert!(error(&[]).contains("does not tell when the disk was made"));
        std::fs::write(dir.path().join(manifest::FILE), manifest).expect("a file");
        std::fs::write(dir.path().join("gold.tar"), "longer").expect("a file");
        assert!(error(&[]).contains("has 6 bytes, and the manifest says 3"));
    }
}
