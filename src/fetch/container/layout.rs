//! Container images in a directory: "OCI Image Layout Specification" (`image-layout.md`).

use std::path::PathBuf;

use serde::Deserialize;

use super::blobs::Blobs;
use super::error::ContainerError;
use super::spec::{self, Descriptor, Index, LIMIT};
use crate::fetch::image_error::ImageError;
use crate::fetch::limited::{read_limited, readable_file};
use crate::fetch::transfer::Transfer;

/// Version of the layout.
const VERSION: &str = "1.0.0";

/// A directory with images.
pub(super) struct Layout {
    pub(super) dir: PathBuf,
    pub(super) image: String,
}

/// The file `oci-layout`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

impl Layout {
    /// Finds the image with a name, or the only one.
    pub(super) fn find(&self, tag: Option<&str>) -> Result<Descriptor, ContainerError> {
        let marker: Marker = spec::read(&self.read("oci-layout")?, "the file oci-layout", &self.image)?;
        if marker.image_layout_version != VERSION {
            let reason = format!("names version `{}`, and only {VERSION} is known", marker.image_layout_version);
            return Err(ContainerError::part("the file oci-layout", &self.image, reason));
        }
        let index: Index = spec::read(&self.read("index.json")?, "the file index.json", &self.image)?;
        let found: Vec<_> = index.manifests.iter().filter(|one| tag.is_none() || one.name() == tag).collect();
        match found.as_slice() {
            [only] => Ok((*only).clone()),
            _ => {
                let names = index.manifests.iter().filter_map(Descriptor::name);
                let known = names.map(|name| crate::text::printable(name.as_bytes())).collect();
                let image = match tag {
                    Some(_) => self.image.clone(),
                    None => format!("one image alone in {}", self.image),
                };
                Err(ContainerError::NotThere { image, known })
            }
        }
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, ContainerError> {
        let path = self.dir.join(name);
        Ok(read_limited(&path, LIMIT as usize).map_err(|source| ImageError::NoSuchFile { path, source })?)
    }
}

impl Blobs for Layout {
    fn image(&self) -> &str {
        &self.image
    }

    fn bring(&self, descriptor: &Descriptor, transfer: &mut Transfer<'_>) -> Result<(), ContainerError> {
        let path = self.dir.join("blobs/sha256").join(descriptor.sha256(&self.image)?.to_string());
        readable_file(&path).map_err(|source| ImageError::NoSuchFile { path: path.clone(), source })?;
        Ok(transfer.copy(&path)?)
    }
}
