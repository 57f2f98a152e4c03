//! The address of a bucket, and errors of object stores.

/// The address of a bucket, and the way to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Address of the store: `https://s3.example.org`.
    pub endpoint: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Prefix of all objects' names, without `/` at its ends; may be empty.
    pub prefix: String,
    /// Region, which signatures contain.
    pub region: String,
    /// Whether the bucket's name is part of the path instead of the host name.
    pub path_style: bool,
    /// Canned ACL of the objects, in the store's words: `public-read`. Without it, the bucket's settings decide.
    pub acl: Option<String>,
    /// Proxies to use.
    pub proxies: crate::fetch::Proxies,
}

impl Place {
    /// Returns the name of an object in the bucket from its name below the prefix.
    pub fn key(&self, name: &str) -> String {
        match (self.prefix.as_str(), name) {
            ("", name) => name.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, name) => format!("{prefix}/{name}"),
        }
    }
}

/// An error of an object store.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The address is not valid.
    #[error("{endpoint} is no address of an object store: {reason}")]
    Address {
        /// The address.
        endpoint: String,
        /// Description of the error.
        reason: String,
    },
    /// The store cannot be reached.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// URL of the request.
        url: String,
        /// The cause.
        reason: String,
    },
    /// The store refuses a request.
    #[error("{method} {url} is refused with {status}{}{code}{}{message}", colon(code), colon(message))]
    Refused {
        /// Method of the request.
        method: String,
        /// URL of the request.
        url: String,
        /// Status of the answer.
        status: u16,
        /// Error code of the store: `AccessDenied`.
        code: String,
        /// Message of the store.
        message: String,
    },
    /// The answer has an unexpected form.
    #[error("the answer of the store about {what} is not understood: {reason}")]
    Answer {
        /// The thing that was requested.
        what: String,
        /// The cause.
        reason: String,
    },
    /// The store received other data than was sent.
    #[error(
        "the store has other data than what was sent as {key}: its ETag is {theirs}, and the MD5 of what was sent is {ours}"
    )]
    Differs {
        /// Name of the object.
        key: String,
        /// ETag of the object.
        theirs: String,
        /// MD5 of the data that was sent.
        ours: String,
    },
    /// The parts of a failed upload could not be removed. They are invisible, but take room.
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
    /// Returns whether another attempt may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Returns advice for the user.
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
