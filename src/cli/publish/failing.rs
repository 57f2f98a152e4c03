//! Converts errors of publishing into failures of a command, with hints.

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::{cloud, hints};
use crate::openstack::signature::SignatureError;
use crate::openstack::{CloudError, UploadError};
use crate::publish::trees::image_version::ImageVersionError;
use crate::publish::{PublishError, SigningError, SourceError, TreeError};

/// Hint for an image that was deleted.
const DELETED: &str = "somebody has deleted it in the meantime: publish it again";

/// Joins the failures of all targets that failed.
pub(super) fn all(mut failures: Vec<(String, Failure)>, targets: usize) -> Result<(), Failure> {
    if targets == 1
        && let Some((_, failure)) = failures.pop()
    {
        return Err(failure);
    }
    if failures.is_empty() {
        return Ok(());
    }
    let kinds = || failures.iter().map(|(_, failure)| failure.kind);
    let interrupted = kinds().any(|kind| kind == FailureKind::Interrupted);
    let kind = if interrupted { FailureKind::Interrupted } else { FailureKind::Publish };
    let mut whole = Failure::of(kind, format!("{} of {targets} targets failed", failures.len()));
    for (target, failure) in failures {
        let causes = failure.causes.iter().fold(failure.message, |text, cause| format!("{text}: {cause}"));
        whole.causes.push(format!("{target}: {causes}"));
        whole.hints.extend(failure.hints.iter().map(|hint| format!("{target}: {hint}")));
    }
    Err(whole)
}

pub(super) fn source(error: &SourceError) -> Failure {
    let failure = Failure::new(FailureKind::Usage, error);
    match error {
        SourceError::NoManifest { .. } => {
            failure.hint("`goldsmith build` makes it: name the directory that it has written to, or build first")
        }
        SourceError::Other { .. } => failure.hint("--out DIR names the directory of the recipe's artifacts"),
        SourceError::NoArtifact { .. } => failure.hint("`outputs` of the recipe say what is made, such as qcow2"),
        SourceError::Elsewhere { .. } => failure.hint("do not publish it: no build has written this manifest"),
        SourceError::NoFile { file } => {
            failure.hint(format!("put the image itself there, or build it again: {}", file.display()))
        }
        SourceError::Changed { file, .. } => {
            failure.hint(format!("build it again: {} is not what was made", file.display()))
        }
    }
}

pub(super) fn failure(error: &PublishError) -> Failure {
    let failure = match error {
        PublishError::Cloud(error) => return cloud::failure(error),
        PublishError::Signing(SigningError::File(error) | SigningError::Signature(SignatureError::File(error))) => {
            return hints::file(error);
        }
        PublishError::Secret(_) => Failure::new(FailureKind::Host, error),
        PublishError::Source(error) => return source(error),
        PublishError::Tree(error) => return of_tree(error),
        PublishError::Key { .. } => {
            return Failure::new(FailureKind::Usage, error)
                .hint("set the variables, or name another place in the recipe");
        }
        PublishError::Derive(_) | PublishError::Name(_) | PublishError::PromotesNothing => {
            Failure::new(FailureKind::Usage, error)
        }
        PublishError::Upload(UploadError::Interrupted)
        | PublishError::Orphan { source: UploadError::Interrupted, .. } => {
            Failure::new(FailureKind::Interrupted, error)
        }
        error => Failure::new(FailureKind::Publish, error),
    };
    match error {
        PublishError::Refused(problems) | PublishError::Lacking(problems) => {
            let told = problems.iter().map(|problem| format!("{}; {}", problem.message, problem.help));
            Failure { causes: told.collect(), ..failure }
        }
        PublishError::Upload(UploadError::Changed { .. } | UploadError::Other { .. }) => {
            failure.hint("let nothing write to it, build it again, and publish it then")
        }
        PublishError::Upload(UploadError::Differs { .. }) => {
            failure.hint("publish it again; if it fails again, something between this host and the service changes the data")
        }
        PublishError::Upload(UploadError::Status { status }) if status == "deleted" => failure.hint(DELETED),
        PublishError::Upload(UploadError::Cloud(cloud)) => match advice(cloud) {
            Some(help) => failure.hint(help),
            None => failure,
        },
        PublishError::Upload(UploadError::Import(import)) => match import.help() {
            Some(help) => failure.hint(help),
            None => failure,
        },
        PublishError::Orphan { id, removal, .. } => {
            let mut failure = failure.hint(format!(
                "publishing again goes on with it; `goldsmith publish --cleanup` removes it later, or `goldsmith images delete {id}` at once"
            ));
            failure.causes.push(format!("it is not removed: {removal}"));
            failure
        }
        PublishError::Busy { .. } => failure.hint(
            "wait for it, or see who it is: `goldsmith images show ID`; `goldsmith publish --cleanup` removes what is left over",
        ),
        PublishError::Secret(_) => failure.hint("`key` and `certificate` of `sign`, or the options, say where they are"),
        PublishError::Signing(SigningError::Cloud(error)) => match error.help() {
            Some(help) => failure.hint(help),
            None => failure,
        },
        PublishError::Signing(SigningError::Signature(error)) => match error.help() {
            Some(help) => failure.hint(help),
            None => failure,
        },
        PublishError::Signing(SigningError::Changed { .. }) => failure.hint("build it again"),
        PublishError::DeletedTooOften(_) => failure.hint("give it another name"),
        PublishError::NotVerified => {
            failure.hint("write `verify: {}` in the recipe and build it, or leave out `promote`")
        }
        PublishError::Promote { source, .. } => match source.help() {
            Some(help) => failure.hint(help),
            None => failure,
        },
        PublishError::HalfPromoted { .. } => {
            failure.hint("look at `goldsmith images list`; publishing again goes on with it")
        }
        PublishError::NothingPromoted(_) => failure.hint("`promote` in the recipe names the tag of promoted images"),
        PublishError::NothingBefore { .. } => failure.hint("`keep` says how many images stay"),
        PublishError::PromotesNothing => failure.hint("write `promote: {}` in the recipe's target, or --promote"),
        _ => failure,
    }
}

/// Converts errors of a target that is a tree of files.
pub(in crate::cli) fn of_tree(error: &TreeError) -> Failure {
    let kind = match error {
        TreeError::ImageVersion(ImageVersionError::Source(error)) => return source(error),
        TreeError::ImageVersion(_) | TreeError::SignedIndex(_) => FailureKind::Usage,
        TreeError::Interrupted => FailureKind::Interrupted,
        _ => FailureKind::Publish,
    };
    let failure = Failure::new(kind, error);
    match error.help() {
        Some(help) => failure.hint(help),
        None => failure,
    }
}

/// Returns a hint for data that a service refuses.
fn advice(error: &CloudError) -> Option<String> {
    let CloudError::Refused { status, message, .. } = error else { return error.help() };
    match status {
        // Errors of cursive about signatures, as Glance reports them.
        400 if message.contains("retrieve certificate") || message.contains("Certificate not found") => Some(
            "the service asks the key manager for the certificate in your name: does the id belong to one that your project may read?"
                .to_owned(),
        ),
        400 if message.contains("ignature verification") => Some(
            "the data is not what was signed, or by another key: sign it anew with --sign-key and --certificate".to_owned(),
        ),
        415 => Some("the service inspects images: `goldsmith inspect FILE` shows why it refuses this one".to_owned()),
        401 => Some("the token has expired, and the service refuses a new one too: ask the cloud's operators".to_owned()),
        404 | 410 => Some(DELETED.to_owned()),
        409 => Some(
            "something is at work on it already: look at it with `goldsmith images list`, and publish it again"
                .to_owned(),
        ),
        _ => error.help(),
    }
}
