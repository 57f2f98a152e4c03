//! Spans of OpenTelemetry, in the JSON form of OTLP ("OpenTelemetry Protocol Specification", JSON Protobuf Encoding).

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::timeline::{Ending, Kind, Timeline};

/// `SPAN_KIND_INTERNAL`: all spans are work inside of this program.
const INTERNAL: u8 = 1;

/// `STATUS_CODE_OK` and `STATUS_CODE_ERROR`.
const STATUS: (u8, u8) = (1, 2);

/// The span of another program in which a build runs (W3C Trace Context).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent {
    trace: String,
    span: String,
}

impl TraceParent {
    /// Reads a `traceparent`: `00-TRACE-SPAN-FLAGS`; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        let valid = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
        // Later versions may have more parts.
        let valid = valid && (version != "00" || parts.next().is_none()) && !zero(trace) && !zero(span);
        valid.then(|| Self { trace: trace.to_owned(), span: span.to_owned() })
    }
}

/// Returns the spans of a build that has ended now, for one request. `hide` removes secrets from texts.
pub(super) fn request(
    timeline: &Timeline,
    image: &str,
    ending: Ending,
    parent: Option<&TraceParent>,
    resource: &[(String, String)],
    hide: &dyn Fn(&str) -> String,
) -> Value {
    let (began, _) = timeline.began;
    let whole = timeline.elapsed();
    let time = |since: Duration| {
        let time = (began + since).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        time.as_nanos().to_string()
    };
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": hide(value) } });
    let trace = parent.map_or_else(|| random(16), |parent| parent.trace.clone());
    let root = random(8);
    let good = matches!(ending, Ending::Made);
    let mut first = json!({
        "traceId": trace, "spanId": root, "name": hide(&format!("build {image}")), "kind": INTERNAL,
        "startTimeUnixNano": time(Duration::ZERO), "endTimeUnixNano": time(whole),
        "attributes": [text("goldsmith.image", image), text("goldsmith.result", ending.word())],
        "status": { "code": if good { STATUS.0 } else { STATUS.1 } },
    });
    if let Some(parent) = parent {
        first["parentSpanId"] = json!(parent.span);
    }
    let parts = timeline.parts();
    let ids: Vec<String> = parts.iter().map(|_| random(8)).collect();
    let mut spans = vec![first];
    for (part, id) in parts.iter().zip(&ids) {
        let kind = match part.kind {
            Kind::Stage => "stage",
            Kind::Step => "step",
            Kind::Activity => "activity",
        };
        let mut attributes = vec![text("goldsmith.kind", kind)];
        attributes.extend(part.source.map(|source| text("goldsmith.layer", source.word())));
        // What is still open was broken off by the end of the build.
        let bad = part.failed || part.end.is_none();
        spans.push(json!({
            "traceId": trace, "spanId": id, "parentSpanId": part.parent.map_or(&root, |at| &ids[at]),
            "name": hide(&part.name), "kind": INTERNAL,
            "startTimeUnixNano": time(part.start), "endTimeUnixNano": time(part.end.unwrap_or(whole)),
            "attributes": attributes, "status": { "code": if bad { STATUS.1 } else { STATUS.0 } },
        }));
    }
    let resource: Vec<_> = resource.iter().map(|(key, value)| text(key, value)).collect();
    let scope = json!({ "name": "goldsmith", "version": env!("CARGO_PKG_VERSION") });
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": scope, "spans": spans }],
    }] })
}

/// Returns random bytes in hexadecimal. They are never all zero, which would be no id.
fn random(count: usize) -> String {
    let mut bytes = vec![0; count];
    // Linux always gives random bytes.
    if getrandom::fill(&mut bytes).is_err() || bytes.iter().all(|byte| *byte == 0) {
        bytes.fill(1);
    }
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::timeline::tests::timeline;
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn every_part_is_a_span_below_its_parent() {
        let parent = TraceParent::parse(PARENT).expect("it is one");
        let hide = |text: &str| text.replace("hunter2", "***");
        let resource = [("service.name".to_owned(), "ci hunter2".to_owned())];
        let request = request(&timeline(), "web-hunter2", Ending::Failed, Some(&parent), &resource, &hide);
        assert!(!request.to_string().contains("hunter2"), "{request}");
        let spans = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans");
        let of = |name: &str| spans.iter().find(|span| span["name"] == name).expect("it is there");
        let root = of("build web-***");
        assert_eq!((&root["parentSpanId"], &root["status"]["code"]), (&json!("00f067aa0ba902b7"), &json!(2)));
        assert!(spans.iter().all(|span| span["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(of("build")["parentSpanId"], root["spanId"]);
        assert_eq!(of("configure sshd")["parentSpanId"], of("build")["spanId"]);
        assert_eq!(of("download")["parentSpanId"], of("configure sshd")["spanId"]);
        for (name, code) in [("prepare", 1), ("build", 2), ("configure sshd", 1), ("clean sshd", 2)] {
            assert_eq!(of(name)["status"]["code"], code, "{name}");
        }
        let layer = json!({ "key": "goldsmith.layer", "value": { "stringValue": "remote" } });
        assert!(of("base sshd")["attributes"].as_array().expect("a list").contains(&layer));
    }

    #[test]
    fn a_trace_parent_is_known_from_other_texts() {
        assert!(TraceParent::parse(&format!(" {PARENT}\n")).is_some());
        assert!(TraceParent::parse(&format!("{}-more", PARENT.replacen("00", "01", 1))).is_some());
        for text in [
            "",
            "00",
            &PARENT[..50],
            &PARENT.to_uppercase(),
            &format!("{PARENT}-more"),
            &PARENT.replacen("00", "ff", 1),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }
}
