//! VMware's disks in one file: monolithicSparse and streamOptimized (VMware, "Virtual Disk Format 1.1" and "5.0").
//!
//! A descriptor may name other files of the host. The reader never opens them: it refuses disks in more than one file.

mod descriptor;
mod encoding;
mod header;
mod openstack;
mod options;
mod reader;
mod sparse;
mod stream;
mod tables;

pub use encoding::VmdkEncoding;
pub(in crate::image) use encoding::{MAX_SIZE, TRAITS};
pub use options::VmdkOptions;
pub(in crate::image) use reader::VmdkReader;
pub(super) use sparse::file_name;
pub(super) use stream::VmdkStream;
