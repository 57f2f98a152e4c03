//! Finds an image at a service or makes its record, to which the data is then uploaded. Removes the record if the upload fails.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::deliver::Route;
use super::record::Record;
use crate::digest::Sha256;
use crate::interrupt::Interrupt;
use crate::openstack::image::Image;
use crate::openstack::{Change, Cloud, CloudError, UploadError};
use crate::publish::error::PublishError;
use crate::publish::subject::Source;

/// Namespace of the ids of published images: version 4, drawn once for this purpose.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d1f_2c0e_6f5b_4c53_9a77_1b6f_0b3f_52d4);

/// Deleted images of the same name and content that are tolerated: a service never takes an id twice.
const GENERATIONS: u32 = 64;

/// Time for removing a record after a failure, and the pause between two tries.
const REMOVAL: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(500);

/// Time to wait for another program that is at work on the same image.
const IDLE: Duration = Duration::from_secs(30);

/// A record that waits for its data, or an image that is complete.
pub(super) struct StartedImage {
    pub(super) id: String,
    pub(super) there: Option<Image>,
    /// Status of the image, in Glance's words.
    pub(super) status: String,
    /// The record that an earlier run has left.
    pub(super) left: Option<Image>,
}

/// Finds the image at the service, or makes its record.
pub(super) fn begin(
    cloud: &Cloud,
    source: &Source,
    wanted: &Record,
    route: &Route,
    interrupt: &Interrupt,
) -> Result<StartedImage, PublishError> {
    let busy = |image: &Image| is_busy(image) && !route.can_resume(image, source.artifact.size);
    for generation in 0..GENERATIONS {
        let id = image_id(&wanted.name, &source.artifact.digests.sha256, generation).to_string();
        let mut found = idle(cloud, &id, busy, interrupt)?;
        let left = found.clone();
        if found.is_none() {
            found = match cloud.create_image(&record(&id, source, wanted)) {
                Ok(image) => Some(image),
                // It was there once and was deleted, or somebody has made it in the meantime.
                Err(CloudError::Refused { status: 409, .. }) => idle(cloud, &id, busy, interrupt)?,
                // The service may have made it nevertheless.
                Err(error) if error.may_pass() || matches!(error, CloudError::Refused { status: 500.., .. }) => {
                    return Err(undone(cloud, &id, error.into()));
                }
                Err(error) => return Err(error.into()),
            };
        }
        match found {
            Some(image) if image.status == "active" => {
                return Ok(StartedImage { id, status: image.status.clone(), there: Some(image), left: None });
            }
            // The image is new, or an earlier run has ended here.
            Some(image) if route.can_resume(&image, source.artifact.size) => {
                return Ok(StartedImage { id, status: image.status, there: None, left });
            }
            Some(image) if is_busy(&image) => return Err(PublishError::Busy { id, status: image.status }),
            _ => {}
        }
    }
    Err(PublishError::DeletedTooOften(GENERATIONS))
}

/// Returns an image once nothing happens to it: a service needs a moment to see that an earlier run has ended.
fn idle(
    cloud: &Cloud,
    id: &str,
    busy: impl Fn(&Image) -> bool,
    interrupt: &Interrupt,
) -> Result<Option<Image>, CloudError> {
    let started = Instant::now();
    loop {
        let image = cloud.image_by_id(id)?;
        if !image.as_ref().is_some_and(&busy) || started.elapsed() > IDLE || interrupt.is_raised() {
            return Ok(image);
        }
        std::thread::sleep(POLL);
    }
}

/// Returns whether data is on its way into an image.
fn is_busy(image: &Image) -> bool {
    matches!(image.status.as_str(), "saving" | "uploading" | "importing")
}

/// Handles a failed upload. If another program has uploaded the same image in the meantime, its image is returned or reported
/// as busy, never removed. Otherwise the record is removed.
pub(super) fn of_others(cloud: &Cloud, id: &str, error: UploadError) -> Result<Image, PublishError> {
    if let UploadError::Cloud(CloudError::Refused { status: 409, url, .. }) = &error {
        match cloud.image_by_id(id)? {
            // The conflict is about the import, so this run has staged the data.
            Some(image) if image.status == "uploading" && url.ends_with("/import") => {}
            Some(image) if image.status == "active" => return Ok(image),
            Some(image) if is_busy(&image) => return Err(PublishError::Busy { id: image.id, status: image.status }),
            _ => {}
        }
    }
    Err(undone(cloud, id, error))
}

/// Removes the record of a failed upload, and returns the error to report.
pub(super) fn undone(cloud: &Cloud, id: &str, error: UploadError) -> PublishError {
    // The client has waited already for a service that is unreachable.
    let away = matches!(error, UploadError::Cloud(CloudError::Unreachable { .. }));
    match remove_within(if away { POLL } else { REMOVAL }, cloud, id) {
        Ok(()) => PublishError::Upload(error),
        Err(removal) => PublishError::Orphan { id: id.to_owned(), source: error, removal },
    }
}

/// Removes an image. The service may still be at work on its data, so this tries for a while.
pub(super) fn remove(cloud: &Cloud, id: &str) -> Result<(), CloudError> {
    remove_within(REMOVAL, cloud, id)
}

fn remove_within(time: Duration, cloud: &Cloud, id: &str) -> Result<(), CloudError> {
    let started = Instant::now();
    loop {
        let Err(error) = cloud.delete_image(id) else { return Ok(()) };
        // The record of a protected image is protected before there is any data.
        if matches!(error, CloudError::Refused { status: 403, .. }) && unprotected(cloud, id)? {
            continue;
        }
        // A service may delete it and still answer with an error.
        if let Ok(None) = cloud.image_by_id(id) {
            return Ok(());
        }
        let passes =
            matches!(&error, CloudError::Refused { status: 409 | 500..=599, .. } | CloudError::Unreachable { .. });
        if !passes || started.elapsed() > time {
            return Err(error);
        }
        std::thread::sleep(POLL);
    }
}

/// Removes the protection of an image; `false` if it has none.
fn unprotected(cloud: &Cloud, id: &str) -> Result<bool, CloudError> {
    match cloud.image_by_id(id)? {
        Some(image) if image.protected => {
            cloud.change(&image, &[Change::Set("protected".to_owned(), json!(false))]).map(|_| true)
        }
        _ => Ok(false),
    }
}

/// Returns all ids that an image may have.
pub(super) fn ids(source: &Source, wanted: &Record) -> Vec<String> {
    let id = |generation| image_id(&wanted.name, &source.artifact.digests.sha256, generation).to_string();
    (0..GENERATIONS).map(id).collect()
}

/// Returns the id of an image. The generation is 0 unless images of this name and content were deleted before.
fn image_id(name: &str, content: &Sha256, generation: u32) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{name}\n{content}\n{generation}").as_bytes())
}

/// Makes the request to create an image: Image Service API v2, "Create image".
pub(super) fn record(id: &str, source: &Source, wanted: &Record) -> Map<String, Value> {
    let mut record: Map<_, _> = wanted.attributes().into_iter().collect();
    let mut set = |name: &str, value: Value| record.insert(name.to_owned(), value);
    set("id", json!(id));
    set("name", json!(wanted.name));
    set("disk_format", json!(source.artifact.disk_format));
    set("container_format", json!(source.artifact.container_format));
    set("visibility", json!(wanted.visibility.name()));
    set("tags", json!(wanted.tags));
    set("os_hidden", json!(wanted.hidden));
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_name_and_content() {
        let content = Sha256::of(b"disk");
        let first = image_id("gold", &content, 0);
        assert_eq!(first, image_id("gold", &content, 0));
        assert_eq!(first.get_version_num(), 5);
        for other in
            [image_id("silver", &content, 0), image_id("gold", &Sha256::of(b"other"), 0), image_id("gold", &content, 1)]
        {
            assert_ne!(first, other);
        }
    }
}
