//! Where configuration files are, and where a value comes from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value as Json;

/// Name of a project's file.
pub(super) const PROJECT: &str = "goldsmith.yaml";

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(in crate::cli) enum Origin {
    /// An environment variable.
    Variable {
        /// Its name.
        variable: &'static str,
    },
    /// A place in a file.
    File {
        /// The file.
        file: String,
        /// The line of the value.
        line: usize,
        /// The column of the value.
        column: usize,
    },
    /// Nobody has set it.
    Default,
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Entry {
    pub(in crate::cli) value: Json,
    pub(in crate::cli) origin: Origin,
}

/// The values of one file or of the environment.
pub(super) type Entries = BTreeMap<&'static str, Entry>;

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable { variable } => write!(f, "${variable}"),
            Self::File { file, line, .. } => write!(f, "{file}:{line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Returns the file of the user, whether it exists or not.
pub(super) fn of_user(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let xdg = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = || variable("HOME").map(|home| Path::new(&home).join(".config"));
    Some(xdg.or_else(home)?.join("goldsmith/config.yaml"))
}

/// Finds the file of the project to which a directory belongs: in the directory, or in one above it, up to the root of the git
/// repository. Outside of a repository it is only in the directory, because those above may be of others.
pub(super) fn of_project(dir: &Path) -> Option<PathBuf> {
    let dir = dir.canonicalize().ok()?;
    let depth = dir.ancestors().position(|above| above.join(".git").exists()).unwrap_or(0);
    dir.ancestors().take(depth + 1).map(|dir| dir.join(PROJECT)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_ends_at_the_root_of_its_repository() {
        let top = tempfile::tempdir().expect("a directory");
        let top = top.path().canonicalize().expect("it is there");
        let deep = top.join("repository/images/web");
        std::fs::create_dir_all(&deep).expect("directories");
        std::fs::write(top.join(PROJECT), "").expect("a file");
        assert_eq!(of_project(&deep), None, "outside of a repository only the directory itself counts");
        assert_eq!(of_project(&top), Some(top.join(PROJECT)));
        std::fs::create_dir(top.join("repository/.git")).expect("a directory");
        assert_eq!(of_project(&deep), None, "what is above the repository does not count");
        std::fs::write(top.join("repository").join(PROJECT), "").expect("a file");
        assert_eq!(of_project(&deep), Some(top.join("repository").join(PROJECT)));
        std::fs::write(deep.join(PROJECT), "").expect("a file");
        assert_eq!(of_project(&deep), Some(deep.join(PROJECT)), "the nearest one counts");
    }
}
