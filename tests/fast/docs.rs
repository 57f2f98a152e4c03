//! The documentation is true: links lead somewhere, recipes and commands are ones that the program takes, and the
//! reference says what the program says. `GOLDSMITH_WRITE_DOCS=1` writes the generated parts anew.

mod blocks;
mod commands;
mod elements;
mod events;
mod generated;
mod links;
mod matrix;
mod outputs;
mod pages;
mod schema;
mod variables;
#[path = "../support/verified.rs"]
mod verified;
mod virt;
