//! Names of the files of a report.

/// The page for people.
pub const HTML: &str = "report.html";

/// Everything, for programs.
pub const JSON: &str = "report.json";

/// What CI services read.
pub const JUNIT: &str = "junit.xml";
