//! Writes the result of verifying to files: a page for people, XML for CI services, JSON for programs.

mod build_info;
mod excerpt;
pub mod html;
pub mod junit;
mod names;
mod write;

pub use build_info::{BuildInfo, Layers, Recorder, Work};
pub use names::{HTML, JSON, JUNIT};
pub use write::{json, write};
