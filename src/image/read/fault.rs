//! What is wrong with an image file, in words.

use std::io;

/// Why a file cannot be read as a disk.
#[derive(Debug)]
pub(in crate::image) enum Fault {
    /// The host failed.
    Access(io::Error),
    /// The file is not what it should be.
    Bad(Complaint),
}

/// What is wrong with a file, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct Complaint {
    /// What is wrong, as the end of a sentence: "it is truncated".
    pub(in crate::image) reason: String,
    /// What to do.
    pub(in crate::image) help: Option<&'static str>,
}

/// What helps against damage.
pub(in crate::image) const GET_AGAIN: &str = "get it again, and compare its checksum with the publisher's";

/// A fault that nothing helps against.
pub(in crate::image) fn bad(reason: impl Into<String>) -> Fault {
    Fault::Bad(Complaint { reason: reason.into(), help: None })
}

/// Damage.
pub(in crate::image) fn damaged(reason: impl Into<String>) -> Fault {
    bad(reason).help(GET_AGAIN)
}

/// Damage that was found while data was read.
pub(in crate::image) fn rotten(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

impl Fault {
    /// Says what to do.
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
