//! Writers of image files. Formats with a similar structure share a writer.

mod blocks;
mod disk;
mod flat;
mod framed;
mod ident;
mod ova;
mod qcow2;
mod sinks;
mod stream;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;
mod vmdk_stream;

pub use disk::{Disk, Machine};
pub use framed::Framed;
pub use sinks::{sink, stored_size};
pub use stream::Stream;
