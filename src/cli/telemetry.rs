//! The numbers and spans that builds leave for operators, as an option and the variables of OpenTelemetry say.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::failure::{Failure, FailureKind};
use super::network;
use super::progress::TerminalReporter;
use super::settings::Global;
use crate::event::{Event, Reporter as _};
use crate::telemetry::{Collector, Ending, Exporter, Metrics, MetricsError, Timeline, TraceParent};
use crate::text::Redactor;

/// Variables with headers for the collector, which may have keys.
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// Variables with the protocol, and with the time limit of a request in milliseconds.
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];

/// Time limit of a request, if no variable sets it ("OpenTelemetry Protocol Exporter").
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where the numbers and spans of a command go.
#[derive(Debug, Default)]
pub(super) struct Telemetry {
    metrics: Option<Metrics>,
    exporter: Option<Exporter>,
    warnings: Mutex<Vec<String>>,
}

impl Telemetry {
    /// Opens the file for numbers, and reads the variables of OpenTelemetry.
    pub(super) fn open(file: Option<&Path>, global: &Global) -> Result<Self, Failure> {
        let metrics = file.map(|file| Metrics::open(file, &global.cache)).transpose().map_err(|error| {
            let failure = Failure::new(FailureKind::Usage, &error);
            match error {
                MetricsError::Other(_) => failure.hint("give --metrics another file, or remove this one"),
                MetricsError::File(_) | MetricsError::Busy(_) => failure,
            }
        })?;
        let mut warnings = Vec::new();
        let collector = collector(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()), &mut warnings);
        if collector.is_some() {
            // No program of a build needs the keys of the collector.
            crate::process::withhold(HEADERS.map(Into::into));
        }
        let exporter = collector.map(|collector| Exporter::new(Collector { proxies: network::proxies(), ..collector }));
        Ok(Self { metrics, exporter, warnings: Mutex::new(warnings) })
    }

    /// Returns whether anybody wants to know.
    pub(super) fn is_wanted(&self) -> bool {
        self.metrics.is_some() || self.exporter.is_some()
    }

    /// Adds the numbers of a build that has ended now, and sends its spans in the background.
    pub(super) fn ended(&self, timeline: &Timeline, image: &str, ending: Ending, redactor: &Redactor) {
        if let Some(Err(error)) = self.metrics.as_ref().map(|metrics| metrics.add(timeline, image, ending)) {
            self.warn(format!("the numbers of {image} are not written: {error}"));
        }
        if let Some(exporter) = &self.exporter {
            exporter.send(timeline, image, ending, &|text| redactor.redact(text));
        }
    }

    fn warn(&self, message: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }

    /// Waits for the collector, but not for long, and tells what went wrong.
    pub(super) fn finish(&self, global: &Global) {
        if let Some(message) = self.exporter.as_ref().and_then(Exporter::finish) {
            self.warn(message);
        }
        let screen = TerminalReporter::plain(global.terminal, Box::new(std::io::stderr()));
        for message in std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner)) {
            screen.report(&Event::Warning { message });
        }
    }
}

/// Returns the collector that the variables of OpenTelemetry name.
fn collector(variable: &dyn Fn(&str) -> Option<String>, warnings: &mut Vec<String>) -> Option<Collector> {
    // A variable for traces wins over that for everything.
    let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((variable(name)?, name)));
    let off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    let endpoint = match variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        Some(endpoint) => endpoint,
        None => format!("{}/v1/traces", variable("OTEL_EXPORTER_OTLP_ENDPOINT")?.trim_end_matches('/')),
    };
    if off {
        return None;
    }
    if let Some((protocol, name)) = first(PROTOCOLS).filter(|(protocol, _)| !protocol.starts_with("http/")) {
        let protocol = crate::text::printable(protocol.as_bytes());
        warnings.push(format!("no spans are sent: ${name} is `{protocol}`, and goldsmith speaks `http/json` only"));
        return None;
    }
    let timeout = match first(TIMEOUTS).map(|(value, name)| (value.parse::<u64>(), name)) {
        None => TIMEOUT,
        Some((Ok(millis), _)) => Duration::from_millis(millis),
        Some((Err(_), name)) => {
            warnings.push(format!("${name} is no number of milliseconds"));
            TIMEOUT
        }
    };
    let headers = first(HEADERS).map(|(text, _)| pairs(&text)).unwrap_or_default();
    let mut resource = variable("OTEL_RESOURCE_ATTRIBUTES").map(|text| pairs(&text)).unwrap_or_default();
    let named = resource.iter().any(|(key, _)| key == "service.name");
    if let Some(name) = variable("OTEL_SERVICE_NAME").or_else(|| (!named).then(|| "goldsmith".to_owned())) {
        resource.retain(|(key, _)| key != "service.name");
        resource.push(("service.name".to_owned(), name));
    }
    if !resource.iter().any(|(key, _)| key == "service.version") {
        resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
    }
    let parent = variable("TRACEPARENT").and_then(|text| TraceParent::parse(&text));
    Some(Collector { endpoint, headers, timeout, resource, parent, ..Collector::default() })
}

/// Reads `key=value,key=value`, with values in percent encoding (W3C Baggage).
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let key = key.trim();
        let value = percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
        (!key.is_empty()).then(|| (key.to_owned(), value))
    };
    text.split(',').filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> (Option<Collector>, Vec<String>) {
        let mut warnings = Vec::new();
        let look =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        (collector(&look, &mut warnings), warnings)
    }

    #[test]
    fn spans_are_sent_only_if_a_variable_names_a_collector() {
        assert!(of(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_HEADERS", "a=b")]).0.is_none());
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert!(of(&[endpoint, off]).0.is_none(), "{off:?}");
        }
        let (collector, warnings) = of(&[endpoint]);
        let collector = collector.expect("one is named");
        assert_eq!((collector.endpoint.as_str(), warnings.len()), ("http://collector:4318/v1/traces", 0));
        assert_eq!((collector.timeout, collector.resource[0].1.as_str()), (TIMEOUT, "goldsmith"));
        let (collector, warnings) = of(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert!(collector.is_none() && warnings[0].contains("`grpc`"), "{warnings:?}");
    }

    #[test]
    fn variables_for_traces_win_and_values_are_decoded() {
        let (collector, warnings) = of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces/x"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "all=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=Bearer%20a%3Db, x = 5%,=no,nothing"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,team=images"),
            ("OTEL_SERVICE_NAME", "b"),
            ("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ]);
        let collector = collector.expect("one is named");
        assert_eq!(collector.endpoint, "http://traces/x");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(collector.headers, [pair("authorization", "Bearer a=b"), pair("x", "5%")]);
        assert_eq!(collector.resource[..2], [pair("team", "images"), pair("service.name", "b")]);
        assert!(collector.parent.is_some() && warnings[0].contains("milliseconds"), "{warnings:?}");
        assert!(!format!("{collector:?}").contains("Bearer"), "headers are not shown");
    }
}
