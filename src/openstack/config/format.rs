//! The part of Python's `str.format` that configurations use: `{region_name}` stands for another key.

use super::value::Map;

/// Replaces the keys in braces by their values.
pub(super) fn format(text: &str, config: &Map) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        done.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(more) = rest.strip_prefix(brace) {
            done.push_str(brace);
            rest = more;
            continue;
        }
        let (name, more) = rest.split_once('}').filter(|_| brace == "{").ok_or("a single brace")?;
        let value = config.get(name).and_then(|node| node.as_text());
        // The message must not show the name, which may be part of a secret.
        done.push_str(&value.ok_or("braces name no key of this cloud with a text")?);
        rest = more;
    }
    done.push_str(rest);
    Ok(done)
}
