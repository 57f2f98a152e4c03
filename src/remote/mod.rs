//! The remote layer cache: layers that one machine has made and others need not make again.
//!
//! # In the store
//!
//! A store is a bucket, a directory or a repository of a registry ([`Oci`] says how) that several machines share ([`ObjectStore`]). It has three kinds of objects:
//!
//! ```text
//! blobs/<sha256>.zst   a file of a layer, compressed as a whole; the name is the digest of the compressed bytes
//! layers/<key>         the record of a layer: its `layer.json`, its blobs, and a signature; written last
//! leases/<key>         which machine is making a layer; it goes when the layer is there
//! ```
//!
//! **A record counts** if a trusted key has signed it, if it is about the key in its name, and if its `parent_sha256` is the
//! digest of its parent's present record. Otherwise the layer is absent. A missing or damaged blob is a miss too.
//!
//! **The first writer wins.** A layer fits only one parent file, and two machines never make equal files, so two chains of one
//! recipe do not fit each other. A record is written only if there is none, or in place of one that does not count. Whoever
//! comes second keeps its layers to itself.
//!
//! **A lease saves work.** A machine that writes takes the lease of a layer before it makes the layer. Others wait for the record, and fetch
//! the layer. Nothing but the work that is done twice depends on leases: a store that ignores conditions has none.
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
mod lease;
mod notes;
mod objects;
mod oci;
mod place;
mod probe;
mod queue;
mod record;
mod refusal;
mod renew;
mod s3;
mod share;
mod turn;
mod verify;

pub use blob::Blob;
pub use cache::{RemoteCache, Settings};
pub use directory::Directory;
pub use error::RemoteError;
pub use fetch::Wish;
pub use find::{Standing, Wanted};
pub use gc::{Gc, GcRecord};
pub use keys::{KeyError, SigningKey, TrustedKeys};
pub use lease::{Lease, LeaseTimes};
pub use objects::{Found, Listed, ObjectStore, Version};
pub use oci::Oci;
pub use place::{Location, PlaceError};
pub use record::{Blobs, Record};
pub use refusal::Refusal;
pub use s3::S3;
pub use share::{Pushed, Shared, Sharer};
pub use turn::{Lacking, Maker, Turn};
pub use verify::{RemoteFinding, RemoteLayer, RemoteLease};
