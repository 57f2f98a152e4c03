//! Tests that boot machines: of images that are built for real, and of disks that do not boot.

mod bad_images;
mod boots;
#[path = "../support/image.rs"]
mod image;
mod machine;
mod sabotage_boots;
mod trees;
