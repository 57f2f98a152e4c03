//! A step of a plan, with its layer key.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::arguments::Arguments;
use crate::action::Action;
use crate::layer::LayerKey;
use crate::vocabulary::{Asset, StepId};

/// Facts that are needed to make derived files again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Derived {
    /// Directory of GRUB's menu; `None` if the distribution has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grub: Option<String>,
}

/// The unit of caching: the actions of one element in one phase.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Id of the step.
    pub id: StepId,
    /// Actions, with all parameters replaced.
    pub actions: Vec<Action>,
    /// Files of the step, by the path that actions use.
    pub files: BTreeMap<String, Asset>,
    /// Kernel arguments that every menu entry must have at the end; only in the step that ends `finish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// Facts for making derived files again; only in the steps that end with this work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derived: Option<Derived>,
    /// Key of its layer.
    pub key: LayerKey,
    /// Ingredients of the key.
    pub ingredients: serde_json::Value,
    /// Time limit; `None` for the build's deadline.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::units::option_duration")]
    pub timeout: Option<Duration>,
}
