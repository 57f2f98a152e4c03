//! Controls the cache of an image service, which holds copies of images, so that the service need not read a store each time.
//! Image Service API v2, "Cache Manage".

use serde::{Deserialize, Serialize};
use ureq::http::Method;

use super::image::encoded;
use super::{Cloud, CloudError};

/// The content of the cache, and its queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cache {
    /// Images in the cache.
    pub cached_images: Vec<Cached>,
    /// Ids of images that wait to be fetched.
    pub queued_images: Vec<String>,
}

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cached {
    /// Id of the image.
    pub image_id: String,
    /// Size in bytes.
    #[serde(default)]
    pub size: u64,
    /// Number of requests for the image.
    #[serde(default)]
    pub hits: u64,
    /// Time of the last request, in seconds since 1970.
    #[serde(default)]
    pub last_accessed: f64,
}

impl Cloud {
    /// Returns the content of the cache.
    ///
    /// # Errors
    ///
    /// If the service does not answer, has no cache (404) or answers only administrators (403).
    pub fn cache(&self) -> Result<Cache, CloudError> {
        self.get("/v2/cache")
    }

    /// Asks the service to fetch an image into the cache. It does so when it has time.
    ///
    /// # Errors
    ///
    /// If the service refuses: 400 if the image is not `active`.
    pub fn cache_image(&self, id: &str) -> Result<(), CloudError> {
        self.call(&Method::PUT, &format!("/v2/cache/{}", encoded(id)), None)
    }

    /// Removes an image from the cache and from its queue.
    ///
    /// # Errors
    ///
    /// If the service refuses: 404 if there is no such image.
    pub fn uncache_image(&self, id: &str) -> Result<(), CloudError> {
        self.call(&Method::DELETE, &format!("/v2/cache/{}", encoded(id)), None)
    }

    /// Removes all images from the cache and from its queue.
    ///
    /// # Errors
    ///
    /// If the service refuses.
    pub fn clear_cache(&self) -> Result<(), CloudError> {
        self.call(&Method::DELETE, "/v2/cache", None)
    }
}
