//! `qemu-img`, which makes, grows and checks the overlays of layers; exports are written by [`crate::image`].
//!
//! Every call names the format: a raw disk is never probed, so its content cannot pose as a header
//! that names other files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::fsx::{IoContext as _, PathError};
use crate::image::Format;
use crate::image::probe::{self, Kind};
use crate::process::{self, ProcessError};

/// What a call of `qemu-img` can fail with.
#[derive(Debug, thiserror::Error)]
pub enum QemuImgError {
    /// The tool failed or is missing.
    #[error("{action} {} failed; qemu-img is part of Debian's package qemu-utils", path.display())]
    Tool {
        /// What was done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// How it ended.
        #[source]
        source: ProcessError,
    },
    /// The file could not be read.
    #[error(transparent)]
    Access(#[from] PathError),
    /// The tool's answer is not what this program knows.
    #[error("cannot understand what qemu-img says about {}", path.display())]
    Answer {
        /// The file asked about.
        path: PathBuf,
        /// What is wrong with the answer.
        #[source]
        source: serde_json::Error,
    },
}

impl QemuImgError {
    /// Whether the user asked to stop.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Tool { source: ProcessError::Interrupted, .. })
    }
}

/// What `qemu-img info` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageInfo {
    /// Format the file was opened as.
    pub format: Format,
    /// Size of the disk in the file, in bytes.
    pub virtual_size: u64,
    /// Bytes the file takes on the host.
    #[serde(default)]
    pub actual_size: u64,
    /// Backing file as the header names it.
    #[serde(rename = "backing-filename")]
    pub backing_file: Option<String>,
    /// Whether the content is encrypted.
    #[serde(default)]
    pub encrypted: bool,
    #[serde(default)]
    format_specific: FormatSpecific,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct FormatSpecific {
    #[serde(default)]
    data: Qcow2Data,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Qcow2Data {
    data_file: Option<String>,
    compression_type: Option<String>,
    #[serde(default)]
    corrupt: bool,
}

impl ImageInfo {
    /// The external file that holds the data of a qcow2 file, if there is one.
    pub fn data_file(&self) -> Option<&str> {
        self.format_specific.data.data_file.as_deref()
    }

    /// Compression of a qcow2 file's compressed clusters: `zlib` or `zstd`.
    pub fn compression_type(&self) -> Option<&str> {
        self.format_specific.data.compression_type.as_deref()
    }

    /// Whether the file is marked as corrupt.
    pub fn is_corrupt(&self) -> bool {
        self.format_specific.data.corrupt
    }
}

/// The tool.
#[derive(Debug, Clone)]
pub struct QemuImg {
    program: PathBuf,
}

impl Default for QemuImg {
    fn default() -> Self {
        Self { program: PathBuf::from("qemu-img") }
    }
}

impl QemuImg {
    /// The tool at a path, or of a name in `PATH`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    /// Version of the tool: `7.2.22`.
    pub fn version(&self) -> Result<String, QemuImgError> {
        let text = self.capture("--version", "asking", Path::new("qemu-img"), |_| {})?;
        Ok(text.split_whitespace().nth(2).unwrap_or("unknown").to_owned())
    }

    /// Describes a file, also one that is in use. The format is told by the file's magic number.
    pub fn info(&self, path: &Path) -> Result<ImageInfo, QemuImgError> {
        let format = detect(path)?;
        let answer = self.capture("info", "examining", path, |command| {
            command.args(["--output=json", "-U", "-f", name(format)]).arg(path);
        })?;
        serde_json::from_str(&answer).map_err(|source| QemuImgError::Answer { path: path.to_owned(), source })
    }

    /// Checks a qcow2 file's tables and reference counts. A raw file has nothing to check.
    pub fn check(&self, path: &Path) -> Result<(), QemuImgError> {
        let format = detect(path)?;
        if format == Format::Raw {
            return Ok(());
        }
        self.capture("check", "checking", path, |command| {
            command.args(["-q", "-U", "-f", name(format)]).arg(path);
        })
        .map(drop)
    }

    /// Makes an empty qcow2 overlay. The backing path goes into the header as it is given: absolute, or relative to
    /// the overlay; it is not opened.
    pub fn create_overlay(
        &self,
        overlay: &Path,
        backing: &Path,
        backing_format: Format,
        virtual_size: u64,
    ) -> Result<(), QemuImgError> {
        self.capture("create", "making the overlay", overlay, |command| {
            command.args(["-q", "-u", "-f", "qcow2", "-F", name(backing_format), "-b"]).arg(backing);
            command.arg(overlay).arg(virtual_size.to_string());
        })
        .map(drop)
    }

    /// Grows the disk in a file to so many bytes.
    pub fn grow(&self, path: &Path, virtual_size: u64) -> Result<(), QemuImgError> {
        let format = detect(path)?;
        self.capture("resize", "growing", path, |command| {
            command.args(["-q", "-f", name(format)]).arg(path).arg(virtual_size.to_string());
        })
        .map(drop)
    }

    fn capture(
        &self,
        verb: &str,
        action: &'static str,
        path: &Path,
        arguments: impl FnOnce(&mut Command),
    ) -> Result<String, QemuImgError> {
        let mut command = Command::new(&self.program);
        command.arg(verb);
        arguments(&mut command);
        process::capture(&mut command).map_err(|source| QemuImgError::Tool { action, path: path.to_owned(), source })
    }
}

/// Tells the format of a file that layers stand on by its content: qcow2, or else raw.
fn detect(path: &Path) -> Result<Format, PathError> {
    let kind = File::open(path).and_then(|file| probe::identify(&file)).at(path)?;
    Ok(if kind == Kind::Disk(Format::Qcow2) { Format::Qcow2 } else { Format::Raw })
}

/// A format's name for QEMU.
pub fn name(format: Format) -> &'static str {
    format.facts().qemu.unwrap_or("raw")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let info: ImageInfo = serde_json::from_str(
            r#"{"virtual-size": 3221225472, "filename": "a", "cluster-size": 65536, "format": "qcow2", "actual-size": 4096,
                "backing-filename": "../b/disk.qcow2", "dirty-flag": false,
                "format-specific": {"type": "qcow2", "data": {"compat": "1.1", "compression-type": "zstd",
                "data-file": "x.raw", "corrupt": true}}}"#,
        )
        .expect("answer");
        assert_eq!((info.format, info.virtual_size), (Format::Qcow2, 3 << 30));
        assert_eq!(info.backing_file.as_deref(), Some("../b/disk.qcow2"));
        assert_eq!((info.data_file(), info.compression_type()), (Some("x.raw"), Some("zstd")));
        assert!(info.is_corrupt() && !info.encrypted);
    }
}
