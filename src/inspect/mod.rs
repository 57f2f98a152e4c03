//! Inspects an image: finds its partitions, its operating system, what it boots, and who can log in.
//!
//! A guest reads everything from files of the image. It runs no program of the image if a file has the same information. The
//! content is not trusted: files are read up to a limit, and what cannot be understood becomes a [note](System::notes). Text may
//! have any bytes, so it must be made [printable](crate::text::printable) before it is shown.

mod accounts;
mod boot;
mod cloud_init;
mod examine;
mod facts;
mod grub;
mod image;
pub mod initramfs;
mod packages;
mod paths;
pub mod selinux;
mod services;
#[cfg(all(test, feature = "testing"))]
mod tests;
pub(crate) mod tree;
pub mod units;

pub use crate::guest::{FileSystem, Partition, PartitionTable};
pub(crate) use accounts::accounts_with_passwords;
pub use examine::{Opened, booted, of_tree, open, system, wanted};
pub use facts::{
    Boot, Booted, CloudInit, Entry, Kernel, Loader, Login, Os, Service, ServiceScope, ServiceState, Sudo, System, User,
};
pub use image::TEXT_LIMIT;
pub use tree::{FileQuery, Tree, Unread};
