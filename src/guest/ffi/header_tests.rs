//! Tests that the declarations of this module are those of the library.

use std::process::Command;

use super::{calls, handle, structs};

/// Returns `guestfs.h` with one space between words.
fn header() -> String {
    let directory = Command::new("pkg-config").args(["--variable=includedir", "libguestfs"]).output();
    let directory = directory.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let directory =
        directory.ok().filter(|directory| !directory.is_empty()).unwrap_or_else(|| "/usr/include".to_owned());
    let text = std::fs::read_to_string(format!("{directory}/guestfs.h"));
    let text = text.expect("install the headers of libguestfs: make setup");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn functions_and_structures_are_declared_as_in_the_header() {
    let header = header();
    let functions = calls::declared().into_iter().chain(handle::DECLARED.map(str::to_owned));
    let functions = functions.map(|function| format!(" {function};"));
    let structures = structs::declared().into_iter().map(|structure| format!("{structure};"));
    let others: Vec<_> = functions.chain(structures).filter(|declared| !header.contains(declared)).collect();
    assert!(others.is_empty(), "guestfs.h has others: {others:#?}");
}

#[test]
fn numbers_that_the_header_names_are_the_same() {
    let header = header();
    for defined in ["GUESTFS_EVENT_WARNING 0x0200", "GUESTFS_GLOB_EXPAND_OPTS_DIRECTORYSLASH 0"] {
        assert!(header.contains(&format!("#define {defined} ")), "{defined}");
    }
}
