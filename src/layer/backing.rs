//! Backing files of layers: which one a disk names, and which one it must name.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::record::LayerMeta;
use super::tree::{self, DISK};
use crate::process::{self, ProcessError};

/// Returns the backing file in the qcow2 header of a disk.
pub(super) fn file(disk: &Path) -> Result<Option<String>, ProcessError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Info {
        backing_filename: Option<String>,
    }
    let mut command = Command::new("qemu-img");
    let text = process::capture(command.args(["info", "-U", "-f", "qcow2", "--output=json"]).arg(disk))?;
    serde_json::from_str::<Info>(&text)
        .map(|info| info.backing_filename)
        .map_err(|error| ProcessError::Start { program: "qemu-img".to_owned(), source: error.into() })
}

/// Returns whether a backing file is the parent of a layer.
pub(super) fn fits(meta: &LayerMeta, backing: Option<&str>) -> bool {
    let name = backing.unwrap_or_default();
    match (&meta.parent, &meta.image) {
        (Some(parent), _) => name == format!("../{parent}/{DISK}"),
        (None, Some(image)) => name.strip_prefix("../../images/").is_some_and(|name| tree::is_image_name(name, image)),
        (None, None) => backing.is_none(),
    }
}
