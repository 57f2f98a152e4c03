//! What of libguestfs' C interface the guest uses, as safe calls of a [`Handle`].
//!
//! It is our own. The crate that libguestfs' own generator made, guestfs 0.1.0 of 2019, was used before. It makes a slice of
//! a null pointer for an extended attribute of no length, hands out texts for ever that the next setting frees, declares
//! `guestfs_create_flags` without its variable arguments, panics where an error is not UTF-8, and keeps error numbers to
//! itself. Of its 668 calls we need 57.
//!
//! All that is unsafe about the library is here: `handle` opens and closes a handle, `calls` makes the calls, `convert` and
//! `structs` turn what they return into values of our own and free it. Tests compare each declaration with `guestfs.h`.

#![allow(unsafe_code, reason = "libguestfs is a library in C")]

mod calls;
mod convert;
mod failure;
mod handle;
#[cfg(test)]
mod header_tests;
mod structs;

pub(super) use failure::Failure;
pub(super) use handle::Handle;
