//! The command line of `goldsmith images`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::place::PlaceOptions;
use crate::cli::cloud::CloudOptions;
use crate::cli::parse::{parse_param, parse_tag};
use crate::recipe::delivery::RegionImage;
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
    /// The place, if it is not a cloud.
    #[command(flatten)]
    pub(super) place: PlaceOptions,
}

/// What to do with images of a cloud, a directory or a bucket.
#[derive(Debug, Subcommand)]
pub(super) enum ImagesVerb {
    /// List images
    #[command(visible_alias = "ls")]
    List(List),
    /// Show all attributes and properties of an image
    Show {
        /// Id of the image, or its name if only one image has the name
        image: String,
    },
    /// Change attributes and properties of an image; if one change fails, none takes effect
    Set(Set),
    /// Add tags to an image, or remove them
    Tag {
        /// Id or name of the image
        image: String,
        /// The tags, each as it is: commas do not separate tags
        #[arg(required = true, value_parser = parse_tag)]
        tags: Vec<String>,
        /// Remove the tags
        #[arg(long)]
        remove: bool,
    },
    /// Protect an image from being deleted
    Protect(Switch),
    /// Hide an image from lists
    Hide(Switch),
    /// Forbid downloading and booting an image
    Deactivate {
        /// Id or name of the image
        image: String,
    },
    /// Allow downloading and booting an image again
    Reactivate {
        /// Id or name of the image
        image: String,
    },
    /// Share an image with a project; the project lists the image after accepting it
    Share {
        /// Id or name of the image
        image: String,
        /// Id of the project
        project: String,
        /// Stop sharing the image with the project
        #[arg(long)]
        stop: bool,
    },
    /// Accept an image that another project shares, so that lists of this project show it
    Accept {
        /// Id of the image
        image: String,
        /// Reject the image, so that lists do not show it
        #[arg(long)]
        reject: bool,
    },
    /// List the projects with which an image is shared
    Members {
        /// Id or name of the image
        image: String,
    },
    /// Download an image; continue a download that was interrupted
    Download(Download),
    /// Promote a version of an image in a directory or a bucket: `latest` and the index lead to it
    Promote(Promote),
    /// Delete images
    Delete(Delete),
    /// Import data into a queued image, or copy the data of an active image to more stores
    Import(ImportArgs),
    /// Manage the image service's cache
    Cache {
        /// What to do
        #[command(subcommand)]
        command: CacheVerb,
    },
    /// List the metadata definitions of the cloud
    Metadefs {
        /// Show the definitions of this namespace
        namespace: Option<String>,
    },
    /// List the stores of the image service
    Stores,
}

/// `goldsmith images download`.
#[derive(Debug, Args)]
pub(super) struct Download {
    /// Id or name of the image
    pub(super) image: String,
    /// The file to write [default: <name>.<format>]
    pub(super) file: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    pub(super) force: bool,
    /// Fail unless the data has a valid signature
    #[arg(long)]
    pub(super) verify_signature: bool,
    /// Trusted certificate in PEM [default: the certificate that the image names, from the cloud's key manager]
    #[arg(long, value_name = "FILE", requires = "verify_signature")]
    pub(super) certificate: Option<PathBuf>,
}

/// `goldsmith images promote`.
#[derive(Debug, Args)]
pub(super) struct Promote {
    /// Id of the version, such as gold/20261121T191500Z, or name of the image if it has only one version
    pub(super) image: String,
    /// Promote the version although one that was built later is promoted
    #[arg(long)]
    pub(super) allow_older: bool,
    /// Promote the version although it was rolled back
    #[arg(long)]
    pub(super) allow_rolled_back: bool,
    /// Promote the version although it has not passed its checks
    #[arg(long)]
    pub(super) allow_unverified: bool,
    /// Sign the changed index with this gpg key: a fingerprint, or its last 16 digits
    #[arg(long, value_name = "KEY")]
    pub(super) sign_openpgp: Option<String>,
}

/// `goldsmith images delete`.
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// Ids or names of the images; if one does not exist, none is deleted
    #[arg(required = true)]
    pub(super) images: Vec<String>,
    /// Delete only the data in this store of a cloud; data in other stores stays
    #[arg(long, value_name = "NAME")]
    pub(super) store: Option<String>,
    /// In a directory or a bucket, delete the promoted version too; then nothing is promoted
    #[arg(long)]
    pub(super) promoted: bool,
    /// In a directory or a bucket, sign the changed index with this gpg key: a fingerprint, or its last 16 digits
    #[arg(long, value_name = "KEY")]
    pub(super) sign_openpgp: Option<String>,
    /// Only print what would be removed
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// What to do with the cache of an image service.
#[derive(Debug, Subcommand)]
pub(super) enum CacheVerb {
    /// List the images in the cache and in its queue
    List,
    /// Queue an image for the cache
    Queue {
        /// Id or name of the image
        image: String,
    },
    /// Remove an image from the cache
    Delete {
        /// Id or name of the image
        image: String,
        /// Only print what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove all images from the cache
    Clear {
        /// Only print what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

/// `goldsmith images import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Id or name of the image: a queued image, or for copy-image an active one
    pub(super) image: String,
    /// The file with the data: glance-direct sends it, the other methods compare the imported data with it
    pub(super) file: Option<PathBuf>,
    /// Import method
    #[arg(long, value_parser = ["glance-direct", "web-download", "glance-download", "copy-image"])]
    pub(super) method: String,
    /// URL of the data, for web-download
    #[arg(long)]
    pub(super) url: Option<String>,
    /// Image of another region with the same data, for glance-download
    #[arg(long, value_name = "REGION/ID")]
    pub(super) from: Option<RegionImage>,
    /// Store for the data; repeat the option for several [default: the service's default store]
    #[arg(long, value_name = "NAME", conflicts_with = "all_stores")]
    pub(super) store: Vec<String>,
    /// Import the data into all stores that lack it
    #[arg(long)]
    pub(super) all_stores: bool,
    /// Succeed if at least one store has the data, even if others fail
    #[arg(long)]
    pub(super) some: bool,
    /// Give up if the import shows no progress for this long; a download by the service shows none until its end [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) timeout: Option<Duration>,
}

/// `goldsmith images set`.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// Id or name of the image
    pub(super) image: String,
    /// New name of the image
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Who sees the image: private, shared, community, public
    #[arg(long)]
    pub(super) visibility: Option<String>,
    /// Minimum disk of a flavor, in GiB
    #[arg(long, value_name = "GIB")]
    pub(super) min_disk: Option<u64>,
    /// Minimum memory of a flavor, in MiB
    #[arg(long, value_name = "MIB")]
    pub(super) min_ram: Option<u64>,
    /// Set a property; all behind the first `=` is the value; repeat the option for several
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_param)]
    pub(super) property: Vec<(String, String)>,
    /// Remove a property; repeat the option for several
    #[arg(long, value_name = "NAME")]
    pub(super) remove: Vec<String>,
    /// Remove all properties except those of --property
    #[arg(long)]
    pub(super) purge: bool,
    /// Only print which properties would be removed
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Something that is on or off.
#[derive(Debug, Args)]
pub(super) struct Switch {
    /// Id or name of the image
    pub(super) image: String,
    /// Switch it off again
    #[arg(long)]
    pub(super) off: bool,
}

/// `goldsmith images list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// List only images with this name
    #[arg(long)]
    pub(super) name: Option<String>,
    /// List only images in this state: active, queued, deactivated, ...
    #[arg(long)]
    pub(super) status: Option<String>,
    /// List only public, private, shared or community images
    #[arg(long)]
    pub(super) visibility: Option<String>,
    /// List only images of this project
    #[arg(long, value_name = "PROJECT")]
    pub(super) owner: Option<String>,
    /// List only images with this tag; repeat the option for several
    #[arg(long, value_parser = parse_tag)]
    pub(super) tag: Vec<String>,
    /// List only images with this property; repeat the option for several
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_param)]
    pub(super) property: Vec<(String, String)>,
    /// List only hidden images
    #[arg(long)]
    pub(super) hidden: bool,
    /// Order, such as created_at:desc, or several keys separated by commas [default: newest first]
    #[arg(long, value_name = "KEY[:asc|desc]")]
    pub(super) sort: Option<String>,
    /// Maximum number of images
    #[arg(long, value_name = "NUMBER")]
    pub(super) limit: Option<usize>,
}
