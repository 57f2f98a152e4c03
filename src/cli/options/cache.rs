//! The option that names the cache.

use std::path::PathBuf;

use clap::Args;

/// The cache of a command.
#[derive(Debug, Args)]
pub(in crate::cli) struct CacheOption {
    /// Directory of layers, packages and base images [default: $XDG_CACHE_HOME/goldsmith]
    #[arg(long = "cache", global = true, value_name = "DIR")]
    pub(in crate::cli) dir: Option<PathBuf>,
}
