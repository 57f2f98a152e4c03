//! Python's `str.format` as far as configurations use it: `{region_name}` stands for another key.

use super::value::Map;

/// The text with the keys that it names put in.
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
        // The name may be a part of a secret.
        done.push_str(&value.ok_or("braces hold no key of this cloud that is a text")?);
        rest = more;
    }
    done.push_str(rest);
    Ok(done)
}
