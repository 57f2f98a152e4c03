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
use super::limited::{read_limited, readable_file};
use super::pins::{self, PinPolicy};
use super::signature::{self, Key, SignatureError};
use super::sums::{self, SumsFault};
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

/// Finds the digest that an image must have: from the recipe, or from the list of checksums that the recipe names, by the file's
/// base name. Paths are relative to `directory`.
pub fn pin(
    source: &ImageSource,
    directory: &Path,
    cache: &Path,
    policy: &PinPolicy,
    network: &Network,
    interrupt: &Interrupt,
) -> Result<Sha256, ImageError> {
    if let Some(digest) = Sha256::parse(&source.sha256) {
        return Ok(digest);
    }
    let key = source.signed_by.as_ref().map(|key| Key::read(directory.join(key).components().collect())).transpose()?;
    let sums = &source.sha256;
    // A pin without a signature, or with another key, must not count for this key.
    let signed = key.as_ref().map(|key| format!(" signed by {}", key.digest)).unwrap_or_default();
    let subject = format!("{sums} for {}{signed}", source.source);
    if let Some(digest) = pins::find(cache, &subject, policy).filter(|_| http::is_url(sums)) {
        return Ok(digest);
    }
    if policy.offline && http::is_url(sums) {
        return Err(ImageError::NotCached(redacted(sums)));
    }
    let network = network.allowing(source.insecure);
    let list = Sums { place: sums, directory, network: &network, interrupt };
    let mut content =
        list.get("")?.ok_or_else(|| ImageError::Sums { sums: redacted(sums), fault: SumsFault::Missing })?;
    if let Some(key) = &key {
        content = list.signed(key, &content, cache)?;
    }
    let name = base_name(&source.source);
    let digest = sums::find(&content, name).map_err(|fault| ImageError::Sums { sums: redacted(sums), fault })?;
    if http::is_url(sums) {
        pins::store(cache, &subject, &digest)?;
    }
    Ok(digest)
}

/// A list of checksums, and files beside it.
struct Sums<'a> {
    place: &'a str,
    directory: &'a Path,
    network: &'a Network,
    interrupt: &'a Interrupt,
}

impl Sums<'_> {
    /// Returns the list, or the file with this ending after the list's name; `None` if it is missing.
    fn get(&self, ending: &str) -> Result<Option<Vec<u8>>, ImageError> {
        let place = self.signature_at(ending);
        if http::is_url(self.place) {
            return Ok(match ending {
                "" => Some(http::get_small(&place, sums::LIMIT, self.network, self.interrupt)?),
                _ => http::get_if_there(&place, signature::LIMIT, self.network, self.interrupt)?,
            });
        }
        let path: PathBuf = self.directory.join(place).components().collect();
        match read_limited(&path, sums::LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !ending.is_empty() => Ok(None),
            result => result.map(Some).map_err(|source| ImageError::NoSuchFile { path, source }),
        }
    }

    fn signature_at(&self, ending: &str) -> String {
        match self.place.find(['?', '#']).filter(|_| http::is_url(self.place)) {
            Some(at) => format!("{}{ending}{}", &self.place[..at], &self.place[at..]),
            None => format!("{}{ending}", self.place),
        }
    }

    /// Returns the part of the list that the key has signed.
    fn signed(&self, key: &Key, list: &[u8], scratch: &Path) -> Result<Vec<u8>, ImageError> {
        let name = redacted(self.place);
        if key.signs_within(list) {
            return Ok(key.signed(list, None, &name, scratch)?);
        }
        for ending in key.endings() {
            if let Some(signature) = self.get(ending)? {
                return Ok(key.signed(list, Some(&signature), &name, scratch)?);
            }
        }
        let tried = key.endings().iter().map(|ending| redacted(&self.signature_at(ending))).collect();
        Err(SignatureError::Unsigned { list: name, tried }.into())
    }
}

/// Fetches an image into the cache, unless it is there. Paths are relative to `directory`.
#[expect(clippy::too_many_arguments, reason = "each is a thing of its own: what, where to, by which way, who is told")]
pub fn fetch(
    source: &ImageSource,
    sha256: &Sha256,
    directory: &Path,
    cache: &Path,
    offline: bool,
    network: &Network,
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
) -> Result<CachedImage, ImageError> {
    let images = cache.join("images");
    let path = images.join(sha256.to_string());
    let disk = images.join(format!("{sha256}.disk.qcow2"));
    let cached = || match cached(&path, sha256)? {
        None if digest_file(&disk).exists() => cached(&disk, sha256),
        found => Ok::<_, ImageError>(found),
    };
    let means = Means { directory, cache, offline, network, reporter, interrupt };
    let mut settle = |part: &Path, origin: &str| settle(part, &path, &disk, origin, reporter, interrupt);
    arrive(source, sha256, &means, &cached, &mut settle)
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

/// Fetches an archive into the cache, unless it is there, and returns its path.
pub fn fetch_archive(source: &ImageSource, sha256: &Sha256, means: &Means<'_>) -> Result<PathBuf, ImageError> {
    let path = means.cache.join("images").join(sha256.to_string());
    let cached = || Ok(path.exists().then(|| path.clone()));
    let path = arrive(source, sha256, means, &cached, &mut |part, _| keep(part, &path))?;
    mark_used(&path);
    Ok(path)
}

/// Notes that a file of the cache was used: no layer names it, so only its time tells the garbage collector.
pub(super) fn mark_used(path: &Path) {
    // It is used all the same if this fails.
    let _ = File::open(path).and_then(|file| file.set_modified(std::time::SystemTime::now()));
}

/// Fetches a file, unless it is there, and lets `settle` move it to its final name.
fn arrive<T>(
    source: &ImageSource,
    sha256: &Sha256,
    means: &Means<'_>,
    cached: &dyn Fn() -> Result<Option<T>, ImageError>,
    settle: &mut dyn FnMut(&Path, &str) -> Result<(), ImageError>,
) -> Result<T, ImageError> {
    let Means { directory, cache, offline, network, reporter, interrupt } = *means;
    let images = cache.join("images");
    if let Some(found) = cached()? {
        return Ok(found);
    }
    let origin = redacted(&source.source);
    if offline && http::is_url(&source.source) {
        return Err(ImageError::NotCached(origin));
    }
    let local: PathBuf = directory.join(&source.source).components().collect();
    if !http::is_url(&source.source) {
        readable_file(&local).map_err(|source| ImageError::NoSuchFile { path: local.clone(), source })?;
    }
    fs::create_dir_all(&images).at(&images)?;
    let _lock = lock(&images.join(format!("{sha256}.lock")), interrupt)?;
    // Another build may have fetched it meanwhile.
    if let Some(found) = cached()? {
        return Ok(found);
    }
    let activity = format!("fetch {}", base_name(&source.source));
    let started = Instant::now();
    reporter.report(&Event::ActivityStarted { activity: activity.clone() });
    let part = images.join(format!("{sha256}.part"));
    let network = network.allowing(source.insecure);
    let mut transfer = Transfer::open(&part, &activity, reporter, interrupt)?;
    let found = if http::is_url(&source.source) {
        let resumed = transfer.is_resumed();
        transfer.download(&source.source, &network)?;
        let found = transfer.finish()?;
        if found != *sha256 && resumed {
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
    let verdict = if found == *sha256 {
        settle(&part, &origin)
    } else {
        Err(ImageError::WrongDigest { origin, expected: *sha256, found })
    };
    if let Err(error) = verdict {
        // The fetched file is good: only the conversion must be repeated.
        if !matches!(error, ImageError::Interrupted | ImageError::NoSpace { .. }) {
            fs::remove_file(&part).at(&part)?;
        }
        return Err(error);
    }
    reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
    cached()?.ok_or_else(|| ImageError::NotCached(source.source.clone()))
}

/// Gives a complete file its final name, under which it never changes.
pub(super) fn keep(part: &Path, path: &Path) -> Result<(), ImageError> {
    fs::set_permissions(part, fs::Permissions::from_mode(0o400)).at(part)?;
    fs::rename(part, path).at(path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(())
}

/// Moves the fetched file to its final name, or converts it if layers cannot use it.
fn settle(
    part: &Path,
    path: &Path,
    disk: &Path,
    origin: &str,
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
) -> Result<(), ImageError> {
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
    let converted = convert(&conversion, reporter, interrupt).map_err(|error| unconverted(error, origin))?;
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

fn cached(path: &Path, sha256: &Sha256) -> Result<Option<CachedImage>, ImageError> {
    if !path.exists() {
        return Ok(None);
    }
    let (format, virtual_size) = check(path)?;
    Ok(Some(CachedImage { path: path.to_owned(), sha256: *sha256, format, virtual_size }))
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

fn base_name(source: &str) -> &str {
    let path = source.split(['?', '#']).next().unwrap_or(source);
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_the_path() {
        for (source, name) in [("https://h/d/a.qcow2?x=1#y", "a.qcow2"), ("./d/a.img", "a.img"), ("a", "a")] {
            assert_eq!(base_name(source), name);
        }
    }
}
