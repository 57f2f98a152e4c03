//! Parameters: their declarations, and the values that recipes, elements, files, variables and options give them.

mod outside;
mod typed;
mod values;

pub(crate) use outside::{Declared, give_outside};
pub use outside::{Outside, VARIABLE};
pub(crate) use values::{Given, Values, defaults, give, typed, unset};
