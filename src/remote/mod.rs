//! The remote layer cache: layers that one machine has made and others need not make again.
//!
//! # In the store
//!
//! A store is a bucket or a directory that several machines share ([`ObjectStore`]). It has two kinds of objects:
//!
//! ```text
//! blobs/<sha256>.zst   a file of a layer, compressed as a whole; the name is the digest of the compressed bytes
//! layers/<key>         the record of a layer: its `layer.json`, its blobs, and a signature; written last
//! ```
//!
//! **A record counts** if a trusted key has signed it, if it is about the key in its name, and if its `parent_sha256` is the
//! digest of its parent's present record. Otherwise the layer is absent. A missing or damaged blob is a miss too.
//!
//! **The first writer wins.** A layer fits only one parent file, and two machines never make equal files, so two chains of one
//! recipe do not fit each other. A record is written only if there is none, or in place of one that does not count. Whoever
//! comes second keeps its layers to itself.
//!
//! **Nothing waits for the store.** A store that does not answer is off for the rest of the build, after one warning. A build never
//! fails because of a store.
//!
//! **A fetched layer** is checked while it arrives: the bytes of the blob against its name, the unpacked file against `layer.json`.
//! Then it becomes a local layer like any other: `layer.json` last.

mod blob;
mod cache;
mod directory;
mod error;
mod fetch;
mod find;
mod gc;
mod keys;
mod objects;
mod place;
mod queue;
mod record;
mod refusal;
mod s3;
mod share;
mod verify;

pub use blob::Blob;
pub use cache::{RemoteCache, Settings};
pub use directory::Directory;
pub use error::RemoteError;
pub use find::{Standing, Wanted};
pub use gc::{Gc, GcRecord};
pub use keys::{KeyError, SigningKey, TrustedKeys};
pub use objects::{Found, Listed, ObjectStore, Version};
pub use place::{Location, PlaceError};
pub use record::{Blobs, Record};
pub use refusal::Refusal;
pub use s3::S3;
pub use share::{Pushed, Shared, Sharer};
pub use verify::{RemoteFinding, RemoteLayer};
