//! Errors of publishing and of signing.

use super::images::DeriveError;
use super::problem::Problem;
use super::subject::SourceError;
use super::trees::TreeError;
use crate::fsx::PathError;
use crate::openstack::signature::SignatureError;
use crate::openstack::{CloudError, UploadError};

/// An error of publishing to a target. Unless the variant says otherwise, nothing of the image is at the target, and the
/// promoted image is still promoted.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The artifacts of the build cannot be published.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Properties cannot be derived from the facts of the image.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// The name of the image is not valid.
    #[error("{0}")]
    Name(String),
    /// The image should be promoted, but was not verified.
    #[error("the image is not verified, so that it cannot be promoted")]
    NotVerified,
    /// The service does not answer, or refuses a request.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The checks before the upload found what the service would refuse.
    #[error("the service would refuse the image")]
    Refused(Vec<Problem>),
    /// The image lacks metadata of the standard that the recipe names.
    #[error("the image lacks what SCS-0102 asks for")]
    Lacking(Vec<Problem>),
    /// A secret has no value.
    #[error("{0}")]
    Secret(String),
    /// The image cannot be signed.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The upload failed.
    #[error("cannot upload the image")]
    Upload(#[source] UploadError),
    /// The upload failed, and its record could not be removed.
    #[error("cannot upload the image, nor remove its record {id}")]
    Orphan {
        /// Id of the record that is left.
        id: String,
        /// Why the upload failed.
        #[source]
        source: UploadError,
        /// Why the record could not be removed.
        removal: CloudError,
    },
    /// The service has this image already, and another program is uploading its data.
    #[error("the image {id} is `{status}`: somebody else uploads it")]
    Busy {
        /// Id of the image.
        id: String,
        /// Status of the image, in Glance's words.
        status: String,
    },
    /// Images of this name and content were published and deleted too often.
    #[error("images of this name and content were deleted {0} times")]
    DeletedTooOften(u32),
    /// The image could not be promoted. Everything is as it was before.
    #[error("cannot promote the image {id}")]
    Promote {
        /// Id of the image.
        id: String,
        /// The cause.
        #[source]
        source: CloudError,
    },
    /// The image could not be promoted, and not every change could be undone.
    #[error("cannot promote the image {id}, nor undo what was done: {left}")]
    HalfPromoted {
        /// Id of the image.
        id: String,
        /// Why a change could not be undone.
        left: String,
        /// Why the image could not be promoted.
        #[source]
        source: CloudError,
    },
    /// No image is promoted.
    #[error("no image of `{0}` is promoted")]
    NothingPromoted(String),
    /// There is no earlier image.
    #[error("there is no image of `{name}` before {promoted}, which is promoted")]
    NothingBefore {
        /// Name of the image.
        name: String,
        /// Id of the promoted image.
        promoted: String,
    },
    /// A tree of files cannot be changed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A secret or credentials are missing.
    #[error("there is no key for {what}: {reason}")]
    Key {
        /// The use of the key.
        what: String,
        /// The cause.
        reason: String,
    },
    /// The target has no promotion.
    #[error("the target promotes no image, so that there is nothing to roll back")]
    PromotesNothing,
}

/// An error of signing an image.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The key manager does not answer, or refuses a request.
    #[error("the key manager does not give or take the certificate")]
    Cloud(#[from] CloudError),
    /// The key, the certificate or `openssl` is not usable.
    #[error("cannot sign the image")]
    Signature(#[from] SignatureError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
    /// The content of the artifact is not the one that was built.
    #[error("{file} is not what was built: it is not signed")]
    Changed {
        /// The artifact.
        file: String,
    },
}
