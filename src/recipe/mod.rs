//! From text to a recipe.

mod base;
pub(crate) mod check;
mod compose;
pub mod decode;
pub mod delivery;
pub mod diagnostic;
pub mod json_schema;
pub mod load;
pub mod node;
mod os_names;
pub(crate) mod params;
pub mod publish;
pub mod schema;
pub mod scs;
pub(crate) mod template;
pub mod verify;

pub use diagnostic::{Diagnostic, Diagnostics};
pub use load::{ComposedStep, Composition, LoadOptions, Loaded, Recipe, System, load, load_str};
pub use schema::{Arch, Base, Bootstrap, Disk, ElementUse, ImageSource, Layout, RecipeFile, SecretSource, Steps};
pub use verify::Verify;

pub use crate::vocabulary::Firmware;
