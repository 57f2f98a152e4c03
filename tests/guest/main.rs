//! Tests that need libguestfs, most of them also a package mirror: guests run, but no image boots.

mod alpine;
#[path = "../support/alpine.rs"]
mod alpine_image;
mod ansible;
mod apk;
#[path = "../support/apt_distro.rs"]
mod apt_distro;
mod base;
mod base_recipe;
mod bases;
mod calls;
mod containers;
#[path = "../support/containers.rs"]
mod containers_support;
mod diff;
mod disks;
mod entitlement;
mod faults;
mod image_base;
mod inspect;
mod labels;
mod library;
mod lvm_grow;
mod matrix;
mod mended;
mod oracle;
mod pacman;
#[path = "../support/programs.rs"]
#[allow(dead_code, reason = "the cloud's tests use more of it")]
mod programs;
#[path = "../support/registry.rs"]
mod registry;
mod remote;
mod roots;
mod rpm;
#[path = "../support/rpm_distro.rs"]
mod rpm_distro;
mod sabotage;
#[path = "../support/shared.rs"]
mod shared;
mod slurm;
mod start;
#[path = "../support/synthetic.rs"]
mod synthetic;
mod sysprep;
mod tiny;
mod trees;
mod ubuntu;
mod zypper;
