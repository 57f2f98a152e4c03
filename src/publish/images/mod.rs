//! Publishes images to the image service of a cloud (OpenStack Glance).
//!
//! ```text
//! Source ── Record::of ─> Record ── preflight ─> Route ── begin, deliver ─> Image ── release: promote, rotate
//! ```
//!
//! The id of an image follows from its name and its content. Publishing the same image again therefore finds what is there,
//! finished or half done, and never makes a second copy.

mod begin;
pub mod deliver;
mod glance;
mod hypervisor;
mod permission;
mod preflight;
mod properties;
mod record;
mod release;
mod scs;
mod signature;

pub(super) use glance::run;
pub use properties::DeriveError;
