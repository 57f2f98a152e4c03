//! Download of an image's data. It continues after an earlier download, and keeps the data only if its digest is that of the
//! service.

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

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// An error of a download.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The service does not answer, or refuses a request.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The image has no data.
    #[error("the image is `{status}`, and has no data to download")]
    NoData {
        /// Status of the image, in Glance's words.
        status: String,
    },
    /// The connection has ended early.
    #[error("the connection ended after {done} of {size} bytes: {reason}")]
    Short {
        /// Bytes that have arrived.
        done: u64,
        /// Bytes in total.
        size: u64,
        /// The cause, if it is known.
        reason: String,
    },
    /// The downloaded data is not that of the service.
    #[error("the downloaded data is not that of the service: its {what} is {ours}, and the service says {theirs}")]
    Differs {
        /// The property that differs: `sha512`.
        what: String,
        /// The property of the downloaded data.
        ours: String,
        /// The property that the service reports.
        theirs: String,
    },
    /// The downloaded data has another signature, or the signature cannot be verified.
    #[error("the signature of the downloaded data is not verified")]
    Signature(#[from] SignatureError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Returns the path of the file beside `file` that keeps an unfinished download. It differs for each image.
pub fn part(file: &Path, image: &str) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.{}.goldsmith-part", Sha256::of(image.as_bytes()).short()))
}

impl Cloud {
    /// Downloads the data of an image into a file. The file appears when it is complete and has the digest that the service
    /// reports. Data of an interrupted download in [`part`] is not requested again. `signed` is a signature to verify. `progress`
    /// gets the bytes that have arrived.
    ///
    /// # Errors
    ///
    /// If the download fails or the user interrupts. The data stays in the part, unless it is wrong.
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
            // The data is of another image.
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
                // The service ignores ranges and sends all data.
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
            // Another try would only continue the wrong data.
            std::fs::remove_file(&path).at(&path)?;
            return Err(DownloadError::Differs { what, ours, theirs });
        }
        if let Some((signature, certificate)) = signed
            && let Err(error) = signature.verify(&path, &come.digests, certificate)
        {
            // Nobody should use it as an image by mistake. If the verification itself failed, a later one may succeed.
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

/// Adds the data of an earlier download to the digest.
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
