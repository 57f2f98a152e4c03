//! What only tests and the fuzz targets use: the parsers of untrusted bytes that are no part of the library's interface.
//!
//! Each function takes what an untrusted side sends, hands it to the real parser to its end, and returns how much was
//! understood, so that a caller can tell whether a parser was reached at all.

pub use crate::fetch::checksum;
pub use crate::guest::guest_output;
pub use crate::machine::answers;
pub use crate::metadata::requests;
pub use crate::verify::boot::root_seen;
