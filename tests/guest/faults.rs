//! What goes wrong while an image is built or run, with the real guest: failing steps, interrupts, kills at any moment.
//!
//! A small base is bootstrapped once and copied for each test. Guests are emulated where there is no KVM, so
//! that tests share launches where they can.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod failures;
mod installers;
mod interrupts;
mod kills;
mod running;
mod sandbox;
mod shell;
mod terminal;
