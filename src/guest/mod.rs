//! The guest: the small virtual machine in which everything that touches an image runs.
//!
//! [`Guest`] is the interface between the build and libguestfs: [`libguestfs`] is the real guest, `fake` the one for tests. A
//! guest is launched without the image's disk, at the same time as the work that makes the disk. The disk is attached later, and
//! exchanged if another build was faster.

#![deny(unsafe_code)] // but for what `ffi` allows itself

pub mod accel;
mod appliance;
mod archive;
mod attached;
mod attributes;
mod calls;
mod channel;
mod command;
mod config;
mod devices;
mod disk;
pub mod emulator;
mod encrypting;
mod entry;
mod error;
#[cfg(feature = "testing")]
pub mod fake;
mod ffi;
pub mod form;
mod forming;
pub mod grow;
mod growing;
mod inspection;
mod interface;
mod known;
mod launch;
pub mod libguestfs;
mod listing;
mod mount;
pub mod place;
mod plugging;
mod reading;
mod saving;
mod script;
pub mod terminal;
mod watchdog;

#[cfg(feature = "testing")]
pub use channel::seam::guest_output;
pub use command::{Command, Ended};
pub use config::{Accel, GuestConfig};
pub use devices::{Devices, FileSystem, LogicalVolume, Partition, PartitionTable, PhysicalVolume, Storage};
pub use emulator::Emulator;
pub use entry::{Entry, FileKind, LIST_LIMIT, UNLABELLED_LIMIT};
pub use error::GuestError;
pub use inspection::Inspection;
pub use interface::{Guest, Space};
pub use mount::{Mount, MountSource};
pub use terminal::Terminal;
