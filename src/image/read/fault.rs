//! Faults of image files, and their descriptions.

use std::io;

/// The reason why a file cannot be read as a disk.
#[derive(Debug)]
pub(in crate::image) enum Fault {
    /// The host failed.
    Access(io::Error),
    /// The file is invalid.
    Bad(Complaint),
}

/// A fault of a file, with advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct Complaint {
    /// The fault, as the end of a sentence: "it is truncated".
    pub(in crate::image) reason: String,
    /// Advice.
    pub(in crate::image) help: Option<&'static str>,
}

/// Advice for damaged files.
pub(in crate::image) const GET_AGAIN: &str = "get it again, and compare its checksum with the publisher's";

/// Creates a fault without advice.
pub(in crate::image) fn bad(reason: impl Into<String>) -> Fault {
    Fault::Bad(Complaint { reason: reason.into(), help: None })
}

/// Creates a fault for damage.
pub(in crate::image) fn damaged(reason: impl Into<String>) -> Fault {
    bad(reason).help(GET_AGAIN)
}

/// Creates an error for damage that was found while reading data.
pub(in crate::image) fn rotten(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

impl Fault {
    /// Adds advice.
    pub(in crate::image) fn help(self, help: &'static str) -> Self {
        match self {
            Self::Bad(complaint) => Self::Bad(Complaint { help: Some(help), ..complaint }),
            access => access,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => damaged(error.to_string()),
            _ => Self::Access(error),
        }
    }
}
