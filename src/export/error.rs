//! Errors of exports.

use std::io;
use std::path::PathBuf;

use crate::fsx::PathError;
use crate::image::read::OpenError;
use crate::process::ProcessError;
use crate::units::ByteSize;

/// An error of an export. Files that were in the output directory before are still there.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The output directory's file system has too little room.
    #[error("{} has {} free, and the artifacts may need {}", dir.display(), ByteSize::bytes(*free), ByteSize::bytes(*needed))]
    NoSpace {
        /// Output directory.
        dir: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes that may be needed.
        needed: u64,
    },
    /// The output is impossible for this disk.
    #[error("cannot make {file}: {reason}")]
    Misfit {
        /// File name of the artifact.
        file: String,
        /// The cause.
        reason: String,
    },
    /// A program that makes an output is not installed.
    #[error("cannot make {file}: {tool} is not installed (package {package})")]
    MissingTool {
        /// File name of the artifact.
        file: String,
        /// The program.
        tool: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program that makes an output failed.
    #[error("cannot make {file}")]
    Tool {
        /// File name of the artifact.
        file: String,
        /// The error of the program.
        #[source]
        source: ProcessError,
    },
    /// The final disk cannot be opened.
    #[error("cannot read the final disk")]
    Open(#[source] OpenError),
    /// Reading the final disk failed.
    #[error("cannot read the final disk")]
    Read(#[source] io::Error),
    /// A file could not be written.
    #[error("cannot make {file}")]
    Write {
        /// File name of the artifact.
        file: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The output directory has a file with the name of an artifact, and it is not from an export.
    #[error("{} was not written by goldsmith, and would be replaced", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}
