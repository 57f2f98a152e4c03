//! Data of an image that comes back: it goes on where an earlier download has ended, and counts only if its digest is the
//! service's.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::image::{Image, encoded};
use super::retry::{ATTEMPTS, wait};
use super::signature::{Certificate, Signature, SignatureError};
use super::upload::KINDS;
use super::{Cloud, CloudError};
use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError, sync_dir};
use crate::image::Written;
use crate::image::digests::Hasher;
use crate::interrupt::Interrupt;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The service cannot be asked, or refuses.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The image has no data.
    #[error("the image is `{status}`, and has no data to download")]
    NoData {
        /// What it is.
        status: String,
    },
    /// The connection has ended early.
    #[error("the connection ended after {done} of {size} bytes: {reason}")]
    Short {
        /// Bytes that are there.
        done: u64,
        /// Bytes in all.
        size: u64,
        /// Why, if that is known.
        reason: String,
    },
    /// What has come is not what the service has.
    #[error("what has come is not what the service has: its {what} is {ours}, and the service says {theirs}")]
    Differs {
        /// What was compared: `sha512`.
        what: String,
        /// Of what has come.
        ours: String,
        /// What the service says.
        theirs: String,
    },
    /// What has come is not what was signed, or that cannot be found out.
    #[error("what has come does not count")]
    Signature(#[from] SignatureError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// The file beside `file` that an unfinished download of an image is kept in: no other program and no other image has it.
pub fn part(file: &Path, image: &str) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.{}.goldsmith-part", Sha256::of(image.as_bytes()).short()))
}

impl Cloud {
    /// Downloads the data of an image into a file, which appears when it is whole and has the digest that the service tells.
    /// What an interrupted download has left in [`part`] is not asked for again. `signed` is what the data must be signed by.
    /// `progress` is told the bytes that are there.
    ///
    /// # Errors
    ///
    /// If that does not come to a good end. What has come stays in the part, unless it was wrong.
    pub fn download(
        &self,
        image: &Image,
        file: &Path,
        signed: Option<(&Signature, &Certificate)>,
        progress: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), DownloadError> {
        let size = image.size.filter(|_| image.status == "active");
        let size = size.ok_or_else(|| DownloadError::NoData { status: image.status.clone() })?;
        let path = part(file, &image.id);
        let mut opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .at(&path)?;
        let mut hasher = Hasher::new(KINDS);
        let mut done = opened.metadata().at(&path)?.len();
        if done > size {
            // It is of another image.
            opened.set_len(0).at(&path)?;
            done = 0;
        }
        hash(&mut opened, &path, &mut hasher, interrupt)?;
        let (mut attempt, mut buffer) = (1, vec![0; CHUNK]);
        'connections: while done < size {
            let result = self.data(&format!("/v2/images/{}/file", encoded(&image.id)), done, interrupt);
            if interrupt.is_raised() {
                return Err(DownloadError::Interrupted);
            }
            let mut answer = result?;
            let begun = done;
            if !answer.partial && done > 0 {
                // It does not know ranges, and sends all of it.
                opened.set_len(0).at(&path)?;
                (done, hasher) = (0, Hasher::new(KINDS));
            }
            while done < size {
                let read = answer.body.read(&mut buffer);
                if interrupt.is_raised() {
                    return Err(DownloadError::Interrupted);
                }
                let reason = match read {
                    Ok(0) => "the service sent no more".to_owned(),
                    Ok(count) => {
                        hasher.update(&buffer[..count]);
                        opened.write_all(&buffer[..count]).at(&path)?;
                        done += count as u64;
                        progress(done);
                        continue;
                    }
                    Err(error) => error.to_string(),
                };
                if done > begun {
                    attempt = 1;
                }
                if attempt >= ATTEMPTS || !wait(attempt, interrupt) {
                    return Err(DownloadError::Short { done, size, reason });
                }
                attempt += 1;
                continue 'connections;
            }
        }
        let come = Written { size: done, digests: hasher.finish() };
        if let Some((what, theirs, ours)) = image.differs(&come) {
            // What is wrong would stay wrong.
            std::fs::remove_file(&path).at(&path)?;
            return Err(DownloadError::Differs { what, ours, theirs });
        }
        if let Some((signature, certificate)) = signed
            && let Err(error) = signature.verify(&path, &come.digests, certificate)
        {
            // Nobody should take it for an image by mistake. What could not be judged may be judged later.
            if matches!(error, SignatureError::Wrong { .. }) {
                std::fs::remove_file(&path).at(&path)?;
            }
            return Err(error.into());
        }
        opened.sync_all().at(&path)?;
        std::fs::rename(&path, file).at(file)?;
        Ok(sync_dir(file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))?)
    }
}

/// Takes what is there into account.
fn hash(file: &mut File, path: &Path, hasher: &mut Hasher, interrupt: &Interrupt) -> Result<(), DownloadError> {
    let mut buffer = vec![0; CHUNK];
    loop {
        if interrupt.is_raised() {
            return Err(DownloadError::Interrupted);
        }
        match file.read(&mut buffer).at(path)? {
            0 => return Ok(()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
