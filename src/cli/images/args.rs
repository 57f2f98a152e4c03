//! The command line of `goldsmith images`.

use clap::{Args, Subcommand};

/// `goldsmith images`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Images {
    /// What to do
    #[command(subcommand)]
    pub(super) command: ImagesVerb,
    /// The cloud.
    #[command(flatten)]
    pub(super) cloud: CloudArgs,
}

/// Which cloud. What is not said is as `clouds.yaml` or the variables `OS_*` say.
#[derive(Debug, Args)]
pub(in crate::cli) struct CloudArgs {
    /// The cloud, by its name in clouds.yaml [default: $OS_CLOUD, or the only one]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) os_cloud: Option<String>,
    /// The region [default: as the cloud's configuration says, or the only one]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) os_region: Option<String>,
}

/// What to do with images of a cloud.
#[derive(Debug, Subcommand)]
pub(super) enum ImagesVerb {
    /// List images
    List(List),
    /// Show all that is known of an image
    Show {
        /// Its id, or its name if no other image has it
        image: String,
    },
}

/// `goldsmith images list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those of this name
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Only those in this state: active, queued, deactivated, ...
    #[arg(long)]
    pub(super) status: Option<String>,
    /// Only public, private, shared or community ones
    #[arg(long)]
    pub(super) visibility: Option<String>,
    /// Only those of this project
    #[arg(long, value_name = "PROJECT")]
    pub(super) owner: Option<String>,
    /// Only those with this tag; may be given several times
    #[arg(long)]
    pub(super) tag: Vec<String>,
    /// Only those with this property; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::cli::args::parse_param)]
    pub(super) property: Vec<(String, String)>,
    /// Only hidden ones
    #[arg(long)]
    pub(super) hidden: bool,
    /// Order: created_at:desc, or several keys with commas [default: newest first]
    #[arg(long, value_name = "KEY[:asc|desc]")]
    pub(super) sort: Option<String>,
    /// Most images
    #[arg(long, value_name = "NUMBER")]
    pub(super) limit: Option<usize>,
}
