//! What `goldsmith verify` found.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

/// A run of `goldsmith verify`, with its report.
pub(crate) struct Verified {
    output: Output,
    /// The report as JSON.
    pub(crate) report: Value,
}

impl Verified {
    /// Reads the report that the run has written to this directory.
    pub(crate) fn new(output: Output, directory: &Path) -> Self {
        let text = std::fs::read_to_string(directory.join("report.json"));
        let text = text.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        Self { output, report: serde_json::from_str(&text).expect("JSON") }
    }

    /// Returns the findings with this outcome: those of the disk, and those of boots.
    pub(crate) fn with(&self, outcome: &str) -> Vec<&Value> {
        let all = self.report["findings"].as_array().expect("findings");
        all.iter().filter(|finding| finding["outcome"] == outcome).collect()
    }

    /// Fails the test unless the image passed. What its recipe accepts may fail.
    pub(crate) fn assert_passed(&self) {
        let (status, mut failed) = (self.output.status, self.with("failed"));
        failed.retain(|finding| finding["accepted"].is_null());
        assert!(status.success() && failed.is_empty() && self.report["passed"] == true, "{status}: {failed:#?}");
    }
}
