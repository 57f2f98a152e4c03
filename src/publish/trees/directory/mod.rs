//! A directory as a target: a web server's, or one that others mount.

mod storage;
#[cfg(test)]
mod tests;

pub use storage::Directory;
