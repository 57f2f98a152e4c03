//! Canonical JSON: one text for one value, so that equal values have equal digests.

use serde_json::Value;

/// Returns the canonical text of a JSON value: the keys of every object are sorted by their bytes, and there is no white space.
/// Equal values have the same text, however they were made.
///
/// A change of this function changes every layer key.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| key.as_bytes());
            text.push('{');
            for (index, (key, item)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                // `Display` of a JSON string is the string quoted and escaped.
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(item, text);
            }
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::layer::LayerKey;

    #[test]
    fn the_text_does_not_depend_on_how_the_value_was_made() {
        for (value, text) in [
            (json!(null), "null"),
            (json!({ "b": 1, "a": { "d": [], "c": {} } }), r#"{"a":{"c":{},"d":[]},"b":1}"#),
            (json!({ "a": { "c": {}, "d": [] }, "b": 1 }), r#"{"a":{"c":{},"d":[]},"b":1}"#),
            (json!(["b", "a", 1.5, -2, true]), r#"["b","a",1.5,-2,true]"#),
            (json!({ "quote\"\n": "tab\t\u{1}é" }), "{\"quote\\\"\\n\":\"tab\\t\\u0001é\"}"),
            (json!({ "é": 1, "z": 2, "Z": 3 }), r#"{"Z":3,"z":2,"é":1}"#),
        ] {
            assert_eq!(canonical(&value), text);
        }
    }

    /// Fails after a change of the key format, by which all users must make all layers again.
    #[test]
    fn keys_are_pinned() {
        let ingredients = json!({
            "step": { "phase": "configure", "element": "sshd" },
            "format": 1,
            "parent": null,
            "network": false,
            "actions": [{ "write": { "path": "/etc/motd", "content": "grüß \"dich\"\n" } }],
            "files": { "scripts/harden.sh": { "mode": 493, "sha256": "00" } },
        });
        assert_eq!(
            LayerKey::of(&canonical(&ingredients)).to_string(),
            "220eabcbc87da0f03df645b4a2af8c8adcec234d6ad75278622c0cae0907ea1e"
        );
    }
}
