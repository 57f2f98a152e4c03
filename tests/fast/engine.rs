//! The build loop and the actions, in a guest that is memory: what ran, in which order, how often.

mod actions;
mod base_recipes;
mod batches;
mod building;
mod derived;
mod examining;
mod exporting;
mod failing;
mod fixture;
mod image_base;
mod including;
mod leases;
mod packages;
mod pipeline;
mod remote;
mod secrets;
mod services;
mod sharing;
mod system;
mod trees;
