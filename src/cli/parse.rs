//! Parses the values of options, such as formats, parameters and tags.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::failure::{Failure, FailureKind};
use crate::image::Format;

/// Reads a format by its name.
pub(super) fn parse_format(text: &str) -> Result<Format, String> {
    if let Some(format) = Format::of_name(text) {
        return Ok(format);
    }
    let names: Vec<_> = Format::all().filter(|format| format.is_disk()).map(Format::name).collect();
    Err(Format::why_refused(text).map_or_else(|| format!("formats are {}", names.join(", ")), str::to_owned))
}

/// Reads a number of things that happen at the same time.
pub(super) fn parse_jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least one image is built at a time".to_owned()),
        Ok(jobs) => Ok(jobs),
        Err(_) => Err("write a whole number, such as 2".to_owned()),
    }
}

/// Reads one of the words that recipes use for a type.
pub(super) fn parse_word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(json!(text)).map_err(|error| error.to_string())
}

/// Reads `NAME=VALUE`.
pub(super) fn parse_param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it like name=value".to_owned()),
    }
}

/// Reads a tag of an image, as the image service takes it.
pub(super) fn parse_tag(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0 => Err("a tag has at least one character".to_owned()),
        1..=255 => Ok(text.to_owned()),
        count => Err(format!("a tag has at most 255 characters, and this has {count}")),
    }
}

/// Refuses a name that is given twice: which value is meant is not known.
pub(super) fn once(option: &str, given: &[(String, String)]) -> Result<(), Failure> {
    let mut names = BTreeSet::new();
    match given.iter().find(|(name, _)| !names.insert(name)) {
        Some((name, _)) => {
            let message = format!("--{option} gives `{name}` two values");
            Err(Failure::of(FailureKind::Usage, message).hint("give it once"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Compression;

    /// Only the first `=` is not the value's.
    #[test]
    fn values_are_carried_as_they_are() {
        for value in ["", "a,b", "a=b", "=", " a b ", "\"a\"", "it's", "{a: [1, 2]}", "ü\n", "$HOME", "--x"] {
            assert_eq!(parse_param(&format!("os name={value}")), Ok(("os name".to_owned(), value.to_owned())));
            assert_eq!(parse_tag(value).is_ok(), !value.is_empty(), "{value}");
        }
        for text in ["", "=", "=x", "name"] {
            assert!(parse_param(text).is_err(), "{text}");
        }
        assert!(parse_tag(&"ü".repeat(255)).is_ok() && parse_tag(&"ü".repeat(256)).is_err());
        let given = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect::<Vec<_>>();
        assert!(once("property", &given(&["a", "b"])).is_ok() && once("property", &given(&["a", "b", "a"])).is_err());
    }

    #[test]
    fn formats_and_words_are_those_of_recipes() {
        assert!(parse_format("docker").expect_err("no disk").contains("docker import"));
        assert_eq!(parse_word::<Compression>("xz"), Ok(Compression::Xz));
    }
}
