//! An image service as a target.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::preflight::{self, Problem};
use super::{Properties, Source};
use crate::digest::Sha256;
use crate::event::{Event, Reporter};
use crate::interrupt::Interrupt;
use crate::openstack::image::Image;
use crate::openstack::{Cloud, CloudError, UploadError};

/// Namespace of the ids of published images: version 4, drawn once for this purpose.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d1f_2c0e_6f5b_4c53_9a77_1b6f_0b3f_52d4);

/// How many images of the same name and content may have been deleted before: a service never takes an id twice.
const GENERATIONS: u32 = 64;

/// How long it is tried to remove what was begun, and the time between two tries.
const REMOVAL: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(500);

/// What is wanted of an image at the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// `private`, `shared`, `community`, `public`.
    pub visibility: String,
    /// Words that it can be found by.
    pub tags: Vec<String>,
    /// Whether it cannot be deleted.
    pub protected: bool,
    /// Whether lists leave it out.
    pub hidden: bool,
    /// Its properties.
    pub properties: Properties,
}

/// An image that is at the service.
#[derive(Debug, Clone)]
pub struct Published {
    /// As the service tells of it.
    pub image: Image,
    /// Whether it was there already.
    pub before: bool,
}

/// Why an image is not at the service. Nothing of it is there either, unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The service cannot be asked, or refuses.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The service would refuse it.
    #[error("the service would refuse the image")]
    Refused(Vec<Problem>),
    /// The data did not arrive.
    #[error("cannot upload the image")]
    Upload(#[source] UploadError),
    /// What was begun could not be removed.
    #[error("cannot upload the image, nor remove what is there of it: {id}")]
    Orphan {
        /// Id of the record that is left.
        id: String,
        /// Why it could not be uploaded.
        #[source]
        source: UploadError,
    },
    /// There is such an image, and somebody else is at work on it.
    #[error("the image {id} is `{status}`: somebody else uploads it")]
    Busy {
        /// Its id.
        id: String,
        /// What it is.
        status: String,
    },
    /// Images of this name and content were published and deleted too often.
    #[error("images of this name and content were deleted {GENERATIONS} times")]
    Worn,
}

/// Uploads an image unless it is there.
///
/// # Errors
///
/// See [`PublishError`].
pub fn publish(
    cloud: &Cloud,
    source: &Source,
    wanted: &Wanted,
    reporter: &Arc<dyn Reporter>,
    interrupt: &Interrupt,
) -> Result<Published, PublishError> {
    let problems = preflight::check(cloud, source, wanted)?;
    if !problems.is_empty() {
        return Err(PublishError::Refused(problems));
    }
    let Begun { id, there } = begin(cloud, source, wanted)?;
    if let Some(image) = there {
        return Ok(Published { image, before: true });
    }
    let (activity, started) = (format!("upload {} to {}", source.artifact.file, cloud.name()), Instant::now());
    reporter.report(&Event::ActivityStarted { activity: activity.clone() });
    let total = Some(source.artifact.size);
    let progress = |done| reporter.report(&Event::Progress { activity: activity.clone(), done, total });
    match cloud.upload(&id, &source.file(), &progress, interrupt) {
        Ok(image) => {
            reporter.report(&Event::ActivityFinished { activity: activity.clone(), elapsed: started.elapsed() });
            Ok(Published { image, before: false })
        }
        Err(error) => match remove(cloud, &id) {
            Ok(()) => Err(PublishError::Upload(error)),
            Err(_) => Err(PublishError::Orphan { id, source: error }),
        },
    }
}

/// Removes what was begun. The service may still be at work on what has arrived.
fn remove(cloud: &Cloud, id: &str) -> Result<(), CloudError> {
    let started = Instant::now();
    loop {
        match cloud.delete_image(id) {
            Err(CloudError::Refused { status: 409 | 500..=599, .. } | CloudError::Unreachable { .. })
                if started.elapsed() < REMOVAL =>
            {
                std::thread::sleep(POLL);
            }
            result => return result,
        }
    }
}

/// A record that waits for its data, or an image that is whole.
struct Begun {
    id: String,
    there: Option<Image>,
}

fn begin(cloud: &Cloud, source: &Source, wanted: &Wanted) -> Result<Begun, PublishError> {
    for generation in 0..GENERATIONS {
        let id = image_id(&wanted.name, &source.artifact.digests.sha256, generation).to_string();
        match cloud.image_by_id(&id)? {
            Some(image) if image.status == "active" => return Ok(Begun { id, there: Some(image) }),
            // An earlier run has ended here.
            Some(image) if image.status == "queued" => return Ok(Begun { id, there: None }),
            Some(image) if image.status == "saving" || image.status == "importing" => {
                return Err(PublishError::Busy { id, status: image.status });
            }
            Some(_) => {}
            None => match cloud.create_image(&record(&id, source, wanted)) {
                Ok(_) => return Ok(Begun { id, there: None }),
                // It was there once, and was deleted.
                Err(CloudError::Refused { status: 409, .. }) => {}
                Err(error) => return Err(error.into()),
            },
        }
    }
    Err(PublishError::Worn)
}

/// Id of an image. The generation is 0 unless images of this name and content were deleted before.
fn image_id(name: &str, content: &Sha256, generation: u32) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{name}\n{content}\n{generation}").as_bytes())
}

/// The request to make an image: Image Service API v2, "Create image".
fn record(id: &str, source: &Source, wanted: &Wanted) -> Map<String, Value> {
    let mut record = Map::new();
    let mut set = |name: &str, value: Value| record.insert(name.to_owned(), value);
    for (name, value) in &wanted.properties.values {
        set(name, json!(value));
    }
    set("id", json!(id));
    set("name", json!(wanted.name));
    set("disk_format", json!(source.artifact.disk_format));
    set("container_format", json!(source.artifact.container_format));
    set("visibility", json!(wanted.visibility));
    set("tags", json!(wanted.tags));
    set("protected", json!(wanted.protected));
    set("os_hidden", json!(wanted.hidden));
    set("min_disk", json!(wanted.properties.min_disk));
    set("min_ram", json!(wanted.properties.min_ram));
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
