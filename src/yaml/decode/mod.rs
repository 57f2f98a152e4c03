//! Decoding: reads serde's types from the tree of a YAML file.

mod deserializer;
mod error;
mod terms;
mod types;

pub use terms::Terms;
pub use types::{decode, decode_with};
