//! Errors in the configuration of a cloud.

use super::value::{Node, Place, Value};
use crate::openstack::CloudError;

/// An error in the configuration, with its place and help. It never shows the value, which may be a secret.
pub(super) struct Wrong {
    place: Option<String>,
    message: String,
    help: String,
}

pub(super) type Result<T> = std::result::Result<T, Wrong>;

impl Wrong {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), help: help.into() }
    }

    /// Makes an error at the place of a value.
    pub(super) fn at(node: &Node, message: impl Into<String>, help: impl Into<String>) -> Self {
        let place = node.place.as_ref().map(|Place { source, span }| match span {
            Some(span) => {
                let position = source.position(span.start);
                format!("{}:{}:{}", source.name(), position.line, position.column)
            }
            None => source.name().to_owned(),
        });
        Self { place, message: message.into(), help: help.into() }
    }

    /// Makes the error of a key whose value has the wrong type.
    pub(super) fn kind(key: &str, node: &Node) -> Self {
        let help = match &node.value {
            Value::Bool(_) | Value::Time(_) | Value::Bytes => {
                "put quotes around it: without them, YAML 1.1 reads no text"
            }
            Value::Fault(_) => "put quotes around it if it is meant as text",
            _ => "write a text",
        };
        let message = match &node.value {
            Value::Fault(reason) => format!("`{key}` cannot be read: {reason}"),
            _ => format!("`{key}` is {}", node.kind()),
        };
        Self::at(node, message, help)
    }

    pub(super) fn of_cloud(self, cloud: &str, files: &[String]) -> CloudError {
        let files = self.place.map_or_else(|| files.to_vec(), |place| vec![place]);
        CloudError::Config { cloud: cloud.to_owned(), files, message: self.message, help: self.help }
    }

    /// Adds another possible reason to the help.
    pub(super) fn or_else(mut self, reason: &str) -> Self {
        self.help = format!("{reason}. Else {}", self.help);
        self
    }
}
