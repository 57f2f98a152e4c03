//! The layer store: the results of all steps, which builds find by their keys and reuse.
//!
//! # On disk
//!
//! ```text
//! <root>/store.json                {"version":1}
//! <root>/lock                      empty; locked by every process that has the store open
//! <root>/layers/<key>/disk.qcow2   the changes of one step
//! <root>/layers/<key>/key.json     the ingredients of the key
//! <root>/layers/<key>/layer.json   the metadata of the layer; written last
//! <root>/layers/<key>/lock         empty; locked exclusively while the layer is made
//! <root>/layers/<key>/tree.tar, vmlinuz, initrd   files that were extracted from the disk, if an output needs them
//! <root>/layers/<key>/used         empty; its time stamp is the last use
//! <root>/images/<sha256>           base images, also with the extension .qcow2 or .raw
//! <root>/images/<sha256>.disk.qcow2   a converted base image; .disk.sha256 has its digest
//! ```
//!
//! A store with a higher version than this program knows is refused. Every change of the meaning of these files is a new version.
//!
//! **Keys.** A key is the SHA-256 of canonical JSON ([`canonical`]): keys sorted, no white space. `key.json` is exactly this
//! text, so `sha256sum key.json` prints the name of its directory.
//!
//! **A layer exists** if `layer.json` can be read, `disk.qcow2` has the size in it, and the same is true of all its parents, down
//! to a layer without a parent or to a base image. Otherwise the layer is absent: a build removes the content of its directory
//! and makes it again. `layer.json` appears atomically after `disk.qcow2` has reached the disk, so after a crash at any moment a
//! layer is complete or absent.
//!
//! **A layer belongs to one parent file**, not just to one key: an overlay on top of another build of the same step is garbage.
//! `layer.json` therefore records the digest of the parent's `disk.qcow2`. If a parent is made again with different bytes, its
//! children are absent. For the same reason a layer can only be committed after its parent, and on the same file that it was
//! begun on.
//!
//! **Extracted files** are kept beside the disk, so that exports need no guest. `layer.json` lists them with their digests. A
//! process that holds the layer's lock can add them later; without them the layer is complete too.
//!
//! **Backing paths** in the qcow2 headers are relative, `../<parent>/disk.qcow2` or
//! `../../images/<file>`, so a store can be moved.
//!
//! **Locks** are `flock`s, which the kernel releases when their holder dies. A builder holds a layer's lock exclusively from the
//! miss to the commit ([`Slot`]); others that need the layer wait for it. Builds claim parents before children, so no two builds
//! wait for each other. Builds share the store's lock; garbage collection and repair hold it exclusively, so they remove nothing
//! that a build has found. Files are removed by unlinking and never overwritten, so programs that have them open see no change.

mod backing;
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
