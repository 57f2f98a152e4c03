//! What messages call the things that names stand for.

/// What a program calls the things that names in its files stand for.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// What the names of an enum stand for, by the name of its type: `action`.
    pub kind: fn(&str) -> &'static str,
    /// Why a name that somebody may know from elsewhere is none of a kind.
    pub reason: fn(kind: &str, name: &str) -> Option<&'static str>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { kind: |_| "name", reason: |_, _| None }
    }
}
