//! Errors of fetching a container image.

use crate::digest::Sha256;
use crate::fetch::connection::HttpError;
use crate::fetch::image_error::ImageError;
use crate::fsx::PathError;
use crate::tree::TreeError;

/// The reason why a container image is not available. Nothing wrong is kept.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// Something could not be fetched.
    #[error(transparent)]
    Fetch(#[from] ImageError),
    /// The name of the image cannot be understood.
    #[error("`{name}` is no name of a container image: {reason}")]
    Name {
        /// The name.
        name: String,
        /// The reason.
        reason: String,
    },
    /// The registry or layout does not have the image.
    #[error("{image} is not there{}", also(.known))]
    NotThere {
        /// The image.
        image: String,
        /// Names of images that are there, if that is known.
        known: Vec<String>,
    },
    /// The registry wants a login.
    #[error("{host} wants a login for {image}{}", why.as_ref().map(|why| format!(", and {why}")).unwrap_or_default())]
    NoLogin {
        /// The registry.
        host: String,
        /// The image.
        image: String,
        /// Why there is none, as far as that is known.
        why: Option<String>,
    },
    /// The registry refuses the login.
    #[error("{host} refuses the login for {image}")]
    WrongLogin {
        /// The registry.
        host: String,
        /// The image.
        image: String,
    },
    /// The image has no variant for the architecture.
    #[error("{image} has no image for {wanted}: it is for {}", known.join(", "))]
    NoArch {
        /// The image.
        image: String,
        /// The architecture of the recipe, as registries name it.
        wanted: String,
        /// Platforms that it has.
        known: Vec<String>,
    },
    /// A part of the image cannot be used.
    #[error("{part} of {image} {reason}")]
    Part {
        /// The part with an article, such as `the manifest`.
        part: String,
        /// The image.
        image: String,
        /// The reason.
        reason: String,
    },
    /// A part of the image is not what its name says.
    #[error(
        "{part} of {image} has another SHA-256 than its name says; nothing of it is kept\n  expected {expected}\n  found    {found}"
    )]
    WrongDigest {
        /// The part with an article.
        part: String,
        /// The image.
        image: String,
        /// The digest in its name.
        expected: Sha256,
        /// The digest that it has.
        found: Sha256,
    },
    /// The file is no archive.
    #[error(transparent)]
    Archive(#[from] TreeError),
}

fn also(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!("; images there: {}", known.join(", ")) }
}

impl ContainerError {
    /// Makes an error about a part.
    pub(super) fn part(part: impl Into<String>, image: &str, reason: impl Into<String>) -> Self {
        Self::Part { part: part.into(), image: image.to_owned(), reason: reason.into() }
    }

    /// Returns whether the user asked to stop.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Fetch(ImageError::Interrupted) | Self::Archive(TreeError::Interrupted))
    }
}

impl From<HttpError> for ContainerError {
    fn from(error: HttpError) -> Self {
        Self::Fetch(error.into())
    }
}

impl From<PathError> for ContainerError {
    fn from(error: PathError) -> Self {
        Self::Fetch(error.into())
    }
}
