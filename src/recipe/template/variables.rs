//! What templates see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::budget::Budget;

/// What templates see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    /// Names and values.
    pub(crate) values: BTreeMap<String, serde_json::Value>,
    /// Names whose values are at fault: what needs them is dropped without a further error.
    pub(crate) faulty: BTreeSet<String>,
    /// Names that exist elsewhere, though not here.
    pub(crate) withheld: &'static [&'static str],
    /// What is left for the templates of the recipe.
    pub(crate) budget: Arc<Budget>,
}
