//! A store in a bucket of an object store with the S3 API.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::blob;
use super::error::RemoteError;
use super::objects::{Found, Listed, ObjectStore, Version};
use crate::bucket::{Client, Credentials, Object, Place, Progress, S3Error, Upload, header};
use crate::digest::Sha256;
use crate::fsx::IoContext as _;
use crate::interrupt::Interrupt;

/// Number of attempts of a request. A build does not wait for a store, so they are few.
const ATTEMPTS: u32 = 2;

/// Age of leftovers, after which nobody works on them any more.
const LEFT: Duration = Duration::from_secs(24 * 3600);

/// A store in a bucket.
pub struct S3 {
    place: Place,
    client: Client,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3").field("place", &self.place).finish_non_exhaustive()
    }
}

impl S3 {
    /// Makes a store in a bucket. It sends no request.
    ///
    /// # Errors
    ///
    /// If the address is not valid.
    pub fn new(place: Place, credentials: Credentials) -> Result<Self, S3Error> {
        let client = Client::new(&place, credentials)?.with_attempts(ATTEMPTS);
        Ok(Self { place, client })
    }

    fn object<'a>(&'a self, key: &'a str, condition: Option<(&'static str, &'a str)>) -> Object<'a> {
        Object { key, acl: self.place.acl.as_deref(), changes: false, condition }
    }

    /// Writes a small object under a condition, and returns whether it held.
    fn put_if(&self, name: &str, content: &[u8], condition: (&'static str, &str)) -> Result<bool, RemoteError> {
        let key = self.place.key(name);
        match self.client.write(&self.object(&key, Some(condition)), content, &Interrupt::new()) {
            Ok(()) => Ok(true),
            // The second status says that somebody else wrote it at the same time.
            Err(S3Error::Refused { status: 412 | 409, .. }) => Ok(false),
            // The version to replace is gone.
            Err(S3Error::Refused { status: 404, code, .. }) if code != "NoSuchBucket" => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Turns the error of a missing object into `None`.
fn present<T>(result: Result<T, S3Error>) -> Result<Option<T>, S3Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(S3Error::Refused { status: 404, code, .. }) if code != "NoSuchBucket" => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a time of the store, in the form of a header or of a list.
fn time(text: &str) -> Option<SystemTime> {
    let listed = text.parse::<jiff::Timestamp>().ok();
    let told = || jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp());
    listed.or_else(told).map(SystemTime::from)
}

impl ObjectStore for S3 {
    fn place(&self) -> String {
        let Place { bucket, prefix, .. } = &self.place;
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("s3://{bucket}{slash}{prefix}")
    }

    fn address(&self) -> String {
        format!("{} {}", self.place.endpoint, self.place())
    }

    fn get(&self, name: &str, interrupt: &Interrupt) -> Result<Option<Found>, RemoteError> {
        let key = self.place.key(name);
        let get = self.client.bucket.get_object(Some(&self.client.credentials), &key);
        let Some(answer) = present(self.client.send(get, &[], None, interrupt))? else { return Ok(None) };
        let version = Version(header(&answer, "etag").unwrap_or_default().to_owned());
        let modified = header(&answer, "last-modified").and_then(time);
        let content: Box<dyn Read + Send> = Box::new(answer.into_body().into_reader());
        Ok(Some(Found { version, modified, content }))
    }

    fn size(&self, name: &str) -> Result<Option<u64>, RemoteError> {
        let key = self.place.key(name);
        let head = self.client.bucket.head_object(Some(&self.client.credentials), &key);
        let answer = present(self.client.send(head, &[], None, &Interrupt::new()))?;
        Ok(answer.and_then(|answer| header(&answer, "content-length")?.parse().ok()))
    }

    fn put_new(&self, name: &str, content: &[u8]) -> Result<bool, RemoteError> {
        self.put_if(name, content, ("if-none-match", "*"))
    }

    fn put_over(&self, name: &str, content: &[u8], version: &Version) -> Result<bool, RemoteError> {
        self.put_if(name, content, ("if-match", &version.0))
    }

    fn upload(
        &self,
        name: &str,
        file: &Path,
        sha256: &Sha256,
        on_bytes: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), RemoteError> {
        let key = self.place.key(name);
        let opened = File::open(file).at(file)?;
        let size = opened.metadata().at(file)?.len();
        let progress = Progress { before: 0, report: on_bytes, interrupt };
        match self.client.upload(&self.object(&key, None), &opened, size, sha256, &progress) {
            Ok(()) => Ok(()),
            Err(Upload::S3(error)) => Err(error.into()),
            Err(Upload::File(error)) => Err(error).at(file).map_err(RemoteError::from),
            Err(Upload::Differs(found)) => {
                Err(RemoteError::Damaged { name: name.to_owned(), reason: format!("its SHA-256 is {found}") })
            }
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, RemoteError> {
        let prefix = format!("{}/", self.place.key(folder));
        let unclear = |reason: String| S3Error::Answer { what: prefix.clone(), reason };
        let mut listed = Vec::new();
        for object in self.client.list(&prefix)?.into_iter().flat_map(|page| page.contents) {
            let Some(name) = object.key.strip_prefix(&prefix).filter(|name| !name.is_empty()) else { continue };
            let size = object.size.ok_or_else(|| unclear(format!("the list has no size of {}", object.key)))?;
            let modified = object.last_modified.as_deref().and_then(time);
            let modified = modified.ok_or_else(|| unclear(format!("the list has no time of {}", object.key)))?;
            listed.push(Listed { name: name.to_owned(), size, modified });
        }
        Ok(listed)
    }

    fn remove(&self, name: &str) -> Result<(), RemoteError> {
        let key = self.place.key(name);
        let delete = self.client.bucket.delete_object(Some(&self.client.credentials), &key);
        present(self.client.send(delete, &[], None, &Interrupt::new()))?;
        Ok(())
    }

    /// A store sets the time when an object is written, so the same content is written again.
    fn touch(&self, name: &str, content: &[u8], version: &Version) -> Result<(), RemoteError> {
        self.put_over(name, content, version).map(drop)
    }

    fn remove_leftovers(&self, dry_run: bool) -> Result<Vec<String>, RemoteError> {
        Ok(self.client.abort_stale(&format!("{}/", self.place.key(blob::FOLDER)), LEFT, dry_run)?)
    }
}
