//! Checks that a secret is long enough to be hidden.

/// Shortest secret that can be hidden, in bytes: a shorter one occurs in every text.
pub const SECRET_MIN: usize = 4;

/// The error of a secret that is too short to be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret needs at least {SECRET_MIN} bytes in one of its lines, without the white space around it: a shorter one \
     cannot be hidden in logs"
)]
pub struct TooShort;

/// Checks that a secret is long enough to be hidden.
pub fn require_length(secret: &[u8]) -> Result<(), TooShort> {
    if lines(secret).next().is_some() { Ok(()) } else { Err(TooShort) }
}

/// Returns the lines of a secret that are long enough to be hidden.
pub(super) fn lines(secret: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = secret.split(|byte| matches!(byte, b'\n' | b'\r' | 0)).map(<[u8]>::trim_ascii);
    lines.filter(|line| line.len() >= SECRET_MIN)
}
