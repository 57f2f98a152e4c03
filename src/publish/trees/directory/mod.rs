//! A directory as a target: a web server's, or one that others mount.

mod shelf;
#[cfg(test)]
mod tests;

pub use shelf::Directory;
