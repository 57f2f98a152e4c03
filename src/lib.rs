//! Goldsmith makes golden images: bootable disks for clouds, from declarative recipes.
//!
//! # The flow
//!
//! Each stage is a function from one type to the next, so a wrong order does not compile.
//! [`pipeline::Pipeline::run`] runs all stages.
//!
//! ```text
//! recipe.yaml ── recipe::load ──> Recipe + Composition   the recipe, with its elements in order and parameters replaced
//!             ── pin::pin ──────> Pinned                 versions of mirrors and images, fixed
//!             ── plan::resolve ─> Plan                   pure data: every step with its layer key
//!             ── build::build ──> BuiltDisk              each step is a qcow2 layer, made or found in the cache
//!             ── build::finalize > FinalDisk             the trimmed disk; the guest has stopped
//!             ── export::export > Exported               artifacts, checksums, manifest
//!             ── verify ────────> Report                 results of checks of the disk and of the booted image
//!             ── publish::run ──> Vec<Outcome>           what was done at each target, or the error
//! ```
//!
//! # The modules
//!
//! A module may use those of its own line and of the lines below.
//!
//! | module | content |
//! |---|---|
//! | [`cli`] | the command line: the only module with terminal, environment and exit codes |
//! | [`pipeline`] | the stages as one job: from a recipe to verified and published artifacts |
//! | [`engines`] | files of engines that spread the images of a matrix over machines |
//! | [`diff`], [`verify`], [`publish`] | differences between two images; checks of an image; publishing to a cloud |
//! | [`pin`], [`build`], [`export`], [`inspect`] | pins of a recipe; the disk of a plan; output files; the content of an image |
//! | [`remote`], [`telemetry`] | the remote layer cache: layers that machines share; numbers and spans for operators of many builds |
//! | [`fetch`], [`bucket`], [`base`], [`guest`], [`disk`], [`machine`], [`metadata`], [`openstack`] | one external thing each: networks, object stores, mmdebstrap, dnf and zypper, libguestfs, disk formats, QEMU as a cloud's virtual machine, a cloud's metadata, OpenStack |
//! | [`plan`] | the plan and its layer keys |
//! | [`recipe`], [`element`], [`distro`], [`action`] | files that people write, and facts about distributions |
//! | [`layer`] | the layer store |
//! | [`tree`] | root trees: archives, layers and directories with the files of a system |
//! | [`image`] | image files: formats, and one pass from a disk to many of them |
//! | [`event`], [`vocabulary`], [`process`], [`interrupt`], `syntax`, [`fsx`], [`digest`], [`units`], [`text`], [`address`], [`workdir`], [`yaml`] | helpers that use only each other |
//!
//! # Invariants
//!
//! - The library prints nothing and reads no environment variable; only [`cli`] does.
//! - Goldsmith mounts nothing on the host and uses no loop device: code that touches an image runs in the guest, or natively
//!   in its own namespace.
//! - A layer's key contains everything that may change its content, and nothing else ([`plan::key`]).
//! - A file under its final name is complete: layers by `layer.json`, artifacts by a rename.
//! - The guest is not trusted: the host runs nothing that the guest prints or stores, and takes no path on the host from it.

pub mod action;
pub mod address;
pub mod base;
pub mod bucket;
pub mod build;
pub mod cli;
pub mod diff;
pub mod digest;
pub mod disk;
pub mod distro;
pub mod element;
pub mod engines;
pub mod event;
pub mod export;
pub mod fetch;
pub mod fsx;
pub mod guest;
pub mod image;
pub mod inspect;
pub mod interrupt;
pub mod layer;
pub mod machine;
pub mod metadata;
pub mod openstack;
pub mod pin;
pub mod pipeline;
pub mod plan;
pub mod process;
pub mod publish;
pub mod recipe;
pub mod remote;
mod syntax;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod tree;
pub mod units;
pub mod verify;
pub mod vocabulary;
pub mod workdir;
pub mod yaml;
