//! The key `publish` of a recipe: its targets, and checks of what the recipe says about them.

mod fault;
mod glance;
mod glance_faults;
mod names;
mod target;
mod trees;

pub use fault::Fault;
pub use glance::{Certificate, Glance, Hash, Promote, Retire, Sign, Visibility};
pub use names::{ATTRIBUTES, OWN, PropertyError, RESERVED, dated, property};
pub use target::Target;
pub use trees::{ChecksumKeys, Directory, S3, key_id};
