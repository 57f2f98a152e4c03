//! The command line of `goldsmith images`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::cloud::CloudOptions;
use crate::cli::parse::parse_param;
use crate::recipe::delivery::Elsewhere;
use crate::units::parse_duration;

/// `goldsmith images`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Images {
    /// What to do
    #[command(subcommand)]
    pub(super) command: ImagesVerb,
    /// The cloud.
    #[command(flatten)]
    pub(super) cloud: CloudOptions,
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
    /// Change attributes and properties of an image, all of them or none
    Set(Set),
    /// Give an image tags, or take them off
    Tag {
        /// Id or name of the image
        image: String,
        /// The tags
        #[arg(required = true)]
        tags: Vec<String>,
        /// Take them off
        #[arg(long)]
        remove: bool,
    },
    /// Let nobody delete an image
    Protect(Switch),
    /// Leave an image out of lists
    Hide(Switch),
    /// Let nobody use the data of an image
    Deactivate {
        /// Id or name of the image
        image: String,
    },
    /// Let everybody use the data of an image again
    Reactivate {
        /// Id or name of the image
        image: String,
    },
    /// Share an image with a project, which sees it in its lists once it has accepted it
    Share {
        /// Id or name of the image
        image: String,
        /// Id of the project
        project: String,
        /// Share it no longer
        #[arg(long)]
        stop: bool,
    },
    /// Take an image that is shared with this project into its lists
    Accept {
        /// Id of the image
        image: String,
        /// Take it out of them
        #[arg(long)]
        reject: bool,
    },
    /// List the projects that an image is shared with
    Members {
        /// Id or name of the image
        image: String,
    },
    /// Download an image; what an interrupted download has left is not asked for again
    Download(Download),
    /// Delete images
    Delete {
        /// Their ids or names; if one of them is not there, none is deleted
        #[arg(required = true)]
        images: Vec<String>,
        /// Only their data in this store; others keep theirs
        #[arg(long, value_name = "NAME")]
        store: Option<String>,
    },
    /// Have the service fetch data for an image that waits for it, or copy that of an active one to more stores
    Import(ImportArgs),
    /// Look after the images that the service keeps in its cache
    Cache {
        /// What to do
        #[command(subcommand)]
        command: CacheVerb,
    },
    /// List the properties that the cloud has definitions for
    Metadefs {
        /// Show the definitions of this namespace
        namespace: Option<String>,
    },
    /// List the stores that the service keeps data in
    Stores,
}

/// `goldsmith images download`.
#[derive(Debug, Args)]
pub(super) struct Download {
    /// Id or name of the image
    pub(super) image: String,
    /// The file to write [default: <name>.<format>]
    pub(super) file: Option<PathBuf>,
    /// Replace the file
    #[arg(long)]
    pub(super) force: bool,
    /// Take nothing but data that has the signature of the image
    #[arg(long)]
    pub(super) verify_signature: bool,
    /// The certificate that is trusted, in PEM [default: the one that the image names, of the cloud's key manager]
    #[arg(long, value_name = "FILE", requires = "verify_signature")]
    pub(super) certificate: Option<PathBuf>,
}

/// What to do with the cache of an image service.
#[derive(Debug, Subcommand)]
pub(super) enum CacheVerb {
    /// List the images that are there or will be
    List,
    /// Have an image fetched into it
    Queue {
        /// Id or name of the image
        image: String,
    },
    /// Take an image out of it
    Delete {
        /// Id or name of the image
        image: String,
    },
    /// Empty it
    Clear,
}

/// `goldsmith images import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Id or name of the image: one that has no data yet, or an active one for copy-image
    pub(super) image: String,
    /// The file with the data: glance-direct sends it, the others compare what has arrived with it
    pub(super) file: Option<PathBuf>,
    /// Where the data comes from
    #[arg(long, value_parser = ["glance-direct", "web-download", "glance-download", "copy-image"])]
    pub(super) method: String,
    /// Where the service finds it, for web-download
    #[arg(long)]
    pub(super) url: Option<String>,
    /// The image of another region that has it, for glance-download
    #[arg(long, value_name = "REGION/ID")]
    pub(super) from: Option<Elsewhere>,
    /// A store that it goes to; may be given several times [default: the one the service prefers]
    #[arg(long, value_name = "NAME", conflicts_with = "all_stores")]
    pub(super) store: Vec<String>,
    /// It goes to all stores that do not have it
    #[arg(long)]
    pub(super) all_stores: bool,
    /// Go on where a store fails, if another one has it
    #[arg(long)]
    pub(super) some: bool,
    /// Give it up if nothing changes for this long; a download changes nothing until it is whole [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) patience: Option<Duration>,
}

/// `goldsmith images set`.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// Id or name of the image
    pub(super) image: String,
    /// Its new name
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Who sees it: private, shared, community, public
    #[arg(long)]
    pub(super) visibility: Option<String>,
    /// Least disk of a flavor, in GiB
    #[arg(long, value_name = "GIB")]
    pub(super) min_disk: Option<u64>,
    /// Least memory of a flavor, in MiB
    #[arg(long, value_name = "MIB")]
    pub(super) min_ram: Option<u64>,
    /// A property; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_param)]
    pub(super) property: Vec<(String, String)>,
    /// Remove a property; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(super) remove: Vec<String>,
    /// Remove all properties but those that are given
    #[arg(long)]
    pub(super) purge: bool,
}

/// Something that is on or off.
#[derive(Debug, Args)]
pub(super) struct Switch {
    /// Id or name of the image
    pub(super) image: String,
    /// Undo it
    #[arg(long)]
    pub(super) off: bool,
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
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_param)]
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
