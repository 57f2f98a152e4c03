//! What operators of many builds want to know: numbers for Prometheus, and spans for a collector of OpenTelemetry.
//!
//! Both are made of one [`Timeline`], a reporter that runs beside the others. Nothing here prints, and nothing fails a build.

mod metrics;
mod otlp;
mod spans;
mod timeline;

pub use metrics::{Metrics, MetricsError};
pub use otlp::{Collector, Exporter};
pub use spans::TraceParent;
pub use timeline::{Ending, Kind, Part, Source, Timeline};
