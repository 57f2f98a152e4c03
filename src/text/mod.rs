//! Handles text that is not trusted: hides secrets in it, makes it safe to show, and reads settings files of shells, of
//! systemd and of mount.

pub mod fstab;
pub mod redact;
pub mod shell;
mod shown;
pub mod unit;

pub use redact::Redactor;
pub use shown::{CUT, LINE_LIMIT, escaped, hidden_shown, printable, printable_lines, readable};
