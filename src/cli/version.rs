//! `goldsmith --version`: the versions of the program and of what it works with. `-V` prints only its own.

use std::process::Command;

use clap::error::ErrorKind;

use super::settings;
use crate::guest::accel::KvmVerdict;
use crate::guest::{accel, libguestfs};
use crate::process::capture;

/// Returns whether a person has asked for all versions, by the long option.
pub(super) fn is_long(asked: &clap::Error) -> bool {
    asked.kind() == ErrorKind::DisplayVersion && std::env::args_os().any(|word| word == "--version")
}

/// Returns the versions, one a line.
pub(super) fn long() -> String {
    let libguestfs = libguestfs::version().unwrap_or_else(|error| format!("cannot be used: {error}"));
    let qemu = capture(Command::new(settings::qemu()).arg("--version"));
    let qemu = match &qemu {
        Ok(said) => {
            said.split_whitespace().skip_while(|word| *word != "version").nth(1).unwrap_or("of unknown version")
        }
        Err(_) => "not found; `goldsmith doctor` says how to install it",
    };
    let cache = settings::cache_dir(None).unwrap_or_default();
    let accel = match accel::known_verdict(&settings::qemu(), &cache) {
        Ok(Some(KvmVerdict::Works)) => "KVM",
        Ok(Some(_)) => "TCG; `goldsmith doctor` says why",
        Ok(None) | Err(_) => "not tried yet; `goldsmith doctor` tries KVM",
    };
    format!("goldsmith {}\nlibguestfs {libguestfs}\nQEMU {qemu}\naccelerator {accel}\n", env!("CARGO_PKG_VERSION"))
}
