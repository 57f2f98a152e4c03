//! Types of parameters: makes typed values of what a file or a command line gives.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::element::schema::{Param, ParamType};
use crate::recipe::template::from_json;
use crate::yaml::{Diagnostic, Node, Source, Span, Style, Value, list, near, parse};

/// An error in a value.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn at(self, source: &Arc<Source>, span: Span, whose: &str) -> Diagnostic {
        let diagnostic = Diagnostic::new(source, span, format!("{whose}: {}", self.message));
        match self.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }

    /// Reports the error of a value that is written in no file: the option or variable is its place.
    pub(super) fn of(self, whose: &str) -> Diagnostic {
        let diagnostic = Diagnostic::of_file(&Source::new(whose, ""), format!("`{whose}`: {}", self.message));
        match self.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

/// Returns the type of an entry of `choices`: for a list, the type of its items.
pub(super) fn item_kind(kind: ParamType) -> ParamType {
    match kind {
        ParamType::List => ParamType::String,
        other => other,
    }
}

fn expected(kind: ParamType) -> &'static str {
    match kind {
        ParamType::String => "a string",
        ParamType::Integer => "a whole number",
        ParamType::Boolean => "`true` or `false`",
        ParamType::List => "a list of strings",
    }
}

pub(super) fn accept(param: &Param, node: &Node) -> Result<Json, Fault> {
    let value = typed(param.kind, node)?;
    if let Some(choices) = &param.choices {
        let chosen = match &value {
            Json::Array(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        if let Some(stray) = chosen.iter().find(|item| !choices.contains(item)) {
            let allowed: Vec<String> = choices.iter().map(plain).collect();
            return Err(Fault {
                message: format!("`{}` is not one of {}", plain(stray), list(&allowed)),
                help: near(&plain(stray), &allowed).map(|near| format!("did you mean `{near}`?")),
            });
        }
    }
    Ok(value)
}

fn typed(kind: ParamType, node: &Node) -> Result<Json, Fault> {
    let mismatch = || {
        let plain = node.style == Style::Plain
            && kind == ParamType::String
            && matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
        Fault {
            message: format!("expected {}, found {}", expected(kind), node.describe()),
            help: plain.then(|| "write it in quotes to make it a string".to_owned()),
        }
    };
    match (kind, &node.value) {
        (ParamType::Integer, Value::Int(value)) => Ok(Json::from(*value)),
        (ParamType::Boolean, Value::Bool(value)) => Ok(Json::from(*value)),
        (ParamType::String, _) => node.printed().map(Json::from).ok_or_else(mismatch),
        (ParamType::List, Value::List(items)) => {
            items.iter().map(|item| typed(ParamType::String, item)).collect::<Result<Vec<_>, _>>().map(Json::from)
        }
        _ => Err(mismatch()),
    }
}

pub(super) fn accept_text(param: &Param, text: &str) -> Result<Json, Fault> {
    if param.kind == ParamType::List {
        return accept(param, &list_of_text(text)?);
    }
    let value = match param.kind {
        ParamType::String => Some(Json::from(text)),
        ParamType::Integer => text.parse::<i64>().ok().map(Json::from),
        ParamType::Boolean => text.parse::<bool>().ok().map(Json::from),
        ParamType::List => None,
    };
    match value {
        Some(value) => accept(param, &from_json(value, Span::default())),
        None => Err(Fault { message: format!("expected {}, found `{text}`", expected(param.kind)), help: None }),
    }
}

/// A list as people type it: words between commas, or what YAML writes in brackets.
fn list_of_text(text: &str) -> Result<Node, Fault> {
    let unfit = |message: String| Fault {
        message,
        help: Some("write `a,b`, or `[a, \"b, c\"]` for texts with commas or quotes".to_owned()),
    };
    if text.trim_start().starts_with('[') {
        let (node, errors) = parse(&Source::new("--param", text));
        return match (node, errors.first()) {
            (Some(node), None) => Ok(node),
            (_, error) => Err(unfit(error.map_or_else(String::new, |error| error.message().to_owned()))),
        };
    }
    let items: Vec<_> = text.split(',').map(str::trim).collect();
    let marks = ['[', ']', '{', '}', '"', '\''];
    match items.iter().find(|item| item.starts_with(marks) || item.ends_with(marks) || item.is_empty()) {
        Some(_) if text.trim().is_empty() => Ok(from_json(Json::Array(Vec::new()), Span::default())),
        Some(stray) => Err(unfit(format!("`{stray}` between commas is no word"))),
        None => Ok(from_json(items.into_iter().map(Json::from).collect(), Span::default())),
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_typed_with_commas_or_as_yaml() {
        let list = Param { kind: ParamType::List, default: None, choices: None, description: None };
        let typed = |text: &str| accept_text(&list, text).map_err(|fault| fault.message);
        assert_eq!(typed("a, b c"), Ok(json!(["a", "b c"])));
        assert_eq!(typed("[a, \"b, c\", 'd']"), Ok(json!(["a", "b, c", "d"])));
        assert_eq!((typed(""), typed("[]")), (Ok(json!([])), Ok(json!([]))));
        for text in ["[a", "[a] b", "{a: b}", "\"a, b\"", "a,,b", "a,[b]", "[[a]]", "[{a: b}]"] {
            assert!(typed(text).is_err(), "{text}");
        }
    }
}
