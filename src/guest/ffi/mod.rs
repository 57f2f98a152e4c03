//! The calls of libguestfs' C interface that the guest uses, as safe methods of a [`Handle`].
//!
//! We wrote it because guestfs 0.1.0 of 2019, the crate made by libguestfs' own generator, has faults. It makes a slice of a null
//! pointer for an extended attribute without bytes, returns texts with an unlimited lifetime that the next setting frees,
//! declares `guestfs_create_flags` without its variable arguments, panics if an error is not UTF-8, and hides error numbers. Of
//! its 668 calls we need 57.
//!
//! All unsafe use of the library is here. `handle` opens and closes a handle, and `calls` makes the calls. `convert` and
//! `structs` turn the results into our own values and free them. Tests compare each declaration with `guestfs.h`.

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
