//! The files of an export, called artifacts, and their metadata.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fsx::{Access, NewFile, PathError};
use crate::image::digests::{Checksum, Digests};
use crate::image::{Output, Written};

/// An exported file and its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// File name, within the output directory.
    pub file: String,
    /// The output of the recipe.
    #[serde(flatten)]
    pub output: Output,
    /// `disk_format` at the image service, if it accepts the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_format: Option<String>,
    /// `container_format` of the image service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_format: Option<String>,
    /// Size in bytes. A raw file may occupy less on the disk.
    pub size: u64,
    /// Digests of the file.
    #[serde(flatten)]
    pub digests: Digests,
}

impl Artifact {
    pub(super) fn new(file: &str, output: &Output, written: Written) -> Self {
        let suits = output.encoding().is_ok_and(|encoding| encoding.suits_glance());
        let glance = output.format.traits().glance.filter(|_| suits);
        Self {
            file: file.to_owned(),
            output: Output { file: None, ..output.clone() },
            disk_format: glance.map(|(disk, _)| disk.to_owned()),
            container_format: glance.map(|(_, container)| container.to_owned()),
            size: written.size,
            digests: written.digests,
        }
    }
}

/// The artifacts of one image, all of them complete.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Directory of the artifacts.
    pub dir: PathBuf,
    /// The artifacts.
    pub artifacts: Vec<Artifact>,
    /// Whether they were there already, from the same disk.
    pub unchanged: bool,
}

/// An artifact that is complete, but still has its temporary name.
pub(super) struct Finished {
    pub(super) artifact: Artifact,
    pub(super) part: Part,
}

/// A file that is being written under a temporary name.
#[derive(Debug)]
pub(super) struct Part {
    /// Final name of the file.
    pub(super) file: String,
    pub(super) new: NewFile,
}

impl Part {
    pub(super) fn new(dir: &Path, file: String) -> Result<Self, PathError> {
        let new = NewFile::create(&dir.join(&file), Access::Umask)?;
        Ok(Self { file, new })
    }
}

/// Returns the content of a file of checksums in the form of sha256sum(1), if all artifacts have that checksum.
pub(crate) fn sums(artifacts: &[Artifact], checksum: Checksum) -> Option<String> {
    let lines = artifacts
        .iter()
        .map(|artifact| artifact.digests.get(checksum).map(|digest| format!("{digest}  {}\n", artifact.file)));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digests::{Hasher, Kinds};

    #[test]
    fn artifacts_have_a_name_for_the_image_service_if_it_takes_them() {
        for (output, names) in [
            (r#"{"format":"qcow2"}"#, Some(("qcow2", "bare"))),
            (r#"{"format":"ova"}"#, Some(("vmdk", "ova"))),
            (r#"{"format":"vhd"}"#, Some(("vhd", "bare"))),
            (r#"{"format":"vhd","subformat":"fixed"}"#, None),
            (r#"{"format":"raw","compression":"xz"}"#, None),
            (r#"{"format":"squashfs"}"#, None),
        ] {
            let written = Written { size: 1, digests: Hasher::new(Kinds::default()).finish() };
            let artifact = Artifact::new("file", &serde_json::from_str(output).expect("an output"), written);
            let told = artifact.disk_format.as_deref().zip(artifact.container_format.as_deref());
            assert_eq!(told, names, "{output}");
            let text = serde_json::to_string(&artifact).expect("JSON");
            assert_eq!(serde_json::from_str::<Artifact>(&text).expect("JSON"), artifact, "{text}");
        }
    }
}
