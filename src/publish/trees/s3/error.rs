//! Where a bucket is, and why a store does not do what is asked for.

/// Where a bucket is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Address of the store: `https://s3.example.org`.
    pub endpoint: String,
    /// Name of the bucket.
    pub bucket: String,
    /// What names of objects begin with, without a `/` at its ends; may be empty.
    pub prefix: String,
    /// Region, which requests are signed for.
    pub region: String,
    /// Whether the bucket's name is part of the path, and not of the host's name.
    pub path_style: bool,
    /// Who may read the objects, in the store's words: `public-read`. Else it is the bucket's affair.
    pub acl: Option<String>,
    /// Proxies on the way.
    pub proxies: crate::fetch::Proxies,
}

/// Why a store does not do what is asked for.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// There is no such address.
    #[error("{endpoint} is no address of an object store: {reason}")]
    Address {
        /// The address.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be reached.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It refuses.
    #[error("{method} {url} is refused with {status}{}{code}{}{message}", colon(code), colon(message))]
    Refused {
        /// The request's method.
        method: String,
        /// What was asked for.
        url: String,
        /// The status of the answer.
        status: u16,
        /// The store's word for the reason: `AccessDenied`.
        code: String,
        /// What the store says.
        message: String,
    },
    /// It says something that is not understood.
    #[error("cannot understand what the store answers about {what}: {reason}")]
    Answer {
        /// What was asked for.
        what: String,
        /// Why not.
        reason: String,
    },
    /// It has something else than what was sent.
    #[error(
        "the store has other data than what was sent as {key}: its ETag is {theirs}, and the MD5 of what was sent is {ours}"
    )]
    Differs {
        /// Name of the object.
        key: String,
        /// What it has.
        theirs: String,
        /// What was sent.
        ours: String,
    },
    /// Parts of an upload that failed could not be removed; nobody sees them, but they take room.
    #[error("cannot upload {key}, nor remove the parts of it that have arrived")]
    Parts {
        /// Name of the object.
        key: String,
        /// Why they could not be removed.
        #[source]
        source: Box<S3Error>,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

fn colon(text: &str) -> &'static str {
    if text.is_empty() { "" } else { ": " }
}

impl S3Error {
    /// Whether another attempt may succeed.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        let Self::Refused { status, code, .. } = self else { return None };
        Some(match (status, code.as_str()) {
            (_, "NoSuchBucket") => "make the bucket first, or name another one",
            (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch") => {
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are for another store, or the region is another one"
            }
            (_, "AccessControlListNotSupported") => "leave out `acl`: the bucket's policy says who may read",
            (_, "AccessDenied") | (403, _) => {
                "these credentials must be allowed to list the bucket, and to get, put and delete objects"
            }
            (301 | 307 | 308, _) | (_, "AuthorizationHeaderMalformed") => "the bucket is in another region",
            _ => return None,
        })
    }
}
