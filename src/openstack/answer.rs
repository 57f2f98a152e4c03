//! Reads the answers of services: JSON, or an error.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Body;
use ureq::http::{Method, Response};

use super::error::CloudError;
use super::retry::retry_after;
use crate::fetch::Secret;
use crate::fetch::connection::{passes, reason};
use crate::text::printable;

/// Size limit of answers, in bytes.
pub(super) const ANSWER_LIMIT: u64 = 32 << 20;

/// Length limit of a service's message, in characters.
const MESSAGE_LIMIT: usize = 600;

/// Makes the error of a request without an answer.
pub(super) fn unreachable(url: &str, error: &ureq::Error) -> CloudError {
    CloudError::Unreachable { url: url.to_owned(), reason: reason(error), passing: passes(error) }
}

/// Makes the error of a refused request. Keystone and Barbican give the message in JSON, Glance as text or a page. Some services
/// quote the request in it, so a secret of the request is replaced.
pub(super) fn refused(method: &Method, url: &str, mut answer: Response<Body>, secret: Option<&Secret>) -> CloudError {
    let status = answer.status();
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let request_id = header("x-openstack-request-id").map(|id| printable(id.as_bytes()));
    let retry_after = header("retry-after").and_then(|text| retry_after(text, Timestamp::now()));
    let text = answer.body_mut().with_config().limit(ANSWER_LIMIT).read_to_string().unwrap_or_default();
    let told = serde_json::from_str::<Value>(&text).ok().and_then(|json| {
        let message =
            json.pointer("/error/message").or_else(|| json.get("message")).or_else(|| json.get("description"))?;
        message.as_str().map(str::to_owned)
    });
    // Messages in JSON contain tags too.
    let told = without_tags(&told.unwrap_or(text));
    // Glance repeats the status as a title, sometimes in the words of older standards.
    let mut told = told.trim();
    for words in [status.canonical_reason().unwrap_or_default(), "Request Entity Too Large"] {
        told = told.trim_start_matches(&format!("{} {words}", status.as_u16())).trim();
    }
    let told = match secret {
        Some(secret) if !secret.reveal().is_empty() => told.replace(secret.reveal(), "***"),
        _ => told.to_owned(),
    };
    let told: String = printable(told.replace('\n', " ").as_bytes()).chars().take(MESSAGE_LIMIT).collect();
    let message =
        if told.is_empty() { status.canonical_reason().unwrap_or("it gives no reason").to_owned() } else { told };
    CloudError::Refused {
        method: method.to_string(),
        url: url.to_owned(),
        status: status.as_u16(),
        message,
        request_id,
        retry_after,
    }
}

/// Returns the text of an HTML page, as far as a message needs it.
fn without_tags(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    // The body says more than the title.
    if let Some((_, body)) = rest.split_once("<body>") {
        rest = body;
    }
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn json_of<T: DeserializeOwned>(url: &str, mut answer: Response<Body>) -> Result<T, CloudError> {
    let strange = |reason: String| CloudError::Strange { url: url.to_owned(), reason };
    let text = answer.body_mut().with_config().limit(ANSWER_LIMIT).read_to_vec();
    let text = text.map_err(|error| unreachable(url, &error))?;
    serde_json::from_slice(&text).map_err(|error| strange(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_messages() {
        let page = "<html>\n <head>\n  <title>403 Forbidden</title>\n </head>\n <body>\n  <h1>403 Forbidden</h1>\n  Not \
                    you.<br /><br />\n </body>\n</html>";
        assert_eq!(without_tags(page), "403 Forbidden Not you.");
        assert_eq!(without_tags("No body.<br /><br />"), "No body.");
        assert_eq!(without_tags("a < b"), "a");
    }
}
