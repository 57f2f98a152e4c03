//! Publishing: artifacts of a build, handed to what a recipe names as one transaction each.
//!
//! ```text
//! out/NAME ── Source::read ─> Source ── glance: derive, preflight, upload, promote, rotate ─> Published
//! ```
//!
//! Targets know nothing of each other: they are published to side by side, and what goes wrong with one undoes nothing of
//! another. The id of an image follows from its name and its content: whoever publishes the same again finds what is
//! there, finished or half done, and never makes a second copy.

mod begin;
pub mod deliver;
pub mod directory;
pub mod edition;
pub mod glance;
mod hypervisor;
mod index;
mod permission;
pub mod preflight;
pub mod properties;
mod release;
pub mod rollback;
pub mod s3;
mod scs;
mod shelves;
pub mod sign;
pub mod signature;
mod simplestreams;
pub mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::event::Reporter;
use crate::export::Artifact;
use crate::export::manifest::{self, Summary};
use crate::image::{Format, Output};
use crate::interrupt::Interrupt;
use crate::openstack::config::Places;
use crate::openstack::image::Image;
use crate::openstack::{CloudError, UploadError};
use crate::recipe::publish::Target;
pub use properties::Properties;
pub use shelves::Keys;
pub use signature::SigningError;
pub use tree::TreeError;

/// An image whose releases are looked after.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Name of the image.
    pub name: String,
    /// Files that are made of it.
    pub outputs: Vec<Output>,
    /// Where a build leaves them.
    pub dir: PathBuf,
}

/// What is done at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The image is handed to it.
    Publish,
    /// The image that was promoted before the present one is promoted again.
    RollBack,
    /// What interrupted runs have left there is removed, if it was not touched for so long.
    CleanUp(Duration),
}

/// What all targets are given.
pub struct Context<'a> {
    /// The image.
    pub subject: &'a Subject,
    /// Where clouds are configured. Targets choose among them.
    pub places: Places,
    /// Secrets and credentials that targets need.
    pub keys: &'a dyn Keys,
    /// Whom it is told what is done.
    pub reporter: Arc<dyn Reporter>,
    /// The wish to stop.
    pub interrupt: Interrupt,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("subject", self.subject).finish_non_exhaustive()
    }
}

/// Something that was done at a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "did", rename_all = "kebab-case")]
pub enum Deed {
    /// The image was handed over.
    Published {
        /// Its id, path or address.
        place: String,
        /// Its name there.
        name: String,
        /// As the service tells of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<Box<Image>>,
    },
    /// The image was there already.
    Before {
        /// Its id, path or address.
        place: String,
        /// Its name there.
        name: String,
        /// As the service tells of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<Box<Image>>,
    },
    /// The image's data got there otherwise than by an upload into the store that the service prefers.
    Delivered {
        /// How, and why: `staged, because several stores are wanted`.
        how: String,
    },
    /// What is told of an image that was there was brought up to date.
    Updated {
        /// Names of attributes and properties.
        attributes: Vec<String>,
    },
    /// An image took the place of the one before.
    Promoted {
        /// Its id, path or address.
        place: String,
    },
    /// An image lost its place.
    Retired {
        /// Its id, path or address.
        place: String,
    },
    /// An image was removed.
    Removed {
        /// Its id, path or address.
        place: String,
        /// Why.
        reason: String,
    },
    /// An image would have been removed but stays.
    Left {
        /// Its id, path or address.
        place: String,
        /// Why.
        reason: String,
    },
}

impl std::fmt::Display for Deed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Published { place, name, .. } => write!(f, "{name} is there as {place}"),
            Self::Before { place, name, .. } => write!(f, "{name} was there before as {place}"),
            Self::Delivered { how } => write!(f, "its data was {how}"),
            Self::Updated { attributes } => write!(f, "up to date now: {}", attributes.join(", ")),
            Self::Promoted { place } => write!(f, "{place} is promoted"),
            Self::Retired { place } => write!(f, "{place} is retired"),
            Self::Removed { place, reason } => write!(f, "{place} is removed: {reason}"),
            Self::Left { place, reason } => write!(f, "{place} stays: {reason}"),
        }
    }
}

/// What came of a target.
#[derive(Debug)]
pub struct Outcome {
    /// The target, for people.
    pub target: String,
    /// What was done, in order; or why nothing was.
    pub result: Result<Vec<Deed>, PublishError>,
}

/// Why a target has not got what it should. Nothing of it is there, and what was promoted is promoted, unless the variant
/// says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is nothing to publish.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What the image is told to be cannot be told.
    #[error(transparent)]
    Derive(#[from] properties::DeriveError),
    /// Its name is none.
    #[error("{0}")]
    Name(String),
    /// The image should be promoted, and nobody has seen that it works.
    #[error("the image is not verified, so that it cannot be promoted")]
    NotVerified,
    /// The service cannot be asked, or refuses.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The service would refuse it.
    #[error("the service would refuse the image")]
    Refused(Vec<preflight::Problem>),
    /// It lacks what a standard asks for that the recipe names.
    #[error("the image lacks what SCS-0102 asks for")]
    Lacking(Vec<preflight::Problem>),
    /// A secret has no value.
    #[error("{0}")]
    Secret(String),
    /// It cannot be signed.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The data did not arrive.
    #[error("cannot upload the image")]
    Upload(#[source] UploadError),
    /// What was begun could not be removed.
    #[error("cannot upload the image, nor remove what is there of it: {id}")]
    Orphan {
        /// Id of the record that is left.
        id: String,
        /// Why it could not be uploaded.
        #[source]
        source: UploadError,
        /// Why it could not be removed.
        removal: CloudError,
    },
    /// There is such an image, and somebody else is at work on it.
    #[error("the image {id} is `{status}`: somebody else uploads it")]
    Busy {
        /// Its id.
        id: String,
        /// What it is.
        status: String,
    },
    /// Images of this name and content were published and deleted too often.
    #[error("images of this name and content were deleted {} times", begin::GENERATIONS)]
    Worn,
    /// The image could not be promoted. All is as it was before.
    #[error("cannot promote the image {id}")]
    Promote {
        /// Its id.
        id: String,
        /// Why.
        #[source]
        source: CloudError,
    },
    /// The image could not be promoted, and neither could all be made as it was before.
    #[error("cannot promote the image {id}, nor undo what was done: {left}")]
    HalfPromoted {
        /// Its id.
        id: String,
        /// What is not as it was.
        left: String,
        /// Why it could not be promoted.
        #[source]
        source: CloudError,
    },
    /// No image is promoted.
    #[error("no image of `{0}` is promoted")]
    NothingPromoted(String),
    /// There is no earlier image.
    #[error("there is no image of `{name}` before {promoted}, which is promoted")]
    NothingBefore {
        /// Name of the image.
        name: String,
        /// Id of the promoted one.
        promoted: String,
    },
    /// A tree of files cannot be changed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A secret or credentials are missing.
    #[error("there is no key for {what}: {reason}")]
    Key {
        /// What it is needed for.
        what: String,
        /// Why there is none.
        reason: String,
    },
    /// The target promotes nothing.
    #[error("the target promotes no image, so that there is nothing to roll back")]
    PromotesNothing,
}

/// Does something at all targets, side by side. Outcomes are in the order of the targets.
pub fn run(verb: Verb, targets: &[Target], context: &Context<'_>) -> Vec<Outcome> {
    std::thread::scope(|scope| {
        let started: Vec<_> =
            targets.iter().map(|target| (target, scope.spawn(move || at(verb, target, context)))).collect();
        let ended = started.into_iter().map(|(target, thread)| Outcome {
            target: label(target),
            result: thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        });
        ended.collect()
    })
}

fn at(verb: Verb, target: &Target, context: &Context<'_>) -> Result<Vec<Deed>, PublishError> {
    match target {
        Target::Glance(target) => glance::run(verb, target, context),
        Target::Directory(target) => shelves::directory(verb, target, context),
        Target::S3(target) => shelves::s3(verb, target, context),
    }
}

/// A target for people: `glance mycloud RegionOne`.
pub fn label(target: &Target) -> String {
    match target {
        Target::Glance(glance) => {
            let said = [&glance.cloud, &glance.region].into_iter().flatten();
            said.fold("glance".to_owned(), |label, word| format!("{label} {word}"))
        }
        Target::Directory(directory) => format!("directory {}", directory.path.display()),
        Target::S3(s3) => format!("s3 {}", s3.bucket),
    }
}

/// An image that was built, and the artifact of it that is published.
#[derive(Debug, Clone)]
pub struct Source {
    /// Directory of the artifacts.
    pub dir: PathBuf,
    /// What is known of the image.
    pub summary: Summary,
    /// The artifact.
    pub artifact: Artifact,
}

/// Why there is nothing to publish.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The directory has no manifest.
    #[error("{} has no {} that can be read", dir.display(), manifest::FILE)]
    NoManifest {
        /// The directory.
        dir: PathBuf,
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
        /// The format that was asked for.
        format: Option<Format>,
    },
    /// The artifact is not the one that the manifest speaks of.
    #[error("{} has {found} bytes, and the manifest says {told}", file.display())]
    Changed {
        /// The artifact.
        file: PathBuf,
        /// Its size.
        found: u64,
        /// Its size when the manifest was written.
        told: u64,
    },
}

impl Subject {
    /// What a build has left of it, in a format or in the first that an image service takes.
    ///
    /// # Errors
    ///
    /// If there is nothing that could be published.
    pub fn source(&self, format: Option<Format>) -> Result<Source, SourceError> {
        let source = Source::read(&self.dir, format)?;
        if source.summary.name == self.name {
            return Ok(source);
        }
        let (dir, found) = (self.dir.clone(), source.summary.name);
        Err(SourceError::Other { dir, found, wanted: self.name.clone() })
    }

    /// The service's word for a format, or for that of the first output that it takes.
    fn disk_format(&self, format: Option<Format>) -> Option<&'static str> {
        let formats = self.outputs.iter().map(|output| output.format);
        let mut fitting = formats.filter(|known| format.is_none_or(|format| format == *known));
        fitting.find_map(|format| format.facts().glance).map(|(disk, _)| disk)
    }
}

impl Source {
    /// Reads what a build has left in a directory. Without a format, the first artifact that an image service takes is meant.
    ///
    /// # Errors
    ///
    /// If there is nothing that could be published.
    pub fn read(dir: &Path, format: Option<Format>) -> Result<Self, SourceError> {
        let summary = Summary::read(dir).ok_or_else(|| SourceError::NoManifest { dir: dir.to_owned() })?;
        let fitting = summary.artifacts.iter().find(|artifact| {
            artifact.disk_format.is_some() && format.is_none_or(|format| artifact.output.format == format)
        });
        let artifact = fitting.ok_or_else(|| SourceError::NoArtifact { dir: dir.to_owned(), format })?.clone();
        let file = dir.join(&artifact.file);
        let found = std::fs::metadata(&file).map_or(0, |meta| meta.len());
        if found != artifact.size {
            return Err(SourceError::Changed { file, found, told: artifact.size });
        }
        Ok(Self { dir: dir.to_owned(), summary, artifact })
    }

    /// The file that is published.
    pub fn file(&self) -> PathBuf {
        self.dir.join(&self.artifact.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image as a build leaves it.
    pub(super) fn source() -> Source {
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
        assert!(matches!(Source::read(dir.path(), None), Err(SourceError::Changed { found: 0, told: 2, .. })));
        std::fs::write(dir.path().join("a.qcow2"), "ab").expect("a file");
        assert_eq!(Source::read(dir.path(), None).expect("it is there").artifact.file, "a.qcow2");
        let error = Source::read(dir.path(), Some(Format::Vmdk)).expect_err("there is none");
        assert!(error.to_string().ends_with("that an image service takes as vmdk"), "{error}");
    }
}
