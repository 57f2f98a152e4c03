//! File system helpers: errors with paths, files that appear complete or not at all, locks, and free space.

mod error;
mod files;
mod lock;
pub(crate) mod pax;
mod read;
mod room;

pub use error::{IoContext, PathError};
pub use files::write_atomic;
pub(crate) use files::{Access, NewFile, TEMPORARY, is_temporary, sync_dir, write_private, write_served};
pub use lock::{FileLock, same_file};
pub use read::read_regular;
pub use room::{allocated_below, allocated_bytes, available_bytes, room};
