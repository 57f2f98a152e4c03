//! The variables that templates see: parameters and built-ins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::budget::Budget;

/// The variables that templates see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    /// Names and values.
    pub(crate) values: BTreeMap<String, serde_json::Value>,
    /// Names whose values have errors. Templates that need them are dropped without a further error.
    pub(crate) faulty: BTreeSet<String>,
    /// Names that exist elsewhere, though not here.
    pub(crate) withheld: &'static [&'static str],
    /// Work that the recipe's templates may still do.
    pub(crate) budget: Arc<Budget>,
}
