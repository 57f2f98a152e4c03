//! An error in what a recipe says about publishing.

/// An error in a target of a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Keys that lead to the error, below the target's own.
    pub path: Vec<String>,
    /// Message of the error.
    pub message: String,
    /// Hint for the user.
    pub help: String,
}

impl Fault {
    /// Makes an error at the keys that lead to it, below the target's own.
    pub(super) fn at(path: &[&str], message: impl Into<String>, help: &str) -> Self {
        let path = path.iter().map(|key| (*key).to_owned()).collect();
        Self { path, message: message.into(), help: help.to_owned() }
    }
}
