//! The redactor: hides secrets in the output of programs, also if they are escaped or encoded.
//!
//! A secret is found as it is and with any of its characters escaped: by a backslash, in hexadecimal or octal, for URLs, JSON,
//! a shell or HTML. It is found in base64, also inside a longer text, and in hexadecimal. A secret of several lines is hidden
//! line by line. The redactor does not find a secret that was changed for good (reversed, split by other text, encrypted,
//! compressed, hashed), one that is escaped twice, and lines of it that are shorter than [`SECRET_MIN`]. Where base64 begins or
//! ends within a longer text, one character at each end stays: it encodes both the secret and its neighbour.

mod patterns;
mod redactor;
mod secret;
#[cfg(test)]
mod tests;
mod writer;

pub use redactor::{Redactor, Stream};
pub use secret::{SECRET_MIN, TooShort, require_length};
pub use writer::RedactingWriter;
