//! Renders templates in values of recipes and elements: one scalar at a time, after the YAML is parsed. So an error has its place
//! in the file.
//!
//! A scalar that is wholly one expression, `"{{ speed }}"`, becomes the expression's value with its type;
//! any other becomes text. An entry of a list that is a map may carry `when: <expression>`: the entry is
//! dropped if it is false. Keys are never rendered. `{## ... ##}` is a comment, because `{#` is
//! shell: `${#name}`.
//!
//! A stranger may have written a template. It has only the filters, tests and functions that `functions` lists, and limits for
//! what it makes and how long it takes, alone and together with all others of the recipe: see `budget`.

mod budget;
mod engine;
mod functions;
mod guard;
#[cfg(test)]
mod hostile;
mod json;
mod render;
#[cfg(test)]
mod tests;
mod variables;

pub(crate) use budget::Budget;
pub(crate) use json::from_json;
pub(crate) use render::render;
pub(crate) use variables::Variables;
