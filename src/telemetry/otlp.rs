//! Sends spans to a collector by OTLP over HTTP, as JSON. A collector that does not answer neither holds up nor fails a build.
//!
//! The crate opentelemetry-otlp would bring 39 more crates, an asynchronous runtime and a second HTTP client among them, for one request
//! with one form.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::spans::{self, TraceParent};
use super::timeline::{Ending, Timeline};
use crate::fetch::{Proxies, connection};

/// Longest time that the end of a command waits for a collector.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where spans go.
#[derive(Clone, Default)]
pub struct Collector {
    /// Address of the receiver of spans, with `/v1/traces`.
    pub endpoint: String,
    /// Headers of each request. They may hold keys, so nothing shows them.
    pub headers: Vec<(String, String)>,
    /// Time limit of a request.
    pub timeout: Duration,
    /// What the spans are about: `service.name` and others.
    pub resource: Vec<(String, String)>,
    /// The span in which this program runs.
    pub parent: Option<TraceParent>,
    /// Proxies to use.
    pub proxies: Proxies,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("endpoint", &connection::redacted(&self.endpoint)).finish_non_exhaustive()
    }
}

/// Sends the spans of a command in the background.
#[derive(Debug)]
pub struct Exporter {
    collector: Collector,
    sending: Arc<(Mutex<Sending>, Condvar)>,
}

#[derive(Debug, Default)]
struct Sending {
    open: usize,
    failure: Option<String>,
}

impl Exporter {
    /// Makes an exporter. It sends nothing yet.
    pub fn new(collector: Collector) -> Self {
        Self { collector, sending: Arc::default() }
    }

    /// Sends the spans of the build of an image that has ended now, in the background. `hide` removes secrets from texts.
    pub fn send(&self, timeline: &Timeline, image: &str, ending: Ending, hide: &dyn Fn(&str) -> String) {
        let Collector { parent, resource, .. } = &self.collector;
        let request = spans::request(timeline, image, ending, parent.as_ref(), resource, hide);
        let (collector, sending) = (self.collector.clone(), Arc::clone(&self.sending));
        sending.0.lock().unwrap_or_else(PoisonError::into_inner).open += 1;
        std::thread::spawn(move || {
            let sent = post(&collector, &request);
            let (state, changed) = &*sending;
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.open -= 1;
            state.failure = state.failure.take().or(sent.err());
            changed.notify_all();
        });
    }

    /// Waits until all spans are sent, but not for long. Returns why some were not sent.
    pub fn finish(&self) -> Option<String> {
        let (state, changed) = &*self.sending;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let started = Instant::now();
        while state.open > 0 && started.elapsed() < PATIENCE {
            let left = PATIENCE.saturating_sub(started.elapsed());
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let silent = || format!("it has not answered for {} s", PATIENCE.as_secs());
        let reason = state.failure.take().or_else(|| (state.open > 0).then(silent))?;
        Some(format!(
            "the collector {} did not get all spans: {reason}",
            connection::redacted(&self.collector.endpoint)
        ))
    }
}

/// Sends one request.
fn post(collector: &Collector, request: &Value) -> Result<(), String> {
    let proxy = collector.proxies.toward(&collector.endpoint).map_err(|error| error.to_string())?;
    let agent = connection::configuration().timeout_global(Some(collector.timeout)).proxy(proxy).max_redirects(0);
    let agent = agent.build().new_agent();
    let mut post = agent.post(&collector.endpoint).header("content-type", "application/json");
    for (name, value) in &collector.headers {
        post = post.header(name, value);
    }
    let answer = post.send(request.to_string()).map_err(|error| connection::reason(&error))?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("it answers {}", answer.status())) }
}
