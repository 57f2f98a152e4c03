//! Finds systemd's units and their states from the files of an image, without running a program.
//!
//! The rules are those of `systemctl is-enabled`, which tests compare with these: systemctl(1), systemd.unit(5). A link in
//! a `.wants` directory is not the state of a unit: a mask outweighs it, files in `/etc` outweigh the others, a link may be a
//! name of another unit, and the unit may be gone.

mod dir;
mod install;
mod name;
mod presets;
mod set;
mod state;

pub use name::TYPES;
pub(super) use set::WANTED;
pub use set::{Scope, Units, image_dirs, template_of};
pub use state::State;
