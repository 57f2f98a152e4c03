//! Decodes recipes and elements. Messages about a wrong name say what it should be, such as an `action` or a `format`.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::image::Format;
use crate::yaml::{Diagnostic, Node, Source, Terms, decode_with};

/// Reads a type of recipes or elements from a tree, as [`crate::yaml::decode`] does.
pub(crate) fn decode<T: DeserializeOwned>(root: &mut Node, source: &Arc<Source>) -> (Option<T>, Vec<Diagnostic>) {
    decode_with(&Terms { kind, reason }, root, source)
}

fn kind(type_name: &str) -> &'static str {
    match type_name {
        "Action" => "action",
        "Check" | "Booted" => "check",
        "Arch" => "architecture",
        "Base" => "kind of base",
        "Compression" => "compression",
        "Format" => "format",
        "Layout" => "layout",
        "ParamType" => "type",
        "SecretSource" => "source of a secret",
        _ => "name",
    }
}

fn reason(kind: &str, name: &str) -> Option<&'static str> {
    Format::why_refused(name).filter(|_| kind == "format")
}
