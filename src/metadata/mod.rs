//! Metadata for instances, as clouds provide it: host name, SSH key, user data and more. An instance gets it from a NoCloud disk,
//! a config drive or OpenStack's metadata service.
//!
//! An [`Instance`] contains the facts about the instance. It gets them as a disk ([`config_drive`], [`no_cloud`]) or over HTTP.
//! The documents are those of Nova, in all their versions. As in `nova/api/metadata/base.py`, the same code makes them for the
//! service and for config drives.

mod answer;
mod disks;
mod error;
mod http;
mod instance;
mod iso9660;
mod nova;
mod random;
mod relay;
mod service;
mod user_data;

pub(crate) use disks::labelled;
pub use disks::{config_drive, no_cloud};
pub use error::{MAX_USER_DATA, MetadataError};
#[cfg(feature = "testing")]
pub use http::seam::requests;
pub use instance::Instance;
pub(crate) use random::random_uuid;
pub use relay::relay;
pub use service::{Request, Service};
pub use user_data::{Part, user_data};
