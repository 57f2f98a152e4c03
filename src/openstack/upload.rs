//! Creation of images at the image service: the record, the upload of data, and comparison with the service's digests.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use ureq::http::Method;

use super::agent::UPLOAD_TIMEOUT;
use super::image::Image;
use super::import::ImportError;
use super::retry::{ATTEMPTS, pause, retried};
use super::sending::{Hashing, Sending};
use super::{Cloud, CloudError};
use crate::fsx::{IoContext as _, PathError};
use crate::image::Written;
use crate::image::digests::Kinds;
use crate::interrupt::Interrupt;

/// Digests that services report.
pub(super) const KINDS: Kinds = Kinds { sha512: true, md5: true };

/// Digests that are computed during an upload. MD5 would double the work, and all services since Rocky report SHA-512 too.
const SENT: Kinds = Kinds { sha512: true, md5: false };

/// Pause between two requests for an image.
const POLL: Duration = Duration::from_millis(250);

/// Time that a service may take to notice a broken connection, or to restart.
const SETTLE: Duration = Duration::from_secs(30);

/// An error of an upload.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The service does not answer, or refuses a request.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
    /// The file became shorter during the upload.
    #[error("{} has become shorter while it was sent", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// The content of the file is not the one that was built.
    #[error("{} is not what was built: its SHA-256 is another one", file.display())]
    Other {
        /// The file.
        file: PathBuf,
    },
    /// The service has other data than was sent.
    #[error("the service has other data than what was sent: {what} is {theirs}, and {ours} was sent")]
    Differs {
        /// The property that differs: `size`, `checksum`, `sha512`.
        what: String,
        /// The value at the service.
        theirs: String,
        /// The value of the data that was sent.
        ours: String,
    },
    /// The image has an unexpected status after the upload.
    #[error("the image is `{status}` after it was sent")]
    Status {
        /// Status of the image.
        status: String,
    },
    /// The data has arrived, but the import failed.
    #[error(transparent)]
    Import(ImportError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl From<ImportError> for UploadError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Cloud(error) => Self::Cloud(error),
            ImportError::Interrupted => Self::Interrupted,
            error => Self::Import(error),
        }
    }
}

impl Cloud {
    /// Creates the record of an image.
    ///
    /// # Errors
    ///
    /// If the service refuses: 409 if an image has or had this id.
    pub fn create_image(&self, record: &Map<String, Value>) -> Result<Image, CloudError> {
        let id = record.get("id").and_then(Value::as_str);
        retried(&Interrupt::new(), || match (self.post("/v2/images", &Value::Object(record.clone())), id) {
            // The record may be there in spite of the broken connection. Another try would then fail.
            (Err(error), Some(id)) if error.may_pass() => self.image_by_id(id)?.ok_or(error),
            (result, _) => result,
        })
    }

    /// Removes an image, if it is there.
    ///
    /// # Errors
    ///
    /// If the service refuses.
    pub fn delete_image(&self, id: &str) -> Result<(), CloudError> {
        match retried(&Interrupt::new(), || self.call(&Method::DELETE, &format!("/v2/images/{id}"), None)) {
            Ok(()) | Err(CloudError::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns an image by its id; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// If the service does not answer.
    pub fn image_by_id(&self, id: &str) -> Result<Option<Image>, CloudError> {
        match self.get(&format!("/v2/images/{id}")) {
            Err(CloudError::Refused { status: 404, .. }) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Uploads the data of a `queued` image, into this store or the one that the service prefers. Compares the data with the
    /// service's size and digests, and returns the image and what was sent. `progress` gets the bytes that are sent.
    ///
    /// # Errors
    ///
    /// If the upload fails or the user interrupts; the record is left as it is.
    pub fn upload(
        &self,
        id: &str,
        file: &Path,
        store: Option<&str>,
        progress: &(dyn Fn(u64) + Sync),
        interrupt: &Interrupt,
    ) -> Result<(Image, Written), UploadError> {
        let (image, sent) = self.send_file(id, file, Destination::Image(store), progress, interrupt)?;
        if image.status != "active" {
            return Err(UploadError::Status { status: image.status });
        }
        Ok((compared(image, &sent)?, sent))
    }

    /// Uploads the data of a `queued` image to the staging area, for a later import: Image Service API v2, "Stage binary image
    /// data". Returns what was sent.
    ///
    /// # Errors
    ///
    /// If the upload fails or the user interrupts; the record is left as it is.
    pub fn stage(
        &self,
        id: &str,
        file: &Path,
        progress: &(dyn Fn(u64) + Sync),
        interrupt: &Interrupt,
    ) -> Result<Written, UploadError> {
        let (image, sent) = self.send_file(id, file, Destination::Staging, progress, interrupt)?;
        if !Destination::Staging.has_all(&image) {
            return Err(UploadError::Status { status: image.status });
        }
        compared(image, &sent).map(|_| sent)
    }

    /// Sends a file, with retries after temporary errors, and returns the image after the service has processed it.
    fn send_file(
        &self,
        id: &str,
        file: &Path,
        to: Destination<'_>,
        progress: &(dyn Fn(u64) + Sync),
        interrupt: &Interrupt,
    ) -> Result<(Image, Written), UploadError> {
        let (mut attempt, mut sendings, mut token_ended, mut in_trouble) = (1, 0, false, false);
        let sent = loop {
            // If the token expires during the upload, the upload is lost.
            self.renew()?;
            sendings += 1;
            let (result, read) = self.send_data(id, file, to, progress, interrupt)?;
            let error = match (result, read) {
                (Ok(()), Some(sent)) => break sent,
                (Ok(()), None) => {
                    let reason = "it reported success before all data was sent".to_owned();
                    return Err(CloudError::Strange { url: self.url(&format!("/v2/images/{id}")), reason }.into());
                }
                (Err(error), read) => {
                    let again = match &error {
                        CloudError::Refused { status: 401, .. } => !token_ended,
                        // A slow service may still be at work on the data of an earlier try.
                        CloudError::Refused { status: 409, .. } => sendings > 1,
                        // A server that waits for data in vain answers so too: uWSGI after four seconds. But it may be another
                        // error.
                        CloudError::Refused { status: 500, .. } => {
                            read.is_none() && !std::mem::replace(&mut in_trouble, true)
                        }
                        // A service that restarts refuses connections for a while.
                        CloudError::Unreachable { .. } => true,
                        error => error.may_pass(),
                    };
                    if !again {
                        return Err(error.into());
                    }
                    // The connection may have broken after all data had arrived.
                    let image = self.settled(id, to, read.is_some(), interrupt)?;
                    match read {
                        Some(sent) if to.has_all(&image) => break sent,
                        _ if to.has_all(&image) => break written(file, interrupt)?,
                        _ if image.status == "queued" => error,
                        _ => return Err(error.into()),
                    }
                }
            };
            if let CloudError::Refused { status: 401, .. } = error {
                token_ended = true;
                self.log_in()?;
            } else if attempt >= ATTEMPTS {
                return Err(error.into());
            } else if !pause(attempt, &error, interrupt) {
                return Err(UploadError::Interrupted);
            } else {
                attempt += 1;
            }
        };
        let image = self.settled(id, to, true, interrupt)?;
        let old = image.os_hash_value.is_none() && image.checksum.is_some();
        Ok((image, if old { written(file, interrupt)? } else { sent }))
    }

    /// Sends a file once. Returns the result, and the digests if the file was read to its end.
    fn send_data(
        &self,
        id: &str,
        file: &Path,
        to: Destination<'_>,
        progress: &(dyn Fn(u64) + Sync),
        interrupt: &Interrupt,
    ) -> Result<(Result<(), CloudError>, Option<Written>), UploadError> {
        let opened = File::open(file).at(file)?;
        let size = opened.metadata().at(file)?.len();
        let done = AtomicU64::new(0);
        let (hashing, failed) = (Hashing::start(SENT), None);
        let mut sending = Sending { file: opened, hashing, failed, done: &done, progress, interrupt };
        let (path, store) = match to {
            Destination::Image(store) => ("file", store),
            Destination::Staging => ("stage", None),
        };
        // If an answer takes long, it may never come: firewalls on the way drop idle connections. So this looks at the image.
        let mut looked = Instant::now();
        let mut arrived = || {
            let look = done.load(Ordering::Relaxed) == size && looked.elapsed() > self.silence();
            if look {
                looked = Instant::now();
            }
            look && self.image_by_id(id).is_ok_and(|image| image.is_some_and(|image| to.has_all(&image)))
        };
        let stop = || interrupt.is_raised() || arrived();
        let result = self.put(&format!("/v2/images/{id}/{path}"), size, store, &mut sending, stop);
        if interrupt.is_raised() {
            return Err(UploadError::Interrupted);
        }
        if let Some(source) = sending.failed {
            return Err(match source.kind() {
                io::ErrorKind::UnexpectedEof => UploadError::Changed { file: file.to_owned() },
                _ => PathError { path: file.to_owned(), source }.into(),
            });
        }
        let all = done.load(Ordering::Relaxed) == size;
        let read = sending.hashing.finish();
        Ok((result, all.then_some(read)))
    }

    /// Waits until the service has processed the data of an image. If it has got all data, that may take long.
    fn settled(&self, id: &str, to: Destination<'_>, all: bool, interrupt: &Interrupt) -> Result<Image, UploadError> {
        let (started, limit) = (Instant::now(), if all { UPLOAD_TIMEOUT } else { SETTLE });
        loop {
            if interrupt.is_raised() {
                return Err(UploadError::Interrupted);
            }
            match self.get_until::<Image>(&format!("/v2/images/{id}"), interrupt) {
                Ok(image) if !to.is_receiving(&image) || started.elapsed() > limit => return Ok(image),
                Ok(_) => {}
                Err(CloudError::Unreachable { .. }) if started.elapsed() < SETTLE => {}
                Err(CloudError::Refused { status: 404, .. }) => {
                    return Err(UploadError::Status { status: "deleted".to_owned() });
                }
                Err(error) => return Err(error.into()),
            }
            std::thread::sleep(POLL);
        }
    }
}

/// The destination of data.
#[derive(Debug, Clone, Copy)]
enum Destination<'a> {
    /// The image, in this store or in the one that the service prefers.
    Image(Option<&'a str>),
    /// The staging area, for an import.
    Staging,
}

impl Destination<'_> {
    fn is_receiving(self, image: &Image) -> bool {
        match self {
            Self::Image(_) => image.status == "saving",
            // The size appears when all data is there.
            Self::Staging => image.status == "uploading" && image.size.is_none(),
        }
    }

    fn has_all(self, image: &Image) -> bool {
        match self {
            Self::Image(_) => image.status == "active",
            Self::Staging => image.status == "uploading" && image.size.is_some(),
        }
    }
}

/// Returns the image, if the service's size and digests of its data are those of `data`.
///
/// # Errors
///
/// If the image has other data.
pub fn compared(image: Image, data: &Written) -> Result<Image, UploadError> {
    match image.differs(data) {
        Some((what, theirs, ours)) => Err(UploadError::Differs { what, theirs, ours }),
        None => Ok(image),
    }
}

/// Returns size and digests of a file, for comparison with a service's.
///
/// # Errors
///
/// If the file cannot be read, or the user interrupts.
pub fn written(file: &Path, interrupt: &Interrupt) -> Result<Written, UploadError> {
    let opened = File::open(file).at(file)?;
    let size = opened.metadata().at(file)?.len();
    let (hashing, done) = (Hashing::start(KINDS), AtomicU64::new(0));
    let mut reading = Sending { file: opened, hashing, failed: None, done: &done, progress: &|_| {}, interrupt };
    let read = io::copy(&mut reading.by_ref().take(size), &mut io::sink());
    if interrupt.is_raised() {
        return Err(UploadError::Interrupted);
    }
    read.at(file)?;
    Ok(reading.hashing.finish())
}
