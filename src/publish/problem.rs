//! What speaks against publishing an image.

/// Something that the service would refuse, or that nothing would understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub message: String,
    /// What to do.
    pub help: String,
}
