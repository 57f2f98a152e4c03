//! The command `goldsmith images download`: downloads an image, and verifies its signature.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::Download;
use super::image::watched;
use crate::cli::cloud::failure as cloud_failure;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::output::print;
use crate::cli::settings::Global;
use crate::fsx::IoContext as _;
use crate::openstack::image::Image;
use crate::openstack::signature::{Certificate, Signature, SignatureError};
use crate::openstack::{Cloud, DownloadError, part};

/// Downloads an image.
pub(super) fn download(wanted: &Download, image: &Image, cloud: &Cloud, global: &Global) -> Result<(), Failure> {
    let file = wanted.file.clone().unwrap_or_else(|| name_of(image));
    if file.symlink_metadata().is_ok() && !wanted.force {
        let failure = Failure::of(FailureKind::Usage, format!("{} is there already", file.display()));
        return Err(failure.hint("--force replaces it"));
    }
    let signed = if wanted.verify_signature { Some(signature(wanted, image, cloud)?) } else { None };
    let by = signed.as_ref().map(|(signature, by)| (signature, by));
    let result = watched(&format!("download {}", file.display()), global, |told, interrupt| {
        cloud.download(image, &file, by, &|done| told(done, image.size), interrupt)
    })?;
    result.map_err(|error| failure(&error, &part(&file, &image.id)))?;
    if !global.json {
        print(&format!("{}\n", file.display()));
    }
    if let Some((_, certificate)) = signed {
        // An image can name any certificate: only the user knows whether it is the right one.
        let given = wanted.certificate.is_some();
        let (subject, digest) = (certificate.subject(), certificate.fingerprint());
        if global.json {
            let from = if given { "given" } else { "image" };
            let told =
                json!({ "event": "signature-verified", "subject": subject, "sha256": digest, "certificate": from });
            print(&format!("{told}\n"));
        } else {
            let whose = if given { "given" } else { "that the image names" };
            print(&format!("signed by {subject}: the certificate {whose}, SHA-256 {digest}\n"));
        }
    }
    Ok(())
}

/// Returns the signature that the data must have, and the certificate for it.
fn signature(wanted: &Download, image: &Image, cloud: &Cloud) -> Result<(Signature, Certificate), Failure> {
    let (signature, id) = Signature::of(image).map_err(|error| signature_failure(&error))?;
    let pem = match &wanted.certificate {
        Some(file) => std::fs::read_to_string(file).at(file).map_err(|error| hints::file(&error))?,
        None => cloud.stored_certificate(&id).map_err(|error| {
            cloud_failure(&error).hint("--certificate FILE names one that you have, if the key manager gives you none")
        })?,
    };
    Ok((signature, Certificate::read(&pem).map_err(|error| signature_failure(&error))?))
}

fn signature_failure(error: &SignatureError) -> Failure {
    let failure = match error {
        SignatureError::File(error) => return hints::file(error),
        error => Failure::new(FailureKind::Publish, error),
    };
    match error.help() {
        Some(help) => failure.hint(help),
        None => failure,
    }
}

/// Makes a file name in the working directory. The image's name and the answers of the service are not trusted: nothing in them
/// leads to another directory.
fn name_of(image: &Image) -> PathBuf {
    let plain = |text: &str| {
        let text: String =
            text.chars().map(|c| if c.is_alphanumeric() || "._-+".contains(c) { c } else { '_' }).collect();
        text.trim_start_matches('.').to_owned()
    };
    let names = [image.name.as_deref().map(plain), Some(plain(&image.id)), Some("image".to_owned())];
    let name = names.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or_default();
    let format = plain(image.disk_format.as_deref().unwrap_or("img"));
    PathBuf::from(if name.ends_with(&format!(".{format}")) { name } else { format!("{name}.{format}") })
}

fn failure(error: &DownloadError, part: &Path) -> Failure {
    match error {
        DownloadError::Cloud(error) => cloud_failure(error),
        DownloadError::File(error) => hints::file(error),
        DownloadError::Signature(error) => signature_failure(error),
        DownloadError::Interrupted => Failure::new(FailureKind::Interrupted, error)
            .hint(format!("the same command goes on from {}", part.display())),
        DownloadError::Short { .. } => {
            Failure::new(FailureKind::Publish, error).hint(format!("the same command goes on from {}", part.display()))
        }
        DownloadError::Differs { .. } => Failure::new(FailureKind::Publish, error)
            .hint("download it again; if it stays so, ask the cloud's operators"),
        DownloadError::NoData { .. } => Failure::new(FailureKind::Usage, error),
    }
}
