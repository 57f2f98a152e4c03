//! Readers of image files, one for each format.

pub mod raw;
