//! The actions: the closed list of changes that a step can make to an image.
//!
//! Elements and recipes are data: they can only list these actions, and all except [`Run`] are declarative. A new action is a
//! variant of [`Action`] with its type, its executor in [`crate::build`], and tests; the reference is made from these files.
//! Values are rendered: no template is left in them.

mod files;
mod kind;
mod mode;
mod system;
mod texts;

pub use files::*;
pub use kind::Action;
pub use mode::Mode;
pub use system::*;
