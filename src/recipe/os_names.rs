//! Finds names below `os` in templates that the image's distribution does not have.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value as Json;

use crate::yaml::{list, near};

/// A name as templates write it.
static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bos((?:\.[A-Za-z_][A-Za-z0-9_]*)+)").expect("the pattern compiles"));

/// A name that `os` does not have.
pub(super) struct Lacking {
    /// The name, with `os.`.
    pub(super) name: String,
    /// A similar name that `os` has.
    pub(super) meant: Option<String>,
    /// Help: the distribution's file, and the names that it has.
    pub(super) help: String,
}

/// Finds names below `os` in a template's text that `os` does not have. Without an `os` it finds none.
pub(super) fn lacking(text: &str, os: Option<&Json>) -> Vec<Lacking> {
    let Some(os) = os else { return Vec::new() };
    let mut found: Vec<Lacking> = Vec::new();
    for captures in NAME.captures_iter(text) {
        let mut value = os;
        let mut place = String::new();
        for part in captures[1].split('.').skip(1) {
            let Some(object) = value.as_object() else { break };
            if let Some(inner) = object.get(part) {
                value = inner;
                place = format!("{place}.{part}");
                continue;
            }
            let name = format!("os{place}.{part}");
            if found.iter().all(|lacking| lacking.name != name) {
                let known = || object.keys().map(|key| format!("os{place}.{key}"));
                let [distro, file] = ["name", "file"].map(|key| os[key].as_str().unwrap_or_default());
                let help = format!("{distro}, which is described in {file}, has {}", list(known()));
                found.push(Lacking { meant: near(&name, known()), help, name });
            }
            break;
        }
    }
    found
}
