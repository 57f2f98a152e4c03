//! The targets to which an image can be published.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::glance::Glance;
use super::trees::{Directory, S3};
use crate::image::Output;

/// A place to which an image is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The image service of an OpenStack cloud.
    Glance(Box<Glance>),
    /// A directory, such as that of a web server.
    Directory(Directory),
    /// A bucket of an object store with the S3 API.
    S3(S3),
}

impl Target {
    /// Returns the target's key in recipes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Glance(_) => "glance",
            Self::Directory(_) => "directory",
            Self::S3(_) => "s3",
        }
    }

    /// Returns the errors in this target. `outputs` are the outputs of the image, if they are known.
    pub fn faults(&self, outputs: Option<&[Output]>) -> Vec<Fault> {
        match self {
            Self::Glance(glance) => glance.faults(outputs),
            Self::Directory(directory) => directory.faults(outputs),
            Self::S3(s3) => s3.faults(outputs),
        }
    }

    /// Prefixes relative paths with the directory of the recipe.
    #[must_use]
    pub fn below(self, dir: &Path) -> Self {
        match self {
            Self::Glance(glance) => Self::Glance(Box::new(glance.below(dir))),
            Self::Directory(directory) => Self::Directory(directory.below(dir)),
            Self::S3(s3) => Self::S3(s3.below(dir)),
        }
    }

    /// Returns whether both are the same place, so that each would take the other's images for its own.
    pub fn same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Glance(one), Self::Glance(other)) => {
                (&one.cloud, &one.region, one.format) == (&other.cloud, &other.region, other.format)
            }
            (Self::Directory(one), Self::Directory(other)) => one.path == other.path,
            (Self::S3(one), Self::S3(other)) => {
                (one.endpoint(), &one.bucket, &one.prefix) == (other.endpoint(), &other.bucket, &other.prefix)
            }
            _ => false,
        }
    }
}
