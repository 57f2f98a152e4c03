//! The record of builds: one small file in the cache for each directory of artifacts.
//!
//! It has what no other file has: where the artifacts are, when the last build ended and how, and where the image was published. All
//! else is in the manifest beside the artifacts. No text of the recipe and no output is in it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::failure::{Failure, FailureKind};
use crate::digest::Sha256;
use crate::export::manifest::Summary;
use crate::fsx::{IoContext as _, PathError, read_regular, write_private};
use crate::publish::{self, Operation};

/// Directory of the records in the cache.
const DIR: &str = "builds";

/// Size limit of a record, in bytes.
const LIMIT: u64 = 1 << 20;

/// Most publications that a record keeps: the latest.
const PUBLICATIONS: usize = 20;

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Ended {
    /// The artifacts are complete.
    Built,
    /// The artifacts are complete, and a check of the image failed.
    Unfit,
    /// The image was not made. What an earlier build made is still there.
    Failed,
}

/// The last build into a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Name of the image.
    pub(super) name: String,
    /// The directory, an absolute path.
    pub(super) dir: PathBuf,
    /// The recipe, an absolute path.
    pub(super) recipe: PathBuf,
    /// When the build ended.
    pub(super) ended: jiff::Timestamp,
    /// How it ended.
    pub(super) result: Ended,
    /// Where images of this directory were published, the latest last.
    #[serde(default)]
    pub(super) published: Vec<Publication>,
}

/// An image at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Publication {
    /// When it was published.
    pub(super) time: jiff::Timestamp,
    /// The target: `glance mycloud`.
    pub(super) target: String,
    /// Name of the image there.
    pub(super) name: String,
    /// Id, path or address of the image.
    pub(super) place: String,
}

fn path(cache: &Path, dir: &Path) -> PathBuf {
    let digest = Sha256::of(dir.as_os_str().as_encoded_bytes()).to_string();
    cache.join(DIR).join(format!("{digest}.json"))
}

fn read(path: &Path) -> Option<Record> {
    serde_json::from_slice(&read_regular(path, LIMIT).ok()?).ok()
}

fn write(cache: &Path, record: &Record) -> Result<(), PathError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let path = path(cache, &record.dir);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(cache.join(DIR)).at(&path)?;
    let text = serde_json::to_vec(record).map_err(std::io::Error::from).at(&path)?;
    write_private(&path, &text)
}

/// Records that a build into a directory has ended.
pub(in crate::cli) fn built(
    cache: &Path,
    (name, recipe): (&str, &Path),
    dir: &Path,
    result: Ended,
    outcomes: &[publish::Outcome],
) -> Result<(), PathError> {
    let absolute = |path: &Path| std::path::absolute(path).at(path);
    let dir = absolute(dir)?;
    let before = read(&path(cache, &dir)).filter(|record| record.name == name);
    let mut record = Record {
        name: name.to_owned(),
        recipe: absolute(recipe)?,
        ended: jiff::Timestamp::now(),
        result,
        published: before.map(|record| record.published).unwrap_or_default(),
        dir,
    };
    record.add(outcomes);
    write(cache, &record)
}

/// Records where an image was published that a build with this cache has made. Of other images there is no record.
pub(in crate::cli) fn published(cache: &Path, dir: &Path, outcomes: &[publish::Outcome]) -> Result<(), PathError> {
    let dir = std::path::absolute(dir).at(dir)?;
    let Some(mut record) = read(&path(cache, &dir)) else { return Ok(()) };
    let before = record.published.len();
    record.add(outcomes);
    if record.published.len() == before { Ok(()) } else { write(cache, &record) }
}

impl Record {
    fn add(&mut self, outcomes: &[publish::Outcome]) {
        let time = jiff::Timestamp::now();
        for outcome in outcomes {
            for operation in outcome.result.iter().flatten() {
                if let Operation::Published { place, name, .. } | Operation::AlreadyThere { place, name, .. } =
                    operation
                {
                    let (target, name, place) = (outcome.target.clone(), name.clone(), place.clone());
                    // The same image at the same place is there once.
                    self.published.retain(|one| (&one.target, &one.place) != (&target, &place));
                    self.published.push(Publication { time, target, name, place });
                }
            }
        }
        let surplus = self.published.len().saturating_sub(PUBLICATIONS);
        self.published.drain(..surplus);
    }

    /// Returns the manifest of the artifacts, if they are still those of the image.
    pub(super) fn summary(&self) -> Option<Summary> {
        Summary::read(&self.dir).filter(|summary| summary.name == self.name)
    }
}

/// Returns all records, the latest build first. Files that are not understood are left out: a later version may have written them.
pub(super) fn all(cache: &Path) -> Vec<Record> {
    let entries = std::fs::read_dir(cache.join(DIR)).into_iter().flatten().flatten();
    let mut records: Vec<Record> = entries.filter_map(|entry| read(&entry.path())).collect();
    records.sort_by(|a, b| (b.ended, &b.dir).cmp(&(a.ended, &a.dir)));
    records
}

/// Returns the disk image that was built last with a cache and is still there.
pub(in crate::cli) fn last_image(cache: &Path) -> Result<PathBuf, Failure> {
    let disk = |record: &Record| {
        let artifacts = record.summary()?.artifacts.into_iter();
        artifacts
            .filter(|artifact| artifact.output.format.is_disk())
            .map(|artifact| record.dir.join(artifact.file))
            .find(|file| file.is_file())
    };
    all(cache).iter().find_map(disk).ok_or_else(|| {
        Failure::of(
            FailureKind::Usage,
            format!("no disk image that was built with the cache {} is there", cache.display()),
        )
        .hint("build one, or name the image: `goldsmith run IMAGE`; `goldsmith ls` lists what was built")
    })
}
