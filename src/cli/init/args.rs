//! The options of `goldsmith init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `goldsmith init`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Init {
    /// Directory for the files; it is made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    pub(super) dir: PathBuf,
    /// What the image starts from: a distribution such as debian or debian:bookworm, or the path or address of a disk image
    /// [default: debian]
    #[arg(long, value_name = "DISTRO|IMAGE")]
    pub(super) from: Option<String>,
    /// SHA-256 of a disk image, or the address of the list that has it; of a file, Goldsmith computes it
    #[arg(long, value_name = "DIGEST|LIST", requires = "from")]
    pub(super) sha256: Option<String>,
    /// Name of the image [default: the name of the directory]
    #[arg(long, value_name = "NAME", conflicts_with = "element")]
    pub(super) name: Option<String>,
    /// Write an element with this name and a test of it, instead of a recipe
    #[arg(long, value_name = "NAME")]
    pub(super) element: Option<String>,
    /// Write a file for this CI service too
    #[arg(long, value_enum, value_name = "SERVICE")]
    pub(super) ci: Option<CiService>,
}

/// A CI service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CiService {
    /// GitHub Actions: .github/workflows/image.yml
    Github,
    /// GitLab CI: .gitlab-ci.yml
    Gitlab,
}
