//! Tests that need no guest, no service and no machine. Almost all are done in seconds.

mod base_recipes;
mod cli;
mod distributions;
mod docs;
mod engine;
mod engines;
mod hostile;
mod image_qcow2;
mod image_read;
mod image_writers;
mod includes;
mod installers;
mod keys;
mod matrices;
#[path = "../support/matrix.rs"]
mod matrix_support;
mod modules;
mod packages;
mod partitions;
mod plans;
mod recipes;
mod report;
mod root_trees;
mod store;
mod units;
