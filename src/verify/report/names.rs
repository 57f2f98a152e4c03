//! Names of the files of a report.

/// The page for people.
pub const HTML: &str = "report.html";

/// The JSON file with everything, for programs.
pub const JSON: &str = "report.json";

/// The file for CI services.
pub const JUNIT: &str = "junit.xml";
