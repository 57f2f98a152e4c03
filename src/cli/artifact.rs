//! Finds the image that a person means by a directory of artifacts.

use std::path::{Component, Path, PathBuf};

use super::failure::{Failure, FailureKind};
use crate::export::Artifact;
use crate::export::manifest::{self, Summary};
use crate::image::Format;

/// Formats that are taken first, because QEMU opens their files without a copy.
const FIRST: [Format; 2] = [Format::Qcow2, Format::Raw];

/// Returns the image file that a path names: the file itself, or the disk in the directory of a build's artifacts, qcow2 or raw if
/// there is one.
pub(super) fn image(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let Some(Summary { artifacts, .. }) = Summary::read(path) else {
        let message = format!("{} is a directory without a {} that can be read", path.display(), manifest::FILE);
        let failure = Failure::of(FailureKind::Usage, message);
        let below = built_below(path);
        return Err(match below.as_slice() {
            [] => failure.hint("name an image file, or the directory that `goldsmith build` has written to"),
            some => failure.hint(format!("name one of the directories of artifacts in it: {}", some.join(", "))),
        });
    };
    let disks = || artifacts.iter().filter(|artifact| artifact.output.format.is_disk());
    let of = |format: Format| disks().find(|artifact| artifact.output.format == format);
    let Some(Artifact { file, .. }) = FIRST.into_iter().find_map(of).or_else(|| disks().next()) else {
        let message = format!("{} has no disk among its artifacts", path.display());
        return Err(
            Failure::of(FailureKind::Usage, message).hint("`outputs` of the recipe say what is made, such as qcow2")
        );
    };
    // Anybody may have written the manifest.
    let plain = matches!(Path::new(file).components().collect::<Vec<_>>().as_slice(), [Component::Normal(_)]);
    let found = path.join(file);
    if !plain || !found.symlink_metadata().is_ok_and(|about| about.is_file()) {
        let message = format!("{} of {} names {file:?}, which is no file in it", manifest::FILE, path.display());
        return Err(Failure::of(FailureKind::Usage, message).hint("build the image again, or name the image file"));
    }
    Ok(found)
}

/// Returns the directories of artifacts in a directory, sorted.
fn built_below(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let built = entries.map(|entry| entry.path()).filter(|path| path.join(manifest::FILE).is_file());
    let mut names: Vec<_> = built.map(|path| path.display().to_string()).collect();
    names.sort();
    names.truncate(9);
    names
}
