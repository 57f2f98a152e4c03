//! Fetches base images to `<cache>/images/<sha256>`, where they never change. They are checked before they appear there.
//!
//! A download that stopped is `<sha256>.part`, and continues later. `<sha256>.lock` prevents two builds from fetching the same
//! file at once. Layers need a base in qcow2 or raw format. An image in another format, or compressed as a whole, is converted
//! once to `<sha256>.disk.qcow2`, whose digest is in `<sha256>.disk.sha256`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use super::Network;
use super::connection::redacted;
use super::http;
pub use super::image_error::ImageError;
use super::limited::readable_file;
use super::listed::base_name;
pub use super::listed::pin;
use super::pins::{self, PinPolicy};
use super::sums::Checksum;
use super::transfer::Transfer;
use crate::digest::Sha256;
use crate::disk::qemu_img::QemuImg;
use crate::event::{Event, Reporter};
use crate::fsx::{IoContext as _, PathError, sync_dir, write_private};
use crate::image::convert::{Conversion, ConvertError, convert};
use crate::image::digests::Kinds;
use crate::image::probe::{self, Kind};
use crate::image::read::{self, OpenError, Options};
use crate::image::{Compat, Encoding, Format, Qcow2Encoding};
use crate::interrupt::Interrupt;
use crate::recipe::ImageSource;
use crate::units::ByteSize;

/// A base image in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedImage {
    /// The file. It never changes.
    pub path: PathBuf,
    /// The digest of the file.
    pub sha256: Sha256,
    /// The format of the file.
    pub format: Format,
    /// Size of the disk, in bytes.
    pub virtual_size: u64,
}

/// Fetches the image with a digest into the cache, unless it is there. Paths are relative to `directory`.
#[expect(clippy::too_many_arguments, reason = "each is a thing of its own: what, where to, by which way, who is told")]
pub fn fetch(
    source: &ImageSource,
    wanted: &Checksum,
    directory: &Path,
    cache: &Path,
    offline: bool,
    network: &Network,
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
) -> Result<CachedImage, ImageError> {
    let means = Means { directory, cache, offline, network, reporter, interrupt };
    let mut settle = |part: &Path, sha256: &Sha256, origin: &str| settle(part, sha256, &means, origin);
    arrive(source, wanted, &means, &|sha256| cached(cache, sha256), &mut settle)
}

/// Takes an image that `bring` downloads to the path that it gets, and compares with the digest, into the cache, unless it is there.
pub(crate) fn adopt<E: From<ImageError>>(
    wanted: &Checksum,
    origin: &str,
    means: &Means<'_>,
    bring: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<CachedImage, E> {
    let cached = |sha256: &Sha256| cached(means.cache, sha256);
    let bring = |part: &Path| {
        if means.offline {
            return Err(ImageError::NotCached(origin.to_owned()).into());
        }
        bring(part)?;
        Ok(Sha256::of_file(part).map_err(ImageError::from)?)
    };
    once(wanted, origin, means, &cached, bring, &mut |part, sha256| settle(part, sha256, means, origin))
}

/// Returns the file with a digest, which `bring` writes unless it is there. `bring` gets the path for an unfinished file, where an
/// earlier run may have left its beginning, and returns the SHA-256 of the whole; `settle` moves the file to its final name. Another
/// process that wants the same file waits meanwhile.
fn once<T, E: From<ImageError>>(
    wanted: &Checksum,
    origin: &str,
    means: &Means<'_>,
    cached: &dyn Fn(&Sha256) -> Result<Option<T>, ImageError>,
    bring: impl FnOnce(&Path) -> Result<Sha256, E>,
    settle: &mut dyn FnMut(&Path, &Sha256) -> Result<(), ImageError>,
) -> Result<T, E> {
    let Means { cache, interrupt, .. } = *means;
    let images = cache.join("images");
    let known = || sha256_of(wanted, cache).map_or(Ok(None), |sha256| cached(&sha256));
    if let Some(found) = known()? {
        return Ok(found);
    }
    fs::create_dir_all(&images).at(&images).map_err(ImageError::from)?;
    let name = file_name(wanted);
    let _lock = lock(&images.join(format!("{name}.lock")), interrupt)?;
    // Another build may have fetched it meanwhile.
    if let Some(found) = known()? {
        return Ok(found);
    }
    let part = images.join(format!("{name}.part"));
    let sha256 = bring(&part)?;
    if let Err(error) = settle(&part, &sha256) {
        // The fetched file is good: only the conversion must be repeated.
        if !matches!(error, ImageError::Interrupted | ImageError::NoSpace { .. }) {
            fs::remove_file(&part).at(&part).map_err(ImageError::from)?;
        }
        return Err(error.into());
    }
    remember(wanted, &sha256, cache)?;
    Ok(cached(&sha256)?.ok_or_else(|| ImageError::NotCached(origin.to_owned()))?)
}

/// What it takes to fetch something.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Folder where relative paths begin.
    pub directory: &'a Path,
    /// The cache.
    pub cache: &'a Path,
    /// Whether the network is never used.
    pub offline: bool,
    /// The way to servers.
    pub network: &'a Network,
    /// Receiver of the progress.
    pub reporter: &'a dyn Reporter,
    /// The user's request to stop.
    pub interrupt: &'a Interrupt,
}

impl std::fmt::Debug for Means<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Means").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// Fetches the archive with a digest into the cache, unless it is there, and returns its path and its SHA-256.
pub fn fetch_archive(
    source: &ImageSource,
    wanted: &Checksum,
    means: &Means<'_>,
) -> Result<(PathBuf, Sha256), ImageError> {
    let path = |sha256: &Sha256| means.cache.join("images").join(sha256.to_string());
    let cached = |sha256: &Sha256| Ok(Some((path(sha256), *sha256)).filter(|(path, _)| path.exists()));
    let found = arrive(source, wanted, means, &cached, &mut |part, sha256, _| keep(part, &path(sha256)))?;
    mark_used(&found.0);
    Ok(found)
}

/// Returns the digest of a file of this host.
///
/// # Errors
///
/// There is no such file, or it cannot be read.
pub fn digest_of_file(path: &Path) -> Result<Sha256, ImageError> {
    readable_file(path).map_err(|source| ImageError::NoSuchFile { path: path.to_owned(), source })?;
    Ok(Sha256::of_file(path)?)
}

/// A policy that accepts every earlier pin: the SHA-256 of a file with a known SHA-512 never changes.
const ANY_AGE: PinPolicy = PinPolicy { max_age: Duration::MAX, newer_than: None, offline: true };

/// Returns the name of the files of a download: files in this directory have the names of SHA-256 digests.
fn file_name(wanted: &Checksum) -> Sha256 {
    match wanted {
        Checksum::Sha256(digest) => *digest,
        Checksum::Sha512(bytes) => Sha256::of(bytes),
    }
}

/// Stores the SHA-256 of the file with a SHA-512.
fn remember(wanted: &Checksum, sha256: &Sha256, cache: &Path) -> Result<(), ImageError> {
    match wanted {
        Checksum::Sha256(_) => Ok(()),
        Checksum::Sha512(_) => Ok(pins::store(cache, &long_subject(wanted), sha256)?),
    }
}

fn long_subject(wanted: &Checksum) -> String {
    format!("file with the SHA-512 {wanted}")
}

/// Returns the SHA-256 of the file with a digest, if it is known.
fn sha256_of(wanted: &Checksum, cache: &Path) -> Option<Sha256> {
    match wanted {
        Checksum::Sha256(digest) => Some(*digest),
        Checksum::Sha512(_) => pins::find(cache, &long_subject(wanted), &ANY_AGE),
    }
}

/// Notes that a file of the cache was used: no layer names it, so only its time tells the garbage collector.
pub(super) fn mark_used(path: &Path) {
    // It is used all the same if this fails.
    let _ = File::open(path).and_then(|file| file.set_modified(std::time::SystemTime::now()));
}

/// Fetches a file, unless it is there, and lets `settle` move it to its final name.
fn arrive<T>(
    source: &ImageSource,
    wanted: &Checksum,
    means: &Means<'_>,
    cached: &dyn Fn(&Sha256) -> Result<Option<T>, ImageError>,
    settle: &mut dyn FnMut(&Path, &Sha256, &str) -> Result<(), ImageError>,
) -> Result<T, ImageError> {
    let origin = redacted(&source.source);
    let bring = |part: &Path| download(source, wanted, means, part, &origin);
    once(wanted, &origin, means, cached, bring, &mut |part, sha256| settle(part, sha256, &origin))
}

/// Downloads or copies a file, and returns its SHA-256. A file with another digest than the wanted one is removed.
fn download(
    source: &ImageSource,
    wanted: &Checksum,
    means: &Means<'_>,
    part: &Path,
    origin: &str,
) -> Result<Sha256, ImageError> {
    let Means { directory, offline, network, reporter, interrupt, .. } = *means;
    let is_url = http::is_url(&source.source);
    if offline && is_url {
        return Err(ImageError::NotCached(origin.to_owned()));
    }
    let local: PathBuf = directory.join(&source.source).components().collect();
    if !is_url {
        readable_file(&local).map_err(|source| ImageError::NoSuchFile { path: local.clone(), source })?;
    }
    let activity = format!("fetch {}", base_name(&source.source));
    let started = Instant::now();
    reporter.report(&Event::ActivityStarted { activity: activity.clone() });
    let network = network.allowing(source.insecure);
    let mut transfer = Transfer::open(part, wanted, &activity, reporter, interrupt)?;
    let (found, sha256) = if is_url {
        let resumed = transfer.is_resumed();
        transfer.download(&source.source, &network)?;
        let found = transfer.finish()?;
        if found.0 != *wanted && resumed {
            // The beginning and the rest may be from different versions of the file.
            transfer.restart()?;
            transfer.download(&source.source, &network)?;
            transfer.finish()?
        } else {
            found
        }
    } else {
        transfer.copy(&local)?;
        transfer.finish()?
    };
    if found != *wanted {
        fs::remove_file(part).at(part)?;
        return Err(ImageError::WrongDigest { origin: origin.to_owned(), expected: *wanted, found });
    }
    reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
    Ok(sha256)
}

/// Gives a complete file its final name, under which it never changes.
pub(super) fn keep(part: &Path, path: &Path) -> Result<(), ImageError> {
    fs::set_permissions(part, fs::Permissions::from_mode(0o400)).at(part)?;
    fs::rename(part, path).at(path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(())
}

/// Moves the fetched file to its final name, or converts it if layers cannot use it.
fn settle(part: &Path, sha256: &Sha256, means: &Means<'_>, origin: &str) -> Result<(), ImageError> {
    let (path, disk) = &places(means.cache, sha256);
    let kind = File::open(part).and_then(|file| probe::identify(&file)).at(part)?;
    let is_direct = match kind {
        Kind::Packed(_) => false,
        Kind::Disk(format) => matches!(format, Format::Qcow2 | Format::Raw),
        Kind::Other(_) | Kind::Unknown => true,
    };
    if is_direct {
        examine(part, origin)?;
        return keep(part, path);
    }
    let conversion = Conversion {
        input: part,
        from: None,
        output: disk,
        to: Format::Qcow2,
        // Every build reads this file: compressed clusters would cost more time than the space is worth.
        encoding: Encoding::Qcow2(Qcow2Encoding { codec: None, cluster_size: 64 << 10, compat: Compat::V1_1 }),
        kinds: Kinds::default(),
        max_size: None,
        replace: true,
    };
    let converted =
        convert(&conversion, means.reporter, means.interrupt).map_err(|error| unconverted(error, origin))?;
    if let Err(error) = examine(disk, origin) {
        fs::remove_file(disk).at(disk)?;
        return Err(error);
    }
    fs::set_permissions(disk, fs::Permissions::from_mode(0o400)).at(disk)?;
    write_private(&digest_file(disk), format!("{}\n", converted.written.digests.sha256).as_bytes())?;
    fs::remove_file(part).at(part)?;
    Ok(())
}

/// Returns the file with the digest of a converted image. It exists once the image is complete.
fn digest_file(disk: &Path) -> PathBuf {
    disk.with_extension("sha256")
}

/// Returns an error of a conversion with the name that the user knows instead of the one in the cache.
fn unconverted(error: ConvertError, origin: &str) -> ImageError {
    ImageError::Convert(Box::new(match error {
        ConvertError::Interrupted => return ImageError::Interrupted,
        ConvertError::NoSpace { directory, room, needed, .. } => {
            return ImageError::NoSpace { path: directory, needed, available: room };
        }
        ConvertError::Open(OpenError::Refused { reason, help, .. }) => {
            ConvertError::Open(OpenError::Refused { path: origin.into(), reason, help })
        }
        ConvertError::Open(OpenError::Unpack { source, .. }) => {
            ConvertError::Open(OpenError::Unpack { path: origin.into(), source })
        }
        ConvertError::Read { source, .. } => ConvertError::Read { path: origin.into(), source },
        error => error,
    }))
}

/// Smallest disk that can hold a system, in bytes.
const SMALLEST: u64 = ByteSize::MIB;

/// Returns the format of an image, and the size of its disk. [`QemuImg::check`] finds damage inside a qcow2 file.
fn check(path: &Path) -> Result<(Format, u64), OpenError> {
    let opened = read::open(path, &Options::default())?;
    let size = opened.source.size();
    if size < SMALLEST {
        let reason = format!("a disk of {} cannot hold a system", ByteSize::bytes(size));
        return Err(OpenError::Refused { path: path.to_owned(), reason, help: None });
    }
    Ok((opened.format, size))
}

/// Refuses images that are incomplete or need other files.
fn examine(part: &Path, origin: &str) -> Result<(), ImageError> {
    check(part).map_err(|error| match error {
        // The user does not know the name in the cache.
        OpenError::Refused { reason, help, .. } => OpenError::Refused { path: origin.into(), reason, help },
        error => error,
    })?;
    QemuImg::default()
        .check(part)
        .map_err(|source| ImageError::Damaged { origin: origin.to_owned(), source: Box::new(source) })
}

/// Returns the file of an image, and that of its conversion.
fn places(cache: &Path, sha256: &Sha256) -> (PathBuf, PathBuf) {
    let images = cache.join("images");
    (images.join(sha256.to_string()), images.join(format!("{sha256}.disk.qcow2")))
}

/// Returns the image with a digest, if the cache has it.
fn cached(cache: &Path, sha256: &Sha256) -> Result<Option<CachedImage>, ImageError> {
    let (path, disk) = places(cache, sha256);
    let path = if path.exists() {
        path
    } else if digest_file(&disk).exists() && disk.exists() {
        disk
    } else {
        return Ok(None);
    };
    let (format, virtual_size) = check(&path)?;
    Ok(Some(CachedImage { path, sha256: *sha256, format, virtual_size }))
}

pub(super) fn lock(path: &Path, interrupt: &Interrupt) -> Result<File, ImageError> {
    let file = File::options().create(true).truncate(false).write(true).open(path).at(path)?;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(PathError { path: path.to_owned(), source: io::Error::from(error) }.into()),
        }
        if interrupt.is_raised() {
            return Err(ImageError::Interrupted);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
