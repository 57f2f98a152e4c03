//! Sources of a recipe's secrets: environment variables and files.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a secret's value is read from when an action needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// Name of an environment variable of `goldsmith`.
    Env(String),
    /// Path of a file on the host, absolute or relative to the recipe.
    File(PathBuf),
}

impl SecretSource {
    /// Prefixes a relative path with a directory.
    pub(super) fn below(self, dir: &std::path::Path) -> Self {
        match self {
            Self::File(file) => Self::File(dir.join(file)),
            variable @ Self::Env(_) => variable,
        }
    }
}

/// Returns what is wrong with a recipe that names a secret which it lacks, and what helps.
pub(super) fn lacking(name: &str) -> (String, String) {
    let help = format!("add `{name}: {{ env: VARIABLE }}` or `{{ file: PATH }}` to its `secrets`");
    (format!("the recipe has no secret `{name}`"), help)
}
