//! Reads YAML that people write, within limits: into a tree whose nodes know their places, and from the tree into types. Errors
//! show the place.

mod decode;
mod diagnostic;
pub(crate) mod events;
mod file;
mod node;
mod parse;
mod scalar;
mod source;

pub use decode::{Terms, decode, decode_with};
pub use diagnostic::{Diagnostic, DiagnosticRecord, Diagnostics};
pub(crate) use diagnostic::{list, near};
pub use events::{MAX_ALIASED, MAX_BYTES, MAX_DEPTH, MAX_NODES};
pub use file::read;
pub use node::{Key, Map, Node, Style, Value};
pub use parse::parse;
pub use source::{Position, Source, Span};
