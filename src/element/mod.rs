//! Elements, the reusable parts of images: reads them from libraries, and orders those of a recipe.

pub(crate) mod asset;
pub mod library;
pub mod order;
pub mod schema;
mod steps;
mod summary;
mod tree;
