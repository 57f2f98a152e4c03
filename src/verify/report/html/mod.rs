//! The report as one HTML page: it needs no other file, no network, and no script to be read.
//!
//! Every text may come from the image. `maud` escapes it, [`readable`](crate::text::readable) removes what is invisible, and the
//! page's own policy lets a browser load nothing and run nothing but the page's one script.

mod checks;
mod page;
mod parts;

pub use page::page;
