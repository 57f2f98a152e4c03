//! Checks that `verify` and `run` share before they boot an image.

use std::path::Path;

use super::failure::{Failure, FailureKind};
use crate::recipe::Verify;
use crate::recipe::verify::Known;

/// Returns a warning about an image that this cache did not build: its manifest is not trusted, or it boots without a network.
pub(super) fn unknown(image: &Path, foreign: bool, isolated: bool) -> Option<String> {
    let manifest = foreign.then_some("its manifest.json is not trusted (--trust-manifest trusts it)");
    let network = isolated.then_some("it is booted without a network (--network user gives it one)");
    let told: Vec<_> = manifest.into_iter().chain(network).collect();
    (!told.is_empty()).then(|| format!("{} was not built with this cache: {}", image.display(), told.join(", ")))
}

/// Refuses settings that cannot work for the image.
pub(super) fn fitting(settings: &Verify, known: &Known) -> Result<(), Failure> {
    let faults = settings.faults(known);
    let Some((first, others)) = faults.split_first() else { return Ok(()) };
    let mut failure = Failure::of(FailureKind::Usage, format!("--{}: {}", first.key, first.message)).hint(&first.help);
    for fault in others {
        failure = failure.hint(format!("--{}: {}; {}", fault.key, fault.message, fault.help));
    }
    Err(failure)
}
