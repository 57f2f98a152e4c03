//! Static checks in the guest that builds an image.

use serde_json::json;

use super::statics::{self, RULES, Seen};
use crate::build::Examiner;
use crate::digest::Sha256;
use crate::plan::Plan;

/// Revision of how rules are judged: what was found by another one is looked for again.
const REVISION: u32 = 1;

/// Looks at the final disk of a plan, for an [`Examination`](super::Examination).
pub fn examiner(plan: &Plan) -> Examiner<'_> {
    let key = json!({ "revision": REVISION, "rules": RULES, "checks": plan.checks }).to_string();
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
