//! Examines the final disk in the guest that builds it, while this guest still runs.

use std::collections::BTreeSet;

use serde_json::json;

use super::statics::{self, Seen};
use super::{Rule, boot};
use crate::build::Examiner;
use crate::digest::Sha256;
use crate::element::schema::{Check, check_ids};
use crate::plan::Plan;
use crate::recipe::Verify;

/// Revision of how rules are judged: findings of another revision are not reused.
const REVISION: u32 = 5;

/// Returns all rules: first those of the disk.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    statics::rules().chain(boot::rules())
}

/// Returns the names of all rules, and of these checks of elements.
pub fn ids(checks: &[(String, Check)]) -> BTreeSet<String> {
    rules().map(|rule| rule.id.to_owned()).chain(check_ids(checks)).collect()
}

/// Returns the digest of all inputs of verifying: the same key means the same result.
pub fn key(image: &Sha256, checks: &[(String, Check)], settings: &Verify) -> Sha256 {
    let version = env!("CARGO_PKG_VERSION");
    let rules: Vec<_> = rules().collect();
    let key = json!({ "version": version, "revision": REVISION, "rules": rules, "image": image, "checks": checks, "settings": settings });
    Sha256::of(key.to_string().as_bytes())
}

/// Returns the examiner of the final disk of a plan. It makes an [`Examination`](super::Examination).
pub fn examiner(plan: &Plan) -> Examiner<'_> {
    let key = json!({ "revision": REVISION, "rules": statics::rules().collect::<Vec<_>>(), "checks": plan.checks })
        .to_string();
    Examiner {
        key: Sha256::of(key.as_bytes()).to_string(),
        examine: Box::new(|guest, _, packages| {
            let seen = Seen { arch: Some(plan.arch.name()), packages: Some(packages), checks: &plan.checks };
            let mut found = statics::examine(guest, &seen)?;
            found.subject.distro.get_or_insert_with(|| plan.distro.name.clone());
            Ok(json!(found))
        }),
    }
}
