//! Problems that checks find before an upload.

/// A reason why the service would refuse the image, or why nobody could use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Description of the problem.
    pub message: String,
    /// Advice for the user.
    pub help: String,
}
