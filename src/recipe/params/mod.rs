//! Parameters: their declarations, and the values that recipes, elements and `--param` give them.

mod typed;
mod values;

pub(crate) use values::{Given, Values, defaults, give, give_texts, unset};
