//! The options of `goldsmith build`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::on_failure::OnFailureOption;
use crate::cli::options::{CacheOption, PlanningOptions, RecipeOptions, RemoteOptions};
use crate::cli::parse::{parse_jobs, parse_word};
use crate::recipe::verify::NetworkAccess;
use crate::units::parse_duration;

/// `goldsmith build`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Build {
    /// The recipes.
    #[command(flatten)]
    pub(in crate::cli) source: RecipeOptions,
    /// Directory for the artifacts; several images get a directory each below it [default: out/<image name>]
    #[arg(short, long, value_name = "DIR")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// The cache.
    #[command(flatten)]
    pub(in crate::cli) cache: CacheOption,
    /// How bases are found, pinned and looked into.
    #[command(flatten)]
    pub(in crate::cli) planning: PlanningOptions,
    /// What steps with network access reach: user (what this host reaches), host (this host too), isolated (nothing)
    #[arg(long, value_name = "ACCESS", default_value = "user", value_parser = parse_word::<NetworkAccess>)]
    pub(in crate::cli) network: NetworkAccess,
    /// How long a program of a step may run, if its action sets no `timeout`
    #[arg(long, value_name = "TIME", default_value = "30min", value_parser = parse_duration)]
    pub(in crate::cli) timeout: Duration,
    /// How many images are built at the same time [default: as processors and memory allow]
    #[arg(short, long, value_name = "NUMBER", value_parser = parse_jobs)]
    pub(in crate::cli) jobs: Option<usize>,
    /// What happens to the guest when a step fails
    #[arg(long, value_enum, default_value_t = OnFailureOption::Clean)]
    pub(in crate::cli) on_failure: OnFailureOption,
    /// Do not verify the image, even if the recipe has `verify`
    #[arg(long)]
    pub(in crate::cli) no_verify: bool,
    /// Publish the image to the recipe's targets after it has passed its checks
    #[arg(long, conflicts_with = "no_verify")]
    pub(in crate::cli) publish: bool,
    /// Publish the image although one that was built later is there
    #[arg(long, requires = "publish")]
    pub(in crate::cli) allow_older: bool,
    /// Run playbooks of the recipes' `ansible` actions; they can run programs on this host as you
    #[arg(long)]
    pub(in crate::cli) allow_ansible: bool,
    /// Show the plan instead of building it
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Build only this image of several: its number, from 0, or its name; and keep the result for `goldsmith matrix collect`
    #[arg(long, value_name = "NUMBER|NAME", conflicts_with_all = ["stage", "dry_run"])]
    pub(in crate::cli) cell: Option<String>,
    /// Make only the steps of this stage of `goldsmith matrix plan`, which several images share, and no image
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["publish", "dry_run"])]
    pub(in crate::cli) stage: Option<usize>,
    /// Name of the run to which the cell or the stage belongs: `goldsmith matrix collect` ignores results of other runs
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) run: Option<String>,
    /// Add numbers about this build to FILE, for the textfile collector of Prometheus
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(in crate::cli) metrics: Option<PathBuf>,
    /// The cache that several machines share.
    #[command(flatten)]
    pub(in crate::cli) remote: RemoteOptions,
    /// Share new layers with the remote cache
    #[arg(long)]
    pub(in crate::cli) remote_cache_write: bool,
}

impl Build {
    /// Makes the options of a build that only checks its images.
    pub(in crate::cli) fn of_test(
        source: RecipeOptions,
        out: Option<PathBuf>,
        planning: PlanningOptions,
        (network, timeout, jobs): (NetworkAccess, Duration, Option<usize>),
        cache: CacheOption,
    ) -> Self {
        Self {
            source,
            out,
            planning,
            network,
            timeout,
            jobs,
            on_failure: OnFailureOption::Clean,
            no_verify: false,
            publish: false,
            allow_older: false,
            dry_run: false,
            cell: None,
            stage: None,
            run: None,
            metrics: None,
            allow_ansible: false,
            cache,
            remote: RemoteOptions::default(),
            remote_cache_write: false,
        }
    }
}
