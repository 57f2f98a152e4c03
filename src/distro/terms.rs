//! Decodes files of distributions. Messages about a wrong name say what it should be, such as an `architecture` or a `mechanism`.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::yaml::{Diagnostic, Node, Source, Terms, decode_with};

/// Reads a type from the tree of a distribution's file, as [`crate::yaml::decode`] does.
pub(super) fn decode<T: DeserializeOwned>(root: &mut Node, source: &Arc<Source>) -> (Option<T>, Vec<Diagnostic>) {
    decode_with(&Terms { kind, reason: |_, _| None }, root, source)
}

fn kind(type_name: &str) -> &'static str {
    match type_name {
        "Arch" => "architecture",
        "Init" | "Initramfs" | "PackageManager" | "Bootloader" | "Efi" | "Network" | "Locale" | "TimeZone"
        | "Relabel" => "mechanism",
        "Tool" => "tool",
        _ => "name",
    }
}
