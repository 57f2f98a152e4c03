//! A step of a plan.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::arguments::Arguments;
use crate::action::Action;
use crate::layer::LayerKey;
use crate::vocabulary::{Asset, StepId};

/// The unit of caching: what one element does in one phase.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// What it does, rendered.
    pub actions: Vec<Action>,
    /// Files it brings, by the path that actions use.
    pub files: BTreeMap<String, Asset>,
    /// Arguments that every menu entry has at its end, in the step that ends `finish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// Its layer.
    pub key: LayerKey,
    /// What the key was made of.
    pub ingredients: serde_json::Value,
    /// How long it may take; `None` for the build's deadline.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::units::option_duration")]
    pub timeout: Option<Duration>,
}
