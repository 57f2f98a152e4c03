//! Why an image is not published.

use super::images::DeriveError;
use super::problem::Problem;
use super::subject::SourceError;
use super::trees::TreeError;
use crate::fsx::PathError;
use crate::openstack::signature::SignatureError;
use crate::openstack::{CloudError, UploadError};

/// Why a target has not got what it should. Nothing of it is there, and what was promoted is promoted, unless the variant
/// says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is nothing to publish.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What the image is told to be cannot be told.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// Its name is none.
    #[error("{0}")]
    Name(String),
    /// The image should be promoted, and nobody has seen that it works.
    #[error("the image is not verified, so that it cannot be promoted")]
    NotVerified,
    /// The service cannot be asked, or refuses.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The service would refuse it.
    #[error("the service would refuse the image")]
    Refused(Vec<Problem>),
    /// It lacks what a standard asks for that the recipe names.
    #[error("the image lacks what SCS-0102 asks for")]
    Lacking(Vec<Problem>),
    /// A secret has no value.
    #[error("{0}")]
    Secret(String),
    /// It cannot be signed.
    #[error(transparent)]
    Signing(#[from] SigningError),
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
        /// Why it could not be removed.
        removal: CloudError,
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
    #[error("images of this name and content were deleted {0} times")]
    Worn(u32),
    /// The image could not be promoted. All is as it was before.
    #[error("cannot promote the image {id}")]
    Promote {
        /// Its id.
        id: String,
        /// Why.
        #[source]
        source: CloudError,
    },
    /// The image could not be promoted, and neither could all be made as it was before.
    #[error("cannot promote the image {id}, nor undo what was done: {left}")]
    HalfPromoted {
        /// Its id.
        id: String,
        /// What is not as it was.
        left: String,
        /// Why it could not be promoted.
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
        /// Id of the promoted one.
        promoted: String,
    },
    /// A tree of files cannot be changed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A secret or credentials are missing.
    #[error("there is no key for {what}: {reason}")]
    Key {
        /// What it is needed for.
        what: String,
        /// Why there is none.
        reason: String,
    },
    /// The target promotes nothing.
    #[error("the target promotes no image, so that there is nothing to roll back")]
    PromotesNothing,
}

/// Why an image is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The key manager cannot be asked, or refuses.
    #[error("the key manager does not give or take the certificate")]
    Cloud(#[from] CloudError),
    /// Key, certificate or `openssl` do not do.
    #[error("cannot sign the image")]
    Signature(#[from] SignatureError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
    /// The artifact is not what was built.
    #[error("{file} is not what was built: it is not signed")]
    Changed {
        /// The artifact.
        file: String,
    },
}
