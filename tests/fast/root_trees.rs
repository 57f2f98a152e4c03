//! Bases that are root trees: what archives, layers and directories may say, and what a disk gets of it.

mod directories;
mod disks;
mod entries;
mod layers;
mod local_images;
mod registries;
