//! What is wrong with a target.

/// Something that is wrong with what is said about publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The keys that lead to it, below the target's own.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Fault {
    /// A fault at the keys that lead to it, below the target's own.
    pub(super) fn at(path: &[&str], message: impl Into<String>, help: &str) -> Self {
        let path = path.iter().map(|key| (*key).to_owned()).collect();
        Self { path, message: message.into(), help: help.to_owned() }
    }
}
