//! Elements: what an image can be made to have, as data.

pub(crate) mod asset;
pub mod library;
pub mod order;
pub mod schema;
mod tree;
