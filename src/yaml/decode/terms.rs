//! The words of messages about a wrong name: whether it should be an `action` or a `format`, for instance.

/// The words with which messages describe names in a program's files.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Word for the names of an enum, by the name of its type: `action`.
    pub kind: fn(&str) -> &'static str,
    /// Reason why a name that users may know from other programs is not one of a kind, if there is a reason.
    pub reason: fn(kind: &str, name: &str) -> Option<&'static str>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { kind: |_| "name", reason: |_, _| None }
    }
}
