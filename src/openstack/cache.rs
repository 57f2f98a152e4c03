//! The cache of an image service: images that it keeps near, so that they need not come from a store each time. Image Service
//! API v2, "Cache Manage".

use serde::{Deserialize, Serialize};
use ureq::http::Method;

use super::image::encoded;
use super::{Cloud, CloudError};

/// What is in the cache, and what will be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cache {
    /// Images that are there.
    pub cached_images: Vec<Cached>,
    /// Ids of images that wait to be fetched.
    pub queued_images: Vec<String>,
}

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cached {
    /// Its id.
    pub image_id: String,
    /// Size in bytes.
    #[serde(default)]
    pub size: u64,
    /// How often it was asked for.
    #[serde(default)]
    pub hits: u64,
    /// When it was asked for last, in seconds since 1970.
    #[serde(default)]
    pub last_accessed: f64,
}

impl Cloud {
    /// What is in the cache.
    ///
    /// # Errors
    ///
    /// If the service cannot be asked, has no cache (404) or tells only administrators (403).
    pub fn cache(&self) -> Result<Cache, CloudError> {
        self.get("/v2/cache")
    }

    /// Has an image fetched into the cache, which the service does when it has time.
    ///
    /// # Errors
    ///
    /// If the service refuses: 400 if the image is not `active`.
    pub fn cache_image(&self, id: &str) -> Result<(), CloudError> {
        self.call(&Method::PUT, &format!("/v2/cache/{}", encoded(id)), None)
    }

    /// Takes an image out of the cache, and off the list of those that will be fetched.
    ///
    /// # Errors
    ///
    /// If the service refuses: 404 if there is no such image.
    pub fn uncache_image(&self, id: &str) -> Result<(), CloudError> {
        self.call(&Method::DELETE, &format!("/v2/cache/{}", encoded(id)), None)
    }

    /// Empties the cache, and the list of what will be fetched.
    ///
    /// # Errors
    ///
    /// If the service refuses.
    pub fn clear_cache(&self) -> Result<(), CloudError> {
        self.call(&Method::DELETE, "/v2/cache", None)
    }
}
