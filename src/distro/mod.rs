//! Distributions: the facts in which they differ, such as names of packages and paths, as data instead of code.
//!
//! A distribution is a folder `NAME/` with a `distro.yaml`. The program's own are embedded; folders that the user
//! names and the one beside the recipe come first. The program has one way to do things per *mechanism* (`apt`,
//! `dracut`, `grub-bls`, ...), and the data say which mechanisms a distribution has: nothing here or elsewhere in the
//! program asks for a distribution by its name.

mod check;
mod element_keys;
mod images;
mod library;
pub mod mechanism;
mod os;
pub mod schema;
mod terms;

pub(crate) use element_keys::package_keys;
pub use images::{CloudFile, CloudImage};
pub use library::{Distribution, Distros, Origin};
pub use mechanism::Mechanisms;
pub use os::Os;
pub use schema::{Bootstrap, CloudImages, DistroFile, Keyring, Mirrors, Release, Tool};
