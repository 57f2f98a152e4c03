//! Reads facts about an image from the `manifest.json` in its directory.

use std::path::Path;

use serde_json::Value;

use crate::export::manifest;
use crate::recipe::Arch;
use crate::syntax;

/// Longest manifest that is read. That of a system with ten thousand packages has 1 MiB.
const LONGEST: u64 = 16 << 20;

/// The facts of a manifest about an image. It is empty if there is no manifest, or one of another image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Architecture of the image.
    pub(super) arch: Option<Arch>,
    /// The account that cloud-init makes.
    pub(super) user: Option<String>,
}

impl Manifest {
    pub(super) fn of(image: &Path) -> Self {
        Self::read(image).unwrap_or_default()
    }

    fn read(image: &Path) -> Option<Self> {
        let file = image.with_file_name(manifest::FILE);
        // Anybody may have put the file there: a pipe would block the reader.
        file.metadata().ok().filter(|about| about.is_file() && about.len() <= LONGEST)?;
        let text = std::fs::read(file).ok()?;
        let size = image.metadata().ok()?.len();
        Self::parse(&text, image.file_name()?.to_str()?, size)
    }

    /// Returns the facts of a manifest, if it has an image of this name and size.
    fn parse(manifest: &[u8], name: &str, size: u64) -> Option<Self> {
        let manifest: Value = serde_json::from_slice(manifest).ok()?;
        let artifacts = manifest.get("artifacts")?.as_array()?;
        artifacts.iter().find(|artifact| artifact["file"] == name && artifact["size"] == size)?;
        let arch = manifest["arch"].as_str().and_then(Arch::of_kernel);
        let user = manifest.pointer("/facts/default_user").and_then(Value::as_str);
        // It is printed as part of a command.
        let user = user.filter(|user| syntax::user(user).is_ok()).map(str::to_owned);
        Some(Self { arch, user })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_counts_for_the_image_it_is_about() {
        let manifest = |user: &str| {
            format!(
                r#"{{"arch": "aarch64", "facts": {{"default_user": "{user}"}}, "artifacts": [{{"file": "a.qcow2", "size": 7}}]}}"#
            )
        };
        let parse = |text: &str, name, size| Manifest::parse(text.as_bytes(), name, size);
        let arch = Some(Arch::Aarch64);
        let told = Manifest { arch, user: Some("debian".to_owned()) };
        assert_eq!(parse(&manifest("debian"), "a.qcow2", 7), Some(told));
        assert_eq!(parse(&manifest("$(reboot)"), "a.qcow2", 7), Some(Manifest { arch, user: None }));
        assert_eq!(parse(&manifest("debian"), "b.qcow2", 7), None);
        assert_eq!(parse(&manifest("debian"), "a.qcow2", 8), None, "it was replaced");
        assert_eq!(parse("[]", "a.qcow2", 7), None);
        assert_eq!(parse("no", "a.qcow2", 7), None);
    }
}
