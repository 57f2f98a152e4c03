//! The configuration of clouds: `clouds.yaml` with its `secure.yaml`, or the variables `OS_*`. The rules are those of
//! openstacksdk's "Configuring OpenStack SDK Applications". Files are read as PyYAML reads them.

mod cloud;
mod entry;
mod files;
mod find;
mod format;
mod places;
mod scalar;
mod settings;
mod value;
mod vendors;
mod wrong;
mod yaml;

pub use crate::fetch::Secret;
pub use cloud::{Auth, ClientFiles, CloudConfig};
pub use places::Places;

#[cfg(test)]
mod tests;
