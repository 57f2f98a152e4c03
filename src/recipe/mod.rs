//! Recipes: reads a recipe file, checks it, renders its templates and composes it with its elements.

mod answer;
mod base;
mod below;
mod catalog;
pub(crate) mod check;
mod compose;
mod composition;
mod container;
pub mod delivery;
mod element_use;
mod glance;
mod include;
mod installer;
pub mod json_schema;
mod layout;
pub mod load;
mod matrix;
mod options;
mod os_names;
pub mod params;
pub mod partitions;
pub mod publish;
mod reading;
pub mod schema;
pub mod scs;
mod secret;
pub(crate) mod template;
pub(crate) mod terms;
pub mod verify;

pub use composition::{ComposedStep, Composition, System};
pub use container::Reference;
pub use element_use::ElementUse;
pub use glance::GlanceSource;
pub use installer::{Answer, AnswerKind, Installer, InstallerFile, InstallerSource};
pub use layout::Layout;
pub use load::{Loaded, load, load_all, load_all_str, load_str};
pub use matrix::{Cell, MatrixFile};
pub use options::LoadOptions;
pub use reading::Recipe;
pub use schema::{
    Base, BaseFile, BaseRecipe, Bootstrap, ContainerSource, Disk, ImageBase, ImageSource, RecipeFile, TreeSource,
};
pub use secret::SecretSource;
pub use verify::Verify;

pub use crate::vocabulary::{Arch, Firmware};
