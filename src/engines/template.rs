//! Fills templates of engines' files. Their marks are `<{ value }>`, `<% block %>` and `<# comment #>`: the engines have their own uses
//! for `{{ }}`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};

/// Fills a template, or says why that is not possible.
pub(super) fn render(template: &str, context: &serde_json::Value) -> Result<String, String> {
    let fill = || -> Result<String, Error> {
        let mut environment = Environment::new();
        environment.set_syntax(
            SyntaxConfig::builder()
                .block_delimiters("<%", "%>")
                .variable_delimiters("<{", "}>")
                .comment_delimiters("<#", "#>")
                .trim_blocks(true)
                .lstrip_blocks(true)
                .keep_trailing_newline(true)
                .build()?,
        );
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.add_filter("quoted", quoted);
        environment.add_filter("groovy", groovy);
        environment.render_str(template, Serde(context))
    };
    fill().map_err(|error| format!("{error:#}"))
}

/// Writes a text in double quotes, as JSON and YAML read it.
fn quoted(text: String) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes a text in single quotes, as Groovy reads it.
fn groovy(value: String) -> String {
    let mut text = String::from("'");
    for c in value.chars() {
        match c {
            '\\' | '\'' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_quoted_for_the_language_of_the_file() {
        let context = json!({ "text": "it's \"a\"\\\n" });
        let filled = render("<{ text|quoted }> <{ text|groovy }>${{ x }}\n", &context);
        assert_eq!(filled.as_deref(), Ok("\"it's \\\"a\\\"\\\\\\n\" 'it\\'s \"a\"\\\\\\n'${{ x }}\n"));
        assert!(render("<{ nothing }>", &context).expect_err("no value").contains("undefined"));
    }
}
