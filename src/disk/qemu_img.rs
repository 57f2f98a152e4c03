//! Calls `qemu-img`, which makes, grows and checks the overlays of layers. [`crate::image`] writes exports.
//!
//! Every call names the format. `qemu-img` never probes a raw disk, so its content cannot pose as a header that names other
//! files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::fsx::{IoContext as _, PathError};
use crate::image::Format;
use crate::image::probe::{self, Kind};
use crate::process::{self, ProcessError};

/// An error of a `qemu-img` call.
#[derive(Debug, thiserror::Error)]
pub enum QemuImgError {
    /// The tool failed or is missing.
    #[error("{action} {} failed; qemu-img is part of Debian's package qemu-utils", path.display())]
    Tool {
        /// The action: `checking`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The result of the process.
        #[source]
        source: ProcessError,
    },
    /// The file could not be read.
    #[error(transparent)]
    Access(#[from] PathError),
    /// The program cannot understand the tool's answer.
    #[error("cannot understand what qemu-img says about {}", path.display())]
    Answer {
        /// The file.
        path: PathBuf,
        /// The error in the answer.
        #[source]
        source: serde_json::Error,
    },
}

impl QemuImgError {
    /// Returns whether the user asked to stop.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Tool { source: ProcessError::Interrupted, .. })
    }
}

/// The answer of `qemu-img info`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageInfo {
    /// Format in which the file was opened.
    pub format: Format,
    /// Size of the disk, in bytes.
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
    /// Returns the external file with the data of a qcow2 file, if there is one.
    pub fn data_file(&self) -> Option<&str> {
        self.format_specific.data.data_file.as_deref()
    }

    /// Returns the compression of a qcow2 file's compressed clusters: `zlib` or `zstd`.
    pub fn compression_type(&self) -> Option<&str> {
        self.format_specific.data.compression_type.as_deref()
    }

    /// Returns whether the file has the mark of a corrupt one.
    pub fn is_corrupt(&self) -> bool {
        self.format_specific.data.corrupt
    }
}

/// The program `qemu-img`.
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
    /// Creates it from a path, or from a name in `PATH`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    /// Returns the version of the tool: `7.2.22`.
    pub fn version(&self) -> Result<String, QemuImgError> {
        let text = self.capture("--version", "asking", Path::new("qemu-img"), |_| {})?;
        Ok(text.split_whitespace().nth(2).unwrap_or("unknown").to_owned())
    }

    /// Describes a file, even one in use. The file's magic number decides the format.
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

    /// Makes an empty qcow2 overlay. The header gets the backing path unchanged: absolute, or relative to the overlay. The
    /// backing file is not opened.
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

    /// Grows the disk in a file to `virtual_size` bytes.
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

/// Returns the format of a base or layer from its content: qcow2, or else raw.
fn detect(path: &Path) -> Result<Format, PathError> {
    let kind = File::open(path).and_then(|file| probe::identify(&file)).at(path)?;
    Ok(if kind == Kind::Disk(Format::Qcow2) { Format::Qcow2 } else { Format::Raw })
}

/// Returns QEMU's name of a format.
pub fn name(format: Format) -> &'static str {
    format.traits().qemu.unwrap_or("raw")
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
