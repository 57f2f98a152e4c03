//! Goldsmith makes golden images: bootable disks for clouds, from declarative recipes.
//!
//! # The flow
//!
//! One type per stage, each stage a function from one to the next; the wrong order does not compile.
//! [`pipeline::Pipeline::run`] is all of them.
//!
//! ```text
//! recipe.yaml ── recipe::load ──> Recipe + Composition   what is written, elements composed and rendered
//!             ── pin::pin ──────> Pinned                 what floats, fixed: mirrors, images
//!             ── plan::resolve ─> Plan                   pure data: every step with its layer key
//!             ── build::build ──> BuiltDisk              each step a qcow2 layer, made or found
//!             ── build::finalize > FinalDisk             trimmed, the guest stopped
//!             ── export::export > Exported               artifacts, checksums, manifest
//!             ── verify ────────> Report                 what was seen of the image, looked at and booted
//!             ── publish::run ──> Vec<Outcome>           what was done at each target, or why nothing was
//! ```
//!
//! # The modules
//!
//! A module may use those of its own line and of the lines below.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cli`] | everything that knows a terminal, the environment or an exit code |
//! | [`pipeline`] | the stages as one job: from a recipe to artifacts that were verified and published |
//! | [`diff`], [`verify`], [`publish`] | what changed between two images; whether an image keeps its promises; handing it to a cloud |
//! | [`pin`], [`build`], [`export`], [`inspect`] | from a recipe's pins to a plan's disk to files; what is in an image |
//! | [`fetch`], [`base`], [`guest`], [`disk`], [`machine`], [`metadata`], [`openstack`] | one outside thing each: networks, mmdebstrap, libguestfs, disk formats, QEMU as a cloud's machine, a cloud's metadata, OpenStack |
//! | [`plan`] | the plan and its layer keys |
//! | [`recipe`], [`element`], [`distro`], [`action`] | what people write, and what is known of distributions |
//! | [`layer`] | the layer store |
//! | [`image`] | image files: formats, and one pass from a disk to many of them |
//! | [`event`], [`vocabulary`], [`process`], [`interrupt`], `syntax`, [`fsx`], [`digest`], [`units`], [`text`], [`address`], [`workdir`], [`yaml`] | leaves |
//!
//! # Invariants
//!
//! - The library prints nothing and reads no environment variable; only [`cli`] does.
//! - Nothing of the host is mounted, and no loop device is used: what touches an image runs in the guest, or
//!   natively in a namespace of its own.
//! - A layer's key holds all that may change its content and nothing else ([`plan::key`]).
//! - What is seen under its final name is complete: layers by `layer.json`, artifacts by a rename.
//! - The guest is not trusted: nothing it prints or stores is run by the host or decides a path of the host.

pub mod action;
pub mod address;
pub mod base;
pub mod build;
pub mod cli;
pub mod diff;
pub mod digest;
pub mod disk;
pub mod distro;
pub mod element;
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
mod syntax;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod units;
pub mod verify;
pub mod vocabulary;
pub mod workdir;
pub mod yaml;
