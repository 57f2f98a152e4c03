//! Publishes to a directory, such as one that a web server serves or that other hosts mount.

mod storage;
#[cfg(test)]
mod tests;

pub use storage::Directory;
