//! Images of a cloud that other images start from: finds one, pins it to its id and digest, and downloads it once.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::config::{CloudConfig, Places};
use super::download::DownloadError;
use super::image::{FindError, Image, ImageQuery};
use super::{Cloud, CloudError};
use crate::event::Event;
use crate::fetch::image::{CachedImage, ImageError, Means, adopt};
use crate::fetch::{Checksum, PinPolicy, pins};
use crate::fsx::PathError;
use crate::recipe::GlanceSource;

/// Names of disk formats in the image service (Glance, "Disk and Container Formats") that Goldsmith reads.
const READABLE: [&str; 6] = ["qcow2", "raw", "vmdk", "vhd", "vhdx", "vdi"];

/// A pinned image of a cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudBase {
    /// Id of the image.
    pub id: String,
    /// Name of the image.
    pub name: String,
    /// The digest that the service reports.
    pub digest: Checksum,
}

impl std::fmt::Display for CloudBase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (image {})", self.name, self.id)
    }
}

/// The reason why an image of a cloud cannot be a base.
#[derive(Debug, thiserror::Error)]
pub enum CloudBaseError {
    /// The cloud is not configured, does not answer, or refuses a request.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// No image, or several images, are what the recipe names.
    #[error("{wanted}: {}", found.map_or("there is none".to_owned(), |count| format!("there are {count}")))]
    Count {
        /// What the recipe names.
        wanted: String,
        /// Number of images, if there are several.
        found: Option<usize>,
    },
    /// The image has no data, or data that are no disk.
    #[error("{image} is no disk image that can be a base: {reason}")]
    Unfit {
        /// The image.
        image: String,
        /// The reason.
        reason: String,
    },
    /// The download has failed.
    #[error("cannot download {image}")]
    Download {
        /// The image.
        image: String,
        /// The reason.
        #[source]
        source: DownloadError,
    },
    /// The image cannot be kept in the cache, or is no usable disk image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A pin could not be written.
    #[error(transparent)]
    File(#[from] PathError),
    /// Offline, there is no earlier pin.
    #[error("{0} is not pinned yet: build once without --offline")]
    NotPinned(String),
}

/// Finds the image that a recipe names, and its digest. A recent pin serves again.
///
/// # Errors
///
/// If the cloud cannot be asked, or the image is not there or cannot be a base.
pub fn pin(
    source: &GlanceSource,
    places: &Places,
    policy: &PinPolicy,
    means: &Means<'_>,
) -> Result<CloudBase, CloudBaseError> {
    // The same name means another image in another cloud, region or project.
    let place = |own: &Option<String>, told: &Option<String>| own.clone().or_else(|| told.clone()).unwrap_or_default();
    let (cloud, region) = (place(&source.cloud, &places.cloud), place(&source.region, &places.region));
    let variables = ["OS_CLOUD", "OS_AUTH_URL", "OS_PROJECT_ID", "OS_PROJECT_NAME", "OS_PROJECT_DOMAIN_NAME"];
    let variables = variables.map(|name| places.variables.get(name).cloned().unwrap_or_default());
    let file = places.file.as_deref().unwrap_or(Path::new("")).display();
    let subject = format!("{source} [{cloud}] [{region}] [{file}] [{}]", variables.join("] ["));
    if let Some(pin) = pins::find(means.cache, &subject, policy) {
        return Ok(pin);
    }
    if policy.offline {
        return Err(CloudBaseError::NotPinned(source.to_string()));
    }
    let cloud = connect(source, places, means)?;
    let image = find(&cloud, source)?;
    let pin = examined(&image)?;
    pins::store(means.cache, &subject, &pin)?;
    Ok(pin)
}

/// Downloads a pinned image into the cache, unless it is there.
///
/// # Errors
///
/// If the download fails, or the data are not those of the pin, or no usable disk image.
pub fn fetch(
    source: &GlanceSource,
    pin: &CloudBase,
    places: &Places,
    means: &Means<'_>,
) -> Result<CachedImage, CloudBaseError> {
    let failed = |source| CloudBaseError::Download { image: pin.to_string(), source };
    adopt(&pin.digest, &pin.to_string(), means, |file| {
        let cloud = connect(source, places, means)?;
        let image = cloud.image_by_id(&pin.id)?;
        let gone = || CloudBaseError::Count { wanted: pin.to_string(), found: None };
        let image = image.ok_or_else(gone)?;
        if examined(&image)?.digest != pin.digest {
            let reason = "its digest is another one than before: `--refresh` pins it anew".to_owned();
            return Err(CloudBaseError::Unfit { image: pin.to_string(), reason });
        }
        let activity = format!("fetch {}", pin.name);
        let started = std::time::Instant::now();
        means.reporter.report(&Event::ActivityStarted { activity: activity.clone() });
        let progress = |done| {
            means.reporter.report(&Event::Progress { activity: activity.clone(), done, total: image.size });
        };
        cloud.download(&image, file, None, &progress, means.interrupt).map_err(|error| match error {
            DownloadError::Interrupted => ImageError::Interrupted.into(),
            error => failed(error),
        })?;
        means.reporter.report(&Event::ActivityFinished { activity: activity.clone(), elapsed: started.elapsed() });
        Ok(())
    })
}

fn connect(source: &GlanceSource, places: &Places, means: &Means<'_>) -> Result<Cloud, CloudError> {
    let places = Places {
        cloud: source.cloud.clone().or_else(|| places.cloud.clone()),
        region: source.region.clone().or_else(|| places.region.clone()),
        ..places.clone()
    };
    let config = CloudConfig::find(&places)?;
    if let Some(message) = config.warning() {
        means.reporter.report(&Event::Warning { message });
    }
    Cloud::connect(config)
}

fn find(cloud: &Cloud, source: &GlanceSource) -> Result<Image, CloudBaseError> {
    let count = |found| CloudBaseError::Count { wanted: source.to_string(), found };
    let Some(tag) = &source.tag else {
        return cloud.image(source.image.as_deref().unwrap_or_default()).map_err(|error| match error {
            FindError::None { .. } => count(None),
            FindError::Several { images, .. } => count(Some(images.len())),
            FindError::Cloud(error) => error.into(),
        });
    };
    let filters = [("tag", tag.as_str()), ("status", "active")];
    let filters = filters.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let query = ImageQuery { filters, sort: Some("created_at:desc".to_owned()), limit: None };
    let named = |image: &Image| {
        let is = |name: &String| image.name.as_ref() == Some(name) || image.id == *name;
        source.image.as_ref().is_none_or(is)
    };
    cloud.images(&query)?.into_iter().find(named).ok_or_else(|| count(None))
}

/// Returns the id and the digest of an image that can be a base.
fn examined(image: &Image) -> Result<CloudBase, CloudBaseError> {
    let name = image.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| image.id.clone());
    let name = crate::text::printable(name.as_bytes());
    let unfit = |reason: String| CloudBaseError::Unfit { image: format!("{name} (image {})", image.id), reason };
    if image.status != "active" {
        return Err(unfit(format!("its status is `{}`", image.status)));
    }
    let format = image.disk_format.as_deref().unwrap_or("none");
    if !READABLE.contains(&format) {
        return Err(unfit(format!("its disk format is `{format}`")));
    }
    if image.container_format.as_deref().is_some_and(|container| !["bare", "ova"].contains(&container)) {
        return Err(unfit(format!(
            "its container format is `{}`",
            image.container_format.as_deref().unwrap_or_default()
        )));
    }
    let digest = image.os_hash_value.as_deref().and_then(Checksum::parse);
    let digest =
        digest.ok_or_else(|| unfit("the service reports neither SHA-512 nor SHA-256 of its data".to_owned()))?;
    Ok(CloudBase { id: image.id.clone(), name, digest })
}
