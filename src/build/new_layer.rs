//! The facts and files that are stored with a new layer.

use std::time::Duration;

use crate::layer::{Extra, NewLayer};
use crate::plan::{Plan, Step};

/// The facts that a step found on the disk, and the files that it extracted.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) facts: serde_json::Value,
    pub(super) extras: Vec<Extra>,
}

pub(super) fn new_layer(plan: &Plan, step: &Step, elapsed: Duration, found: Found) -> NewLayer {
    NewLayer {
        seconds: (elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
        step: step.id.to_string(),
        image_name: plan.name.clone(),
        ingredients: step.ingredients.clone(),
        facts: found.facts,
        extras: found.extras,
    }
}
