//! Parts of container images in the cache.

use std::path::{Path, PathBuf};

use super::error::ContainerError;
use super::spec::{Descriptor, LIMIT};
use crate::digest::Sha256;
use crate::event::Event;
use crate::fetch::image::{Means, keep, lock, mark_used};
use crate::fetch::limited::read_limited;
use crate::fetch::transfer::Transfer;
use crate::fsx::{IoContext as _, write_private};

/// Where the parts of an image come from.
pub(super) trait Blobs {
    /// Returns the name of the image.
    fn image(&self) -> &str;

    /// Brings a part into an open transfer.
    fn bring(&self, descriptor: &Descriptor, transfer: &mut Transfer<'_>) -> Result<(), ContainerError>;
}

/// Returns the path of a part in the cache.
pub(super) fn path(means: &Means<'_>, sha256: &Sha256) -> PathBuf {
    means.cache.join("images").join(sha256.to_string())
}

/// Returns the file of a part in the cache, and brings it there if it is not.
pub(super) fn file(
    blobs: &dyn Blobs,
    descriptor: &Descriptor,
    part: &str,
    means: &Means<'_>,
) -> Result<PathBuf, ContainerError> {
    let sha256 = descriptor.sha256(blobs.image())?;
    let path = path(means, &sha256);
    let there = || -> Result<bool, ContainerError> {
        match path.metadata() {
            Err(_) => Ok(false),
            Ok(found) if found.len() == descriptor.size => Ok(true),
            Ok(found) => Err(wrong_size(blobs.image(), part, descriptor.size, found.len())),
        }
    };
    if there()? {
        mark_used(&path);
        return Ok(path);
    }
    let images = means.cache.join("images");
    std::fs::create_dir_all(&images).at(&images)?;
    let _lock = lock(&images.join(format!("{sha256}.lock")), means.interrupt)?;
    if there()? {
        return Ok(path);
    }
    let activity = format!("fetch {part}");
    let started = std::time::Instant::now();
    means.reporter.report(&Event::ActivityStarted { activity: activity.clone() });
    let unfinished = images.join(format!("{sha256}.part"));
    let mut transfer = Transfer::open(&unfinished, &sha256.into(), &activity, means.reporter, means.interrupt)?;
    transfer = transfer.within(descriptor.size);
    let resumed = transfer.is_resumed();
    let mut verdict = brought(blobs, descriptor, part, &sha256, &mut transfer);
    // The beginning may be that of another file.
    if resumed && matches!(verdict, Err(ContainerError::WrongDigest { .. } | ContainerError::Part { .. })) {
        transfer.restart()?;
        verdict = brought(blobs, descriptor, part, &sha256, &mut transfer);
    }
    if let Err(error) = verdict {
        // What is right so far is kept for the next try.
        if matches!(error, ContainerError::WrongDigest { .. } | ContainerError::Part { .. }) {
            std::fs::remove_file(&unfinished).at(&unfinished)?;
        }
        return Err(error);
    }
    keep(&unfinished, &path)?;
    means.reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
    Ok(path)
}

fn brought(
    blobs: &dyn Blobs,
    descriptor: &Descriptor,
    part: &str,
    sha256: &Sha256,
    transfer: &mut Transfer<'_>,
) -> Result<(), ContainerError> {
    let result = blobs.bring(descriptor, transfer);
    if transfer.length() > descriptor.size {
        return Err(wrong_size(blobs.image(), part, descriptor.size, transfer.length()));
    }
    result?;
    let (_, found) = transfer.finish()?;
    if transfer.length() != descriptor.size {
        return Err(wrong_size(blobs.image(), part, descriptor.size, transfer.length()));
    }
    if found != *sha256 {
        let (part, image) = (part.to_owned(), blobs.image().to_owned());
        return Err(ContainerError::WrongDigest { part, image, expected: *sha256, found });
    }
    Ok(())
}

/// Returns the content of a document.
pub(super) fn document(
    blobs: &dyn Blobs,
    descriptor: &Descriptor,
    part: &str,
    means: &Means<'_>,
) -> Result<Vec<u8>, ContainerError> {
    if descriptor.size > LIMIT {
        let reason = format!("has {} bytes, and may have {LIMIT}", descriptor.size);
        return Err(ContainerError::part(part, blobs.image(), reason));
    }
    let path = file(blobs, descriptor, part, means)?;
    checked(&path, &descriptor.sha256(blobs.image())?, part, blobs.image())
}

/// Reads a document of the cache.
pub(super) fn checked(path: &Path, expected: &Sha256, part: &str, image: &str) -> Result<Vec<u8>, ContainerError> {
    let content = read_limited(path, LIMIT as usize).at(path)?;
    let found = Sha256::of(&content);
    if found != *expected {
        let (part, image) = (part.to_owned(), image.to_owned());
        return Err(ContainerError::WrongDigest { part, image, expected: *expected, found });
    }
    Ok(content)
}

/// Keeps a document in the cache.
pub(super) fn store(means: &Means<'_>, content: &[u8]) -> Result<Sha256, ContainerError> {
    let sha256 = Sha256::of(content);
    let path = path(means, &sha256);
    if !path.exists() {
        let images = means.cache.join("images");
        std::fs::create_dir_all(&images).at(&images)?;
        write_private(&path, content)?;
    }
    Ok(sha256)
}

fn wrong_size(image: &str, part: &str, expected: u64, found: u64) -> ContainerError {
    ContainerError::part(
        part,
        image,
        format!("has {found} bytes or more, and the image names {expected}; nothing of it is kept"),
    )
}
