//! Writes a download to a file: hashes the bytes as they arrive, and continues after an interruption.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use super::Network;
use super::connection::{HttpError, redacted};
use super::http::{self, Answer};
use super::image_error::ImageError;
use super::network::Headers;
use super::sums::Checksum;
use crate::digest::Sha256;
use crate::event::{Event, Reporter};
use crate::fsx::{self, IoContext as _, PathError};
use crate::interrupt::Interrupt;
use crate::units::ByteSize;

const CHUNK: usize = 256 * 1024;
/// Bytes between two progress events.
const REPORT_EVERY: u64 = 4 << 20;

/// A file that is being fetched, with its digest and its reporter.
pub(super) struct Transfer<'a> {
    file: File,
    path: PathBuf,
    hasher: sha2::Sha256,
    /// Computes SHA-512 too, for a file whose SHA-256 is not known.
    long: Option<sha2::Sha512>,
    done: u64,
    reported: u64,
    total: Option<u64>,
    /// Bytes that the file may have, if that is known.
    most: Option<u64>,
    headers: Headers,
    activity: &'a str,
    reporter: &'a dyn Reporter,
    interrupt: &'a Interrupt,
}

impl<'a> Transfer<'a> {
    /// Opens a file to continue it, or creates it. Existing bytes are hashed again, as `wanted` needs it.
    pub(super) fn open(
        path: &Path,
        wanted: &Checksum,
        activity: &'a str,
        reporter: &'a dyn Reporter,
        interrupt: &'a Interrupt,
    ) -> Result<Self, ImageError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).at(path)?;
        let path = path.to_owned();
        let mut transfer = Self {
            file,
            path,
            hasher: sha2::Sha256::new(),
            long: matches!(wanted, Checksum::Sha512(_)).then(sha2::Sha512::new),
            done: 0,
            reported: 0,
            total: None,
            most: None,
            headers: Headers::default(),
            activity,
            reporter,
            interrupt,
        };
        transfer.take_in_existing()?;
        Ok(transfer)
    }

    fn take_in_existing(&mut self) -> Result<(), ImageError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.file.read(&mut buffer).at(&self.path)? {
                0 => return Ok(()),
                n => {
                    self.hash(&buffer[..n]);
                    self.done += n as u64;
                }
            }
            if self.interrupt.is_raised() {
                return Err(ImageError::Interrupted);
            }
        }
    }

    fn hash(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        if let Some(long) = &mut self.long {
            long.update(bytes);
        }
    }

    /// Sets the number of bytes that the file has. Not more than one piece above it is taken.
    pub(super) fn within(self, most: u64) -> Self {
        Self { most: Some(most), ..self }
    }

    /// Sets further headers of the requests.
    pub(super) fn ask_with(&mut self, headers: Headers) {
        self.headers = headers;
    }

    /// Returns the bytes that were taken so far.
    pub(super) fn length(&self) -> u64 {
        self.done
    }

    /// Returns whether the file had bytes to continue from.
    pub(super) fn is_resumed(&self) -> bool {
        self.done > 0
    }

    /// Empties the file and starts again.
    pub(super) fn restart(&mut self) -> Result<(), PathError> {
        self.file.set_len(0).at(&self.path)?;
        self.file.seek(SeekFrom::Start(0)).at(&self.path)?;
        self.hasher.reset();
        if let Some(long) = &mut self.long {
            long.reset();
        }
        (self.done, self.reported) = (0, 0);
        Ok(())
    }

    /// Copies a whole local file. Blocks of zeros become holes.
    pub(super) fn copy(&mut self, source: &Path) -> Result<(), ImageError> {
        self.restart()?;
        let mut input = File::open(source).at(source)?;
        self.expect(input.metadata().at(source)?.len())?;
        let mut buffer = vec![0; CHUNK];
        loop {
            match input.read(&mut buffer).at(source)? {
                0 => return Ok(()),
                n => self.append(&buffer[..n])?,
            }
            if self.is_too_long() {
                return Ok(());
            }
            if self.interrupt.is_raised() {
                return Err(ImageError::Interrupted);
            }
        }
    }

    /// Downloads a file. Each attempt that makes progress resets the count of failures.
    pub(super) fn download(&mut self, url: &str, network: &Network) -> Result<(), ImageError> {
        let mut failures = 0;
        loop {
            let before = self.done;
            match self.attempt(url, network) {
                Err(ImageError::Http(HttpError::Failed { transient: true, .. })) if failures + 1 < http::ATTEMPTS => {
                    failures = if self.done > before { 0 } else { failures + 1 };
                    http::pause(failures, self.interrupt)?;
                }
                result => return result,
            }
        }
    }

    fn attempt(&mut self, url: &str, network: &Network) -> Result<(), ImageError> {
        let answer = http::get_with(url, self.done, &self.headers, network, self.interrupt)?;
        match answer.status {
            200 => {
                // The server ignores ranges, or this is the beginning.
                if self.done > 0 {
                    self.restart()?;
                }
            }
            206 if starts_at(&answer, self.done) => {}
            // The file is complete, or wrong; the digest decides.
            416 if self.done > 0 => return Ok(()),
            206 => {
                let reason = "the server sends another part of the file than was asked for".to_owned();
                return Err(HttpError::Failed { url: redacted(url), reason, transient: false }.into());
            }
            _ => {
                answer.wait_as_asked(self.interrupt)?;
                return Err(answer.refused(url).into());
            }
        }
        let end = answer.length.map(|length| self.done + length);
        if let Some(end) = end {
            self.expect(end)?;
        }
        while let Some(chunk) = answer.next(self.interrupt)? {
            self.append(&chunk)?;
            if self.is_too_long() {
                return Ok(());
            }
        }
        match end {
            Some(end) if self.done != end => {
                let reason = format!("the connection ended after {} of {end} bytes", self.done);
                Err(HttpError::Failed { url: redacted(url), reason, transient: true }.into())
            }
            _ => Ok(()),
        }
    }

    /// Returns whether more has come than the file may have, which its receiver reports.
    fn is_too_long(&self) -> bool {
        self.most.is_some_and(|most| self.done > most)
    }

    /// Records the size of the whole file, and fails if there is too little free space.
    fn expect(&mut self, total: u64) -> Result<(), ImageError> {
        self.total = Some(total);
        let directory = self.path.parent().unwrap_or(Path::new("."));
        // A file that is too long ends early.
        let needed = total.min(self.most.unwrap_or(total)).saturating_sub(self.done);
        let available = fsx::available_bytes(directory)?;
        if needed > available {
            let (needed, available) = (ByteSize::bytes(needed), ByteSize::bytes(available));
            return Err(ImageError::NoSpace { path: directory.to_owned(), needed, available });
        }
        self.report();
        Ok(())
    }

    fn append(&mut self, chunk: &[u8]) -> Result<(), PathError> {
        self.hash(chunk);
        if chunk.len() == CHUNK && chunk.iter().all(|byte| *byte == 0) {
            self.file.seek(SeekFrom::Current(chunk.len() as i64)).at(&self.path)?;
        } else {
            self.file.write_all(chunk).at(&self.path)?;
        }
        self.done += chunk.len() as u64;
        if self.done - self.reported >= REPORT_EVERY {
            self.report();
        }
        Ok(())
    }

    fn report(&mut self) {
        self.reported = self.done;
        let event = Event::Progress { activity: self.activity.to_owned(), done: self.done, total: self.total };
        self.reporter.report(&event);
    }

    /// Syncs the file, and returns its digest of the wanted kind and its SHA-256.
    pub(super) fn finish(&mut self) -> Result<(Checksum, Sha256), PathError> {
        // A hole at the end is not yet part of the length.
        self.file.set_len(self.done).at(&self.path)?;
        self.file.sync_all().at(&self.path)?;
        self.report();
        let digest = Sha256::from(self.hasher.clone());
        let found = match &self.long {
            Some(long) => Checksum::Sha512(long.clone().finalize().into()),
            None => digest.into(),
        };
        Ok((found, digest))
    }
}

fn starts_at(answer: &Answer, offset: u64) -> bool {
    let start =
        answer.content_range.as_deref().and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    start == Some(offset)
}
