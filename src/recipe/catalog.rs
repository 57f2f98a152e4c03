//! Cloud images that a recipe names: finds their files and keys in the data of distributions.

use std::sync::Arc;

use super::schema::ImageSource;
use crate::distro::Distros;
use crate::vocabulary::Arch;
use crate::yaml::{Diagnostic, Source, Span, list, near};

/// Returns the file, the list of checksums and the key of the cloud image with a name.
pub(super) fn image(
    name: &str,
    arch: Arch,
    distros: &Distros,
    (span, source): (Span, &Arc<Source>),
    found: &mut Vec<Diagnostic>,
) -> Option<ImageSource> {
    let Some(image) = distros.cloud_image(name) else {
        let known = distros.cloud_images();
        let names: Vec<&str> =
            known.iter().flat_map(|image| [&image.name].into_iter().chain(&image.alias)).map(String::as_str).collect();
        let file = "an image of your own has a file and a digest: `image: { source: ..., sha256: ... }`";
        found.push(
            Diagnostic::new(source, span, format!("unknown cloud image `{name}`"))
                .did_you_mean(near(name, names.iter().copied()))
                .help(format!("known here: {}", list(known.iter().map(|image| image.name.as_str()))))
                .help(file),
        );
        return None;
    };
    let Some(file) = image.files.get(&arch) else {
        let message = format!("there is no image `{name}` for {}", arch.name());
        let others = list(image.files.keys().map(|arch| arch.name()));
        found.push(Diagnostic::new(source, span, message).help(format!("there is one for {others}")));
        return None;
    };
    let (signed_by, fingerprints, key_package) = match image.keyring {
        Some(keyring) => (Some(keyring.file), keyring.fingerprints, Some(keyring.package)),
        None => (None, Vec::new(), None),
    };
    Some(ImageSource {
        source: file.source.clone(),
        sha256: file.checksums.clone(),
        signed_by,
        fingerprints,
        insecure: false,
        key_package,
    })
}
