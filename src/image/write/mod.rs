//! What the writers of all formats share. Formats with a similar structure share a writer.

pub(in crate::image) mod blocks;
mod disk;
mod flat;
mod framed;
pub(in crate::image) mod ident;
mod stream;

pub(in crate::image) use blocks::Blocks;
pub use disk::{Disk, Earlier, Machine};
pub(in crate::image) use flat::Flat;
pub(in crate::image) use framed::CompressedFlat;
pub use framed::Framed;
pub use stream::Stream;
