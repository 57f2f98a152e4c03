//! Making images: the record, the data, and what the service says of them afterwards.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use ureq::http::Method;

use super::image::Image;
use super::import::ImportError;
use super::{Cloud, CloudError};
use crate::fsx::{IoContext as _, PathError};
use crate::image::Written;
use crate::image::digests::{Hasher, Kinds};
use crate::interrupt::Interrupt;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Digests that services tell.
pub(super) const KINDS: Kinds = Kinds { sha512: true, md5: true };

/// Chunks that may wait to be hashed.
const WAITING: usize = 8;

/// Time between two looks at an image.
const POLL: Duration = Duration::from_millis(250);

/// How often data is sent again where the connection has broken.
const ATTEMPTS: u32 = 3;

/// How long a service may take to see that a connection has broken.
const SETTLE: Duration = Duration::from_secs(30);

/// Why data is not at the service.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The service cannot be asked, or refuses.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
    /// The service has something else than what was sent.
    #[error("the service has other data than what was sent: {what} is {theirs}, and {ours} was sent")]
    Differs {
        /// What differs: `size`, `checksum`, `sha512`.
        what: String,
        /// What the service has.
        theirs: String,
        /// What was sent.
        ours: String,
    },
    /// The image is not what it should be after it was sent.
    #[error("the image is `{status}` after it was sent")]
    Status {
        /// What it is.
        status: String,
    },
    /// It has arrived, and the service did not take it into the image.
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
    /// Makes the record of an image.
    ///
    /// # Errors
    ///
    /// If the service refuses: 409 if there is one of this id, or was one.
    pub fn create_image(&self, record: &Map<String, Value>) -> Result<Image, CloudError> {
        self.post("/v2/images", &Value::Object(record.clone()))
    }

    /// Removes an image, if it is there.
    ///
    /// # Errors
    ///
    /// If the service refuses.
    pub fn delete_image(&self, id: &str) -> Result<(), CloudError> {
        match self.call(&Method::DELETE, &format!("/v2/images/{id}"), None) {
            Ok(()) | Err(CloudError::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// An image by its id; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the service cannot be asked.
    pub fn image_by_id(&self, id: &str) -> Result<Option<Image>, CloudError> {
        match self.get(&format!("/v2/images/{id}")) {
            Err(CloudError::Refused { status: 404, .. }) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Sends the data of an image whose record is `queued`, into this store or the one that the service prefers, and compares
    /// what the service says of it with what was sent. `progress` is told the bytes sent.
    ///
    /// # Errors
    ///
    /// If that does not come to a good end; the record is left as it is.
    pub fn upload(
        &self,
        id: &str,
        file: &Path,
        store: Option<&str>,
        progress: &(dyn Fn(u64) + Sync),
        interrupt: &Interrupt,
    ) -> Result<Image, UploadError> {
        let (image, sent) = self.send_file(id, file, Destination::Image(store), progress, interrupt)?;
        if image.status != "active" {
            return Err(UploadError::Status { status: image.status });
        }
        compared(image, &sent)
    }

    /// Sends data to where an import takes it from, for an image whose record is `queued`: Image Service API v2, "Stage binary
    /// image data". Returns what was sent.
    ///
    /// # Errors
    ///
    /// If that does not come to a good end; the record is left as it is.
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

    /// Sends a file, again where the connection breaks, and returns what the service says of it when it has settled.
    fn send_file(
        &self,
        id: &str,
        file: &Path,
        to: Destination<'_>,
        progress: &(dyn Fn(u64) + Sync),
        interrupt: &Interrupt,
    ) -> Result<(Image, Written), UploadError> {
        let mut attempt = 1;
        let sent = loop {
            // A token that ends during the upload makes it worthless.
            self.renew()?;
            match self.send_data(id, file, to, progress, interrupt) {
                Err(UploadError::Cloud(CloudError::Unreachable { .. })) if attempt < ATTEMPTS => {
                    // The connection may have broken after all had arrived.
                    if to.has_all(&self.settled(id, to, interrupt)?) {
                        break written(file, interrupt)?;
                    }
                    attempt += 1;
                }
                result => break result?,
            }
        };
        Ok((self.settled(id, to, interrupt)?, sent))
    }

    fn send_data(
        &self,
        id: &str,
        file: &Path,
        to: Destination<'_>,
        progress: &(dyn Fn(u64) + Sync),
        interrupt: &Interrupt,
    ) -> Result<Written, UploadError> {
        let opened = File::open(file).at(file)?;
        let size = opened.metadata().at(file)?.len();
        let hashing = Hashing::start();
        let mut sending = Sending { file: opened, hashing, done: 0, progress, interrupt };
        let (path, store) = match to {
            Destination::Image(store) => ("file", store),
            Destination::Staging => ("stage", None),
        };
        let result = self.put(&format!("/v2/images/{id}/{path}"), size, store, &mut sending);
        if interrupt.is_raised() {
            return Err(UploadError::Interrupted);
        }
        result?;
        Ok(sending.hashing.finish())
    }

    /// Waits until the service does nothing more with the data of an image.
    fn settled(&self, id: &str, to: Destination<'_>, interrupt: &Interrupt) -> Result<Image, UploadError> {
        let started = Instant::now();
        loop {
            if interrupt.is_raised() {
                return Err(UploadError::Interrupted);
            }
            let image = self.image_by_id(id)?.ok_or_else(|| UploadError::Status { status: "deleted".to_owned() })?;
            if !to.is_receiving(&image) || started.elapsed() > SETTLE {
                return Ok(image);
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Where data goes.
#[derive(Debug, Clone, Copy)]
enum Destination<'a> {
    /// Into the image: in this store, or in the one that the service prefers.
    Image(Option<&'a str>),
    /// To where an import takes it from.
    Staging,
}

impl Destination<'_> {
    fn is_receiving(self, image: &Image) -> bool {
        match self {
            Self::Image(_) => image.status == "saving",
            // The size is told when all is there.
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

/// The image, if what the service tells of its data is true.
///
/// # Errors
///
/// If it has other data.
pub fn compared(image: Image, data: &Written) -> Result<Image, UploadError> {
    match image.differs(data) {
        Some((what, theirs, ours)) => Err(UploadError::Differs { what, theirs, ours }),
        None => Ok(image),
    }
}

/// Size and digests of a file, as services tell them.
///
/// # Errors
///
/// If it cannot be read, or the user does not want to wait.
pub fn written(file: &Path, interrupt: &Interrupt) -> Result<Written, UploadError> {
    let opened = File::open(file).at(file)?;
    let mut reading = Sending { file: opened, hashing: Hashing::start(), done: 0, progress: &|_| {}, interrupt };
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = reading.read(&mut buffer);
        if interrupt.is_raised() {
            return Err(UploadError::Interrupted);
        }
        if read.at(file)? == 0 {
            return Ok(reading.hashing.finish());
        }
    }
}

/// Digests are computed beside the sending.
struct Hashing {
    chunks: SyncSender<Vec<u8>>,
    worker: JoinHandle<Written>,
}

impl Hashing {
    fn start() -> Self {
        let (chunks, received) = mpsc::sync_channel::<Vec<u8>>(WAITING);
        let worker = std::thread::spawn(move || {
            let mut hasher = Hasher::new(KINDS);
            let mut size = 0;
            for chunk in received {
                size += chunk.len() as u64;
                hasher.update(&chunk);
            }
            Written { size, digests: hasher.finish() }
        });
        Self { chunks, worker }
    }

    fn finish(self) -> Written {
        drop(self.chunks);
        self.worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A file on its way.
pub(super) struct Sending<'a> {
    file: File,
    hashing: Hashing,
    done: u64,
    progress: &'a (dyn Fn(u64) + Sync),
    interrupt: &'a Interrupt,
}

impl Read for Sending<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.is_raised() {
            return Err(io::Error::other("interrupted"));
        }
        let length = buffer.len().min(CHUNK);
        let count = self.file.read(&mut buffer[..length])?;
        if count > 0 && self.hashing.chunks.send(buffer[..count].to_vec()).is_err() {
            return Err(io::Error::other("the digests cannot be computed"));
        }
        self.done += count as u64;
        (self.progress)(self.done);
        Ok(count)
    }
}
