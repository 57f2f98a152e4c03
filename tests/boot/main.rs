//! Tests that boot machines: of images that are built for real, and of disks that do not boot.

mod alpine;
#[path = "../support/alpine.rs"]
mod alpine_image;
#[path = "../support/apt_distro.rs"]
mod apt_distro;
mod bad_images;
mod boots;
mod containers;
#[path = "../support/containers.rs"]
mod containers_support;
mod debians;
mod disks;
mod foreign;
mod installers;
mod library;
mod machine;
mod record;
#[path = "../support/registry.rs"]
mod registry;
mod reports;
mod rpm;
#[path = "../support/rpm_distro.rs"]
mod rpm_distro;
mod sabotage_boots;
#[path = "../support/shared.rs"]
mod shared;
#[path = "../support/synthetic.rs"]
mod synthetic;
mod trees;
mod ubuntu;
mod upon;
#[path = "../support/verified.rs"]
mod verified;
