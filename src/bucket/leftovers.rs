//! Removes multipart uploads that nobody has completed: they are invisible, but take room and cost money.

use std::time::Duration;

use instant_xml::FromXml;
use rusty_s3::S3Action as _;

use super::client::{Client, body};
use super::error::S3Error;
use crate::interrupt::Interrupt;

/// The answer of `ListMultipartUploads` (API reference), with the fields that are used.
#[derive(Debug, FromXml)]
#[xml(rename = "ListMultipartUploadsResult", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct Uploads {
    uploads: Vec<Upload>,
}

/// An incomplete multipart upload.
#[derive(Debug, FromXml)]
#[xml(rename = "Upload", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct Upload {
    #[xml(rename = "Key")]
    key: String,
    #[xml(rename = "UploadId")]
    id: String,
    #[xml(rename = "Initiated")]
    since: Option<String>,
}

/// Returns whether a time of the store is at least this long ago; `false` without a time. Stores round up, so the time may be in
/// the future.
pub(crate) fn is_older(time: Option<&str>, than: Duration) -> bool {
    let time = time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let age = time.map(|time| jiff::Timestamp::now().duration_since(time));
    age.is_some_and(|age| Duration::try_from(age).unwrap_or_default() >= than)
}

impl Client {
    /// Aborts multipart uploads that began this long ago, of objects with this prefix, and returns the objects' names. A dry run
    /// only returns them.
    pub(crate) fn abort_stale(
        &self,
        prefix: &str,
        older_than: Duration,
        dry_run: bool,
    ) -> Result<Vec<String>, S3Error> {
        // It is asked for like a list of objects, by another word.
        let mut list = self.bucket.list_objects_v2(Some(&self.credentials));
        list.with_prefix(prefix);
        for word in ["list-type", "encoding-type"] {
            list.query_mut().remove(word);
        }
        list.query_mut().insert("uploads", "");
        let answer = match self.send(list, &[], None, &Interrupt::new()) {
            // Some stores lack this request.
            Err(S3Error::Refused { status: 405 | 501, .. }) => return Ok(Vec::new()),
            answer => body(answer?, "a list of uploads")?,
        };
        let mut removed = Vec::new();
        for upload in uploads(&answer)? {
            // Some stores ignore the prefix.
            if upload.key.starts_with(prefix) && is_older(upload.since.as_deref(), older_than) {
                if dry_run {
                    removed.push(upload.key);
                    continue;
                }
                let abort = self.bucket.abort_multipart_upload(Some(&self.credentials), &upload.key, &upload.id);
                match self.send(abort, &[], None, &Interrupt::new()) {
                    Ok(_) => removed.push(upload.key),
                    // Its own run has just ended it.
                    Err(S3Error::Refused { status: 404, .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(removed)
    }
}

fn uploads(answer: &[u8]) -> Result<Vec<Upload>, S3Error> {
    let parsed = instant_xml::from_str::<Uploads>(&String::from_utf8_lossy(answer));
    let failed = |error: instant_xml::Error| S3Error::Answer { what: "uploads".to_owned(), reason: error.to_string() };
    Ok(parsed.map_err(failed)?.uploads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_read_from_a_list_with_more_in_it() {
        let answer = br#"<?xml version="1.0" encoding="UTF-8"?>
            <ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><KeyMarker/>
            <Upload><Key>a/b.qcow2</Key><UploadId>one</UploadId><Initiator><ID>x</ID></Initiator>
            <StorageClass>STANDARD</StorageClass><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>
            <Upload><Key>c</Key><UploadId>two</UploadId></Upload></ListMultipartUploadsResult>"#;
        let uploads = uploads(answer).expect("a list");
        let ids: Vec<_> = uploads.iter().map(|upload| (upload.key.as_str(), upload.id.as_str())).collect();
        assert_eq!(ids, [("a/b.qcow2", "one"), ("c", "two")]);
        assert!(is_older(uploads[0].since.as_deref(), Duration::from_secs(86_400)));
        assert!(super::uploads(b"<html/>").is_err());
    }

    #[test]
    fn what_tells_no_time_is_not_old() {
        let future = (jiff::Timestamp::now() + Duration::from_secs(2)).to_string();
        for (time, than, old) in
            [(None, 0, false), (Some("soon"), 0, false), (Some(&*future), 0, true), (Some(&*future), 1, false)]
        {
            assert_eq!(is_older(time, Duration::from_secs(than)), old, "{time:?}");
        }
    }
}
