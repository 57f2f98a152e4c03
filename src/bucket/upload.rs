//! Upload of files to an object store: in one request or in parts. No file or part is held in memory.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Md5;
use rusty_s3::actions::{CompleteMultipartUpload, CompleteMultipartUploadResponse, CreateMultipartUpload};
use sha2::Digest as _;
use ureq::Body;
use ureq::http::Response;

use super::client::{Client, Headers, Sent, body, header};
use super::error::S3Error;
use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError};
use crate::interrupt::Interrupt;

/// Size of the parts of files above 16 MiB. Stores take parts of 5 MiB and more, at most 10000 ("Amazon S3 multipart upload
/// limits").
const PART: u64 = 16 << 20;

/// Largest number of parts of a file.
const PARTS: u64 = 10_000;

/// Bytes that are read at a time.
const CHUNK: usize = 256 << 10;

/// The metadata of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a> {
    /// Name of the object in the bucket.
    pub(crate) key: &'a str,
    /// Canned ACL, in the store's words.
    pub(crate) acl: Option<&'a str>,
    /// Whether caches must revalidate it, because its content changes under its name.
    pub(crate) changes: bool,
    /// Header by which the store writes the object only if a condition holds (RFC 9110, 13.1). Uploads in parts have none.
    pub(crate) condition: Option<(&'static str, &'a str)>,
}

/// The progress of an upload, and its receiver.
pub(crate) struct Progress<'a> {
    pub(crate) before: u64,
    pub(crate) report: &'a dyn Fn(u64),
    pub(crate) interrupt: &'a Interrupt,
}

impl Object<'_> {
    fn headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers = vec![("content-type", content_type(self.key))];
        headers.extend(self.acl.map(|acl| ("x-amz-acl", acl)));
        headers.extend(self.changes.then_some(("cache-control", "no-cache")));
        headers
    }
}

/// A byte range of a file, as a reader.
struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
    begin: u64,
    progress: &'a Progress<'a>,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.progress.interrupt.is_raised() {
            return Err(io::Error::other("interrupted"));
        }
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left).min(CHUNK);
        let count = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += count as u64;
        (self.progress.report)(self.progress.before + self.at - self.begin);
        Ok(count)
    }
}

impl Client {
    /// Writes a small object in one request.
    pub(crate) fn write(&self, object: &Object<'_>, content: &[u8], interrupt: &Interrupt) -> Result<(), S3Error> {
        let (md5, sha256) = (Md5::digest(content), Sha256::of(content));
        let open = || Box::new(content) as Box<dyn Read>;
        let sent = Sent { size: content.len() as u64, open: &open };
        self.put(object, &sent, &md5, &sha256, interrupt)
    }

    /// Uploads a file whose size and digest are known. The object appears only if it is complete and has this digest.
    pub(crate) fn upload(
        &self,
        object: &Object<'_>,
        file: &File,
        size: u64,
        expected: &Sha256,
        progress: &Progress<'_>,
    ) -> Result<(), Upload> {
        if size <= PART {
            let mut whole = sha2::Sha256::new();
            let md5 = hash(file, 0..size, &mut whole, progress.interrupt)?;
            fits(whole, expected)?;
            let open = || Box::new(Section { file, at: 0, begin: 0, end: size, progress }) as Box<dyn Read>;
            return Ok(self.put(object, &Sent { size, open: &open }, &md5, expected, progress.interrupt)?);
        }
        let headers = object.headers();
        let create = CreateMultipartUpload::new(&self.bucket, Some(&self.credentials), object.key);
        let answer = body(self.send(create, &headers, None, progress.interrupt)?, "the beginning of an upload")?;
        let answer = CreateMultipartUpload::parse_response(&String::from_utf8_lossy(&answer));
        let begun = answer.map_err(|error| unclear("the beginning of an upload", &error))?;
        let id = begun.upload_id();
        let done = self.parts(object, id, file, size, expected, progress);
        if done.is_err() {
            let abort = self.bucket.abort_multipart_upload(Some(&self.credentials), object.key, id);
            // Even an interrupted upload cleans up.
            match self.send(abort, &[], None, &Interrupt::new()) {
                Ok(_) | Err(S3Error::Refused { status: 404, .. }) => {}
                Err(error) => {
                    return Err(Upload::S3(S3Error::Parts { key: object.key.to_owned(), source: Box::new(error) }));
                }
            }
        }
        done
    }

    fn parts(
        &self,
        object: &Object<'_>,
        id: &str,
        file: &File,
        size: u64,
        expected: &Sha256,
        progress: &Progress<'_>,
    ) -> Result<(), Upload> {
        let length = part_size(size);
        let (mut whole, mut etags) = (sha2::Sha256::new(), Vec::new());
        for (number, begin) in (1_u16..).zip((0..size).step_by(usize::try_from(length).unwrap_or(usize::MAX))) {
            let end = size.min(begin + length);
            let md5 = hash(file, begin..end, &mut whole, progress.interrupt)?;
            let progress = Progress { before: progress.before + begin, ..*progress };
            let open = || Box::new(Section { file, at: begin, begin, end, progress: &progress }) as Box<dyn Read>;
            let encoded = BASE64_STANDARD.encode(&md5);
            let upload = self.bucket.upload_part(Some(&self.credentials), object.key, number, id);
            let sent = Sent { size: end - begin, open: &open };
            let answer = self.send(upload, &[("content-md5", &encoded)], Some(&sent), progress.interrupt)?;
            etags.push(etag(&answer, object.key, &md5)?);
        }
        fits(whole, expected)?;
        let list = etags.iter().map(String::as_str);
        let key = object.key;
        let text = CompleteMultipartUpload::new(&self.bucket, Some(&self.credentials), key, id, list.clone()).body();
        let complete = CompleteMultipartUpload::new(&self.bucket, Some(&self.credentials), key, id, list);
        let open = || Box::new(text.as_bytes()) as Box<dyn Read>;
        let sent = Sent { size: text.len() as u64, open: &open };
        let answer = body(self.send(complete, &[], Some(&sent), progress.interrupt)?, "the end of an upload")?;
        // A store may send a success status first, and then an error.
        let answer = CompleteMultipartUploadResponse::parse(&String::from_utf8_lossy(&answer));
        answer.map_err(|error| unclear("the end of an upload", &error))?;
        Ok(())
    }

    fn put(
        &self,
        object: &Object<'_>,
        sent: &Sent<'_>,
        md5: &[u8],
        sha256: &Sha256,
        interrupt: &Interrupt,
    ) -> Result<(), S3Error> {
        // The store refuses data with another digest. All stores know MD5, newer ones SHA-256 too.
        let (md5_text, sha256_text) = (BASE64_STANDARD.encode(md5), BASE64_STANDARD.encode(sha256.bytes()));
        let mut headers = object.headers();
        headers.push(("content-md5", &md5_text));
        headers.push(("x-amz-checksum-sha256", &sha256_text));
        headers.extend(object.condition);
        let put = self.bucket.put_object(Some(&self.credentials), object.key);
        let headers: &Headers<'_> = &headers;
        let answer = self.send(put, headers, Some(sent), interrupt)?;
        etag(&answer, object.key, md5).map(drop)
    }
}

/// An error of uploading a file.
#[derive(Debug)]
pub(crate) enum Upload {
    /// The store refused, or did not answer.
    S3(S3Error),
    /// The file cannot be read.
    File(io::Error),
    /// The file has another digest, which is this one.
    Differs(Sha256),
}

impl From<S3Error> for Upload {
    fn from(error: S3Error) -> Self {
        Self::S3(error)
    }
}

impl From<io::Error> for Upload {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

fn unclear(what: &str, error: &dyn std::fmt::Display) -> S3Error {
    S3Error::Answer { what: what.to_owned(), reason: error.to_string() }
}

fn fits(whole: sha2::Sha256, expected: &Sha256) -> Result<(), Upload> {
    let found = Sha256::from(whole);
    if found == *expected { Ok(()) } else { Err(Upload::Differs(found)) }
}

/// Checks and returns the ETag. It is the MD5 of the data, unless the store encrypts by keys of its own ("Object", `ETag`).
fn etag(answer: &Response<Body>, key: &str, md5: &[u8]) -> Result<String, S3Error> {
    let tag = header(answer, "etag").map(str::to_owned);
    let tag = tag.ok_or_else(|| S3Error::Answer { what: key.to_owned(), reason: "it has no ETag".to_owned() })?;
    let plain = header(answer, "x-amz-server-side-encryption").is_none_or(|kind| kind == "AES256");
    let ours = hex::encode(md5);
    if plain && tag.trim_matches('"') != ours {
        return Err(S3Error::Differs { key: key.to_owned(), theirs: tag.trim_matches('"').to_owned(), ours });
    }
    Ok(tag)
}

/// Returns the size of a file's parts, in bytes: a multiple of 1 MiB.
fn part_size(size: u64) -> u64 {
    size.div_ceil(PARTS).next_multiple_of(1 << 20).max(PART)
}

/// Returns the MD5 of a byte range of a file, and adds the range to the digest `whole`.
fn hash(
    file: &File,
    range: std::ops::Range<u64>,
    whole: &mut sha2::Sha256,
    interrupt: &Interrupt,
) -> Result<Vec<u8>, Upload> {
    let (mut md5, mut at, mut chunk) = (Md5::new(), range.start, vec![0; CHUNK]);
    while at < range.end {
        if interrupt.is_raised() {
            return Err(Upload::S3(S3Error::Interrupted));
        }
        let length = chunk.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
        let count = file.read_at(&mut chunk[..length], at)?;
        if count == 0 {
            return Err(Upload::File(io::ErrorKind::UnexpectedEof.into()));
        }
        md5.update(&chunk[..count]);
        whole.update(&chunk[..count]);
        at += count as u64;
    }
    Ok(md5.finalize().to_vec())
}

/// Opens a file.
pub(crate) fn open(path: &std::path::Path) -> Result<File, PathError> {
    File::open(path).at(path)
}

/// Returns the content type of an object: text if a person may want to read it in a browser.
fn content_type(key: &str) -> &'static str {
    let name = key.rsplit('/').next().unwrap_or(key);
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("json") => "application/json",
        Some("asc" | "minisig" | "sjson") => "text/plain; charset=utf-8",
        None => "text/plain; charset=utf-8",
        Some(_) => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_large_enough_and_not_too_many() {
        for (size, part) in [(17 << 20, PART), (PART * PARTS, PART), (PART * PARTS + 1, 17 << 20), (5 << 40, 525 << 20)]
        {
            assert_eq!(part_size(size), part, "{size}");
            assert!(size.div_ceil(part) <= PARTS);
        }
    }
}
