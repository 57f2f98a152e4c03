//! From text to a recipe.

mod base;
pub(crate) mod check;
mod compose;
pub mod delivery;
pub mod json_schema;
pub mod load;
mod os_names;
pub(crate) mod params;
pub mod publish;
pub mod schema;
pub mod scs;
pub(crate) mod template;
pub(crate) mod terms;
pub mod verify;

pub use load::{ComposedStep, Composition, LoadOptions, Loaded, Recipe, System, load, load_str};
pub use schema::{Arch, Base, Bootstrap, Disk, ElementUse, ImageSource, Layout, RecipeFile, SecretSource, Steps};
pub use verify::Verify;

pub use crate::vocabulary::Firmware;
