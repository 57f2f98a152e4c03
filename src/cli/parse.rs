//! Readers of the values of options.

use serde::de::DeserializeOwned;
use serde_json::json;

use crate::image::Format;

/// Reads a format by its name.
pub(super) fn parse_format(text: &str) -> Result<Format, String> {
    if let Some(format) = Format::of_name(text) {
        return Ok(format);
    }
    let names: Vec<_> = Format::all().filter(|format| format.is_disk()).map(Format::name).collect();
    Err(Format::why_refused(text).map_or_else(|| format!("formats are {}", names.join(", ")), str::to_owned))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Compression;

    #[test]
    fn formats_and_words_are_those_of_recipes() {
        assert!(parse_format("docker").expect_err("no disk").contains("docker import"));
        assert_eq!(parse_word::<Compression>("xz"), Ok(Compression::Xz));
    }
}
