//! The layer store: what every step left behind, found by what went into it.
//!
//! # On disk
//!
//! ```text
//! <root>/store.json                {"version":1}
//! <root>/lock                      empty; shared by everyone who has the store open
//! <root>/layers/<key>/disk.qcow2   what one step changed
//! <root>/layers/<key>/key.json     what the key was made of
//! <root>/layers/<key>/layer.json   what the layer is; written last
//! <root>/layers/<key>/lock         empty; held alone by whoever makes the layer
//! <root>/layers/<key>/tree.tar, vmlinuz, initrd   what was taken out of the disk, where it was wanted
//! <root>/layers/<key>/used         empty; its time stamp is the last use
//! <root>/images/<sha256>           base images, also with the extension .qcow2 or .raw
//! <root>/images/<sha256>.disk.qcow2   what a base image of another format became; .disk.sha256 has its digest
//! ```
//!
//! A store whose version is higher than the one known here is refused, never guessed at. Changing
//! what any of these files means is a new version.
//!
//! **Keys.** A key is the SHA-256 of canonical JSON ([`canonical`]): keys sorted, no white space.
//! `key.json` is that very text, so `sha256sum key.json` prints the name of its directory.
//!
//! **A layer exists** when `layer.json` can be read, `disk.qcow2` has the size it records, and the
//! same is true of its parent and so on down to a layer without one, or to a base image. Everything
//! else is absent: it is made again, and what is in its directory is removed first. `layer.json` appears
//! atomically after `disk.qcow2` has reached the disk, so a crash at any moment leaves a layer that is
//! whole or absent.
//!
//! **A layer belongs to one parent file**, not just to one key: an overlay on top of another
//! build of the same step is garbage. `layer.json` therefore records the digest of the parent's
//! `disk.qcow2`; when a parent is made again with different bytes, its children are absent. For the
//! same reason a layer can only be committed after its parent, and on the file it was begun on.
//!
//! **What was taken out of a disk** is kept beside it, so that making files of it needs no guest. `layer.json` names
//! it with its digest. It can be added later, by whoever holds the layer's lock; without it the layer is whole.
//!
//! **Backing paths** in the qcow2 headers are relative, `../<parent>/disk.qcow2` or
//! `../../images/<file>`, so a store can be moved.
//!
//! **Locks** are `flock`s, which the kernel releases when their holder dies. A layer's lock is held
//! alone from the miss to the commit ([`Slot`]); whoever else needs the layer waits for it. Claims go
//! from parent to child, so no two builds wait for each other. The store's lock is shared by builds; garbage
//! collection and repair hold it alone, so nothing is removed that a build has found.
//! A file that is removed is unlinked and never overwritten: what still has it open sees no change.

mod canonical;
mod error;
pub mod explain;
mod extra;
mod gc;
mod key;
mod record;
mod root;
mod slot;
mod store;
mod tree;
mod verify;

pub use canonical::canonical;
pub use error::StoreError;
pub use gc::{GcPolicy, GcReport};
pub use key::LayerKey;
pub use record::{Extra, ExtraMeta, Extracted, Layer, LayerMeta};
pub use root::prepare;
pub use slot::{NewLayer, Parent, Slot};
pub use store::{Lookup, Store};
pub use tree::{LayerInfo, LayerState};
pub use verify::{Finding, Problem, Subject};
