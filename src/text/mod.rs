//! Text from programs that are not trusted.

pub mod redact;
pub mod shell;
mod shown;

pub use redact::Redactor;
pub use shown::{CUT, LINE_LIMIT, escaped, hidden_shown, printable, printable_lines, readable};
