//! Images of the image service, by version 2 of its API.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Cloud, CloudError};
use crate::image::Written;

/// Images per page: the largest number that the service gives, unless its operators configure another one.
const PAGE: usize = 1000;

/// An image of the image service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Id of the image.
    pub id: String,
    /// Name of the image, which need not be unique.
    #[serde(default)]
    pub name: Option<String>,
    /// Status: `queued`, `saving`, `uploading`, `importing`, `active`, `deactivated`, `killed`, `deleted`, `pending_delete`.
    pub status: String,
    /// Visibility: `private`, `shared`, `community`, `public`.
    pub visibility: String,
    /// Whether the service refuses to delete the image.
    #[serde(default)]
    pub protected: bool,
    /// Whether lists leave it out.
    #[serde(default)]
    pub os_hidden: bool,
    /// Project that owns the image.
    #[serde(default)]
    pub owner: Option<String>,
    /// Size in bytes; `null` until it has data.
    #[serde(default)]
    pub size: Option<u64>,
    /// Virtual size of the disk, in bytes, if the service has determined it.
    #[serde(default)]
    pub virtual_size: Option<u64>,
    /// Format of the disk.
    #[serde(default)]
    pub disk_format: Option<String>,
    /// Container format, in which the disk is packed.
    #[serde(default)]
    pub container_format: Option<String>,
    /// Least disk of a flavor, in GiB.
    #[serde(default)]
    pub min_disk: u64,
    /// Least memory of a flavor, in MiB.
    #[serde(default)]
    pub min_ram: u64,
    /// MD5 of the data.
    #[serde(default)]
    pub checksum: Option<String>,
    /// Name of another digest that the service computes: `sha512`.
    #[serde(default)]
    pub os_hash_algo: Option<String>,
    /// Value of this digest.
    #[serde(default)]
    pub os_hash_value: Option<String>,
    /// Time of creation, RFC 3339.
    #[serde(default)]
    pub created_at: Option<String>,
    /// Time of the last change, RFC 3339.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// All other fields: properties, and fields that the service adds.
    #[serde(flatten)]
    pub properties: BTreeMap<String, Value>,
}

/// The filter, order and limit of a list of images.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageQuery {
    /// Conditions that the service checks: names and values of properties.
    pub filters: Vec<(String, String)>,
    /// Keys and directions: `created_at:desc`.
    pub sort: Option<String>,
    /// Largest number of images.
    pub limit: Option<usize>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
struct Page {
    images: Vec<Image>,
    #[serde(default)]
    next: Option<String>,
}

/// An error of finding one image.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No image has this name or id.
    #[error("there is no image `{name}`")]
    None {
        /// Name or id that was searched for.
        name: String,
    },
    /// Several images have this name.
    #[error("{} images have the name `{name}`", images.len())]
    Several {
        /// The name.
        name: String,
        /// All images with this name.
        images: Vec<Image>,
    },
    /// The service does not answer, or refuses a request.
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

impl Image {
    /// Returns all fields of the image, by the service's names.
    pub fn fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            other => unreachable!("an image is an object in JSON: {other:?}"),
        }
    }

    /// Compares size and digests that the service reports with those of the data. Returns the first that differs: its name, the
    /// service's value, and the real one. A value is skipped if the service does not report it or its digest is unknown.
    pub(super) fn differs(&self, data: &Written) -> Option<(String, String, String)> {
        let algorithm = self.os_hash_algo.clone().unwrap_or_default();
        let digest = match algorithm.as_str() {
            "sha512" => data.digests.sha512.clone(),
            "sha256" => Some(data.digests.sha256.to_string()),
            _ => None,
        };
        let told = [
            ("size".to_owned(), self.size.map(|size| size.to_string()), Some(data.size.to_string())),
            (algorithm, self.os_hash_value.clone(), digest),
            ("MD5".to_owned(), self.checksum.clone(), data.digests.md5.clone()),
        ];
        let known = told.into_iter().filter_map(|(what, theirs, ours)| Some((what, theirs?, ours?)));
        known.into_iter().find(|(_, theirs, ours)| theirs != ours)
    }
}

impl Cloud {
    /// Returns the images of a query, page by page.
    ///
    /// # Errors
    ///
    /// If the service does not answer, or refuses.
    pub fn images(&self, wanted: &ImageQuery) -> Result<Vec<Image>, CloudError> {
        let limit = wanted.limit.unwrap_or(usize::MAX);
        let mut query = format!("/v2/images?limit={}", limit.min(PAGE));
        for (name, value) in &wanted.filters {
            let _ = write!(query, "&{}={}", encoded(name), encoded(value));
        }
        if let Some(sort) = &wanted.sort {
            let _ = write!(query, "&sort={}", encoded(sort));
        }
        let mut images = Vec::new();
        let mut next = Some(query);
        while let Some(path) = next.filter(|_| images.len() < limit) {
            let page: Page = self.get(&path)?;
            // A page without images is the last one, even if it names a next one.
            next = page.next.filter(|_| !page.images.is_empty());
            images.extend(page.images);
        }
        images.truncate(limit);
        Ok(images)
    }

    /// Returns the image with this id, or with this name if it is the only one.
    ///
    /// # Errors
    ///
    /// If there is no such image, or more than one.
    pub fn image(&self, name: &str) -> Result<Image, FindError> {
        if uuid::Uuid::try_parse(name).is_ok()
            && let Some(image) = self.image_by_id(name)?
        {
            return Ok(image);
        }
        let mut found = Vec::new();
        // Hidden images count only if no other has the name.
        for hidden in ["false", "true"] {
            if found.is_empty() {
                let filters = [("name", name), ("os_hidden", hidden)];
                let filters = filters.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
                found = self.images(&ImageQuery { filters, ..ImageQuery::default() })?;
                // The service reads `in:` before a name as the beginning of a list of names.
                found.retain(|image| image.name.as_deref() == Some(name));
            }
        }
        match <[Image; 1]>::try_from(found) {
            Ok([image]) => Ok(image),
            Err(images) if images.is_empty() => Err(FindError::None { name: name.to_owned() }),
            Err(images) => Err(FindError::Several { name: name.to_owned(), images }),
        }
    }
}

/// Quotes a text for a URL: RFC 3986, unreserved characters.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            byte => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_addresses_is_written_otherwise() {
        assert_eq!(encoded("a b&c=d/\u{e4}~"), "a%20b%26c%3Dd%2F%C3%A4~");
    }
}
