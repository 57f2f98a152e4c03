//! The command line, as written.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::convert::{parse_format, parse_word};
use super::images::{CloudArgs, Images};
use super::publish::Publish;
use super::run::Run;
use super::verify::VerifyArgs;
use crate::image::{Adapter, Compat, Compression, Format, Subformat};
use crate::recipe::verify::NetworkAccess;
use crate::units::{ByteSize, parse_duration};

/// Builds golden disk images from declarative recipes.
#[derive(Debug, Parser)]
#[command(name = "goldsmith", version, max_term_width = 100, disable_help_subcommand = true)]
pub(super) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Verb,
    /// Directory of layers, packages and base images [default: $XDG_CACHE_HOME/goldsmith]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) cache: Option<PathBuf>,
    /// Print results and events as JSON, one object per line where there are several
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Build the image a recipe describes
    Build(Build),
    /// Show what a build would do, what is cached and why the rest is not
    Plan(PlanArgs),
    /// Check a recipe and the elements it uses, without network and guest
    Validate(Source),
    /// Convert a disk image into another format
    Convert(Convert),
    /// Tell what an image file is, what is in it, and whether a cloud would take it
    Inspect(Inspect),
    /// Find out whether an image keeps what a cloud expects of it: look at it, and boot it as the cloud would
    Verify(Box<VerifyArgs>),
    /// Boot an image for a person, on a disk that is thrown away, and join its console to the terminal
    Run(Run),
    /// Hand an image that was built to clouds, directories and object stores
    Publish(Box<Publish>),
    /// Look after the images of a cloud
    Images(Box<Images>),
    /// List the elements, or show one
    Elements(Elements),
    /// List the distributions, or show one
    Distros(Distros),
    /// Show what changed between two disk images
    Diff(Diff),
    /// Look after the cache
    Cache(Cache),
    /// Print the JSON Schema of a file format, for editors
    Schema {
        /// Which format
        #[arg(value_enum)]
        format: SchemaFormat,
        /// Look for distributions here first, which recipes and elements may name; may be given several times
        #[arg(long, value_name = "DIR")]
        distros: Vec<PathBuf>,
    },
    /// Check whether this host can build images, and say what is missing
    Doctor,
    /// Connect standard input and output with a metadata service; QEMU starts this for each connection of a guest
    #[command(hide = true)]
    Relay {
        /// The service's socket
        socket: PathBuf,
    },
}

/// A recipe and what it is read with.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// The recipe file
    pub(super) recipe: PathBuf,
    /// Set a parameter of the recipe; may be given several times
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parse_param)]
    pub(super) params: Vec<(String, String)>,
    /// Look for elements here first; may be given several times
    #[arg(long, value_name = "DIR")]
    pub(super) elements: Vec<PathBuf>,
    /// Look for distributions here first; may be given several times
    #[arg(long, value_name = "DIR")]
    pub(super) distros: Vec<PathBuf>,
}

/// How what floats is pinned.
#[derive(Debug, Args)]
pub(super) struct Pinning {
    /// Ask mirrors and repositories anew instead of using what was found within the last hours
    #[arg(long, conflicts_with = "offline")]
    pub(super) refresh: bool,
    /// Use what was found last, however long ago, and no network for pins and downloads
    #[arg(long)]
    pub(super) offline: bool,
}

/// `goldsmith plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The recipe.
    #[command(flatten)]
    pub(super) source: Source,
    /// How what floats is pinned.
    #[command(flatten)]
    pub(super) pinning: Pinning,
    /// The guest.
    #[command(flatten)]
    pub(super) machine: Machine,
}

/// The guest.
#[derive(Debug, Args)]
pub(super) struct Machine {
    /// How the guest's processor is provided
    #[arg(long, value_enum, default_value_t = AccelArg::Auto)]
    pub(super) accel: AccelArg,
    /// Memory of the guest
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = parse_memory)]
    pub(super) memory: ByteSize,
}

/// `goldsmith build`.
#[derive(Debug, Args)]
pub(super) struct Build {
    /// The recipe.
    #[command(flatten)]
    pub(super) source: Source,
    /// Directory for the artifacts [default: out/<image name>]
    #[arg(short, long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// How what floats is pinned.
    #[command(flatten)]
    pub(super) pinning: Pinning,
    /// The guest.
    #[command(flatten)]
    pub(super) machine: Machine,
    /// What steps that use the network reach: user (what this host reaches), host (this host too), isolated (nothing)
    #[arg(long, value_name = "ACCESS", default_value = "user", value_parser = parse_word::<NetworkAccess>)]
    pub(super) network: NetworkAccess,
    /// How long a program of a step may run, unless its action says so itself
    #[arg(long, value_name = "TIME", default_value = "30min", value_parser = parse_duration)]
    pub(super) timeout: Duration,
    /// What becomes of the guest when a step fails
    #[arg(long, value_enum, default_value_t = OnFailureArg::Clean)]
    pub(super) on_failure: OnFailureArg,
    /// Do not verify the image, whatever the recipe says
    #[arg(long)]
    pub(super) no_verify: bool,
    /// Publish the image as the recipe says, once it is verified
    #[arg(long, conflicts_with = "no_verify")]
    pub(super) publish: bool,
    /// Show the plan instead of building it
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The cloud, where the recipe's targets name none.
    #[command(flatten)]
    pub(super) cloud: CloudArgs,
}

/// `goldsmith convert`.
#[derive(Debug, Args)]
pub(super) struct Convert {
    /// The image file to read; it may be compressed as a whole with gzip, xz or zstd
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT")]
    pub(super) output: PathBuf,
    /// Format that IN must have; it is found from its content
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub(super) from: Option<Format>,
    /// Format of OUT [default: by its name]
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub(super) to: Option<Format>,
    /// qcow2: zstd (default), zlib, none; raw: none (default), zstd, gzip, xz
    #[arg(long, value_name = "HOW", value_parser = parse_word::<Compression>)]
    pub(super) compression: Option<Compression>,
    /// Size of the clusters of a qcow2 file [default: 64KiB]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    pub(super) cluster_size: Option<ByteSize>,
    /// Version of a qcow2 file: 1.1 (default), 0.10
    #[arg(long, value_name = "VERSION", value_parser = parse_word::<Compat>)]
    pub(super) compat: Option<Compat>,
    /// vmdk: streamOptimized (default), monolithicSparse; vhd: dynamic (default), fixed
    #[arg(long, value_name = "KIND", value_parser = parse_word::<Subformat>)]
    pub(super) subformat: Option<Subformat>,
    /// Disk adapter of a vmdk or ova file: lsilogic (default), ide, buslogic, pvscsi
    #[arg(long, value_name = "ADAPTER", value_parser = parse_word::<Adapter>)]
    pub(super) adapter: Option<Adapter>,
    /// Version of VMware's tools that a vmdk or ova file claims
    #[arg(long, value_name = "NUMBER")]
    pub(super) tools_version: Option<u32>,
    /// Compute the SHA-512 of OUT too
    #[arg(long)]
    pub(super) sha512: bool,
    /// Compute the MD5 of OUT too
    #[arg(long)]
    pub(super) md5: bool,
    /// Replace OUT if it is there
    #[arg(long)]
    pub(super) force: bool,
    /// Let a compressed file unpack to this size [default: 1000 times its length, 4 GiB at least, 64 GiB at most],
    /// and a raw file have it [default: 1 TiB]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    pub(super) max_size: Option<ByteSize>,
}

/// `goldsmith inspect`.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The image file, of any format
    #[arg(value_name = "IMAGE")]
    pub(super) image: PathBuf,
    /// Tell only what headers and partition table say, without a guest
    #[arg(long)]
    pub(super) header: bool,
    /// The guest.
    #[command(flatten)]
    pub(super) machine: Machine,
}

/// `goldsmith diff`.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The first image, of any format
    #[arg(value_name = "A")]
    pub(super) before: PathBuf,
    /// The second image
    #[arg(value_name = "B")]
    pub(super) after: PathBuf,
    /// Leave out paths that match, and what is below them: `/var/log`, `**/*.pyc`; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub(super) ignore: Vec<String>,
    /// Show the changed lines of texts
    #[arg(long)]
    pub(super) content: bool,
    /// Show every change, however many there are
    #[arg(long)]
    pub(super) all: bool,
    /// The guest.
    #[command(flatten)]
    pub(super) machine: Machine,
}

/// `goldsmith elements`.
#[derive(Debug, Args)]
pub(super) struct Elements {
    /// What to do; without it, list
    #[command(subcommand)]
    pub(super) command: Option<ElementsVerb>,
    /// Look for elements here first; may be given several times
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) elements: Vec<PathBuf>,
    /// Look for distributions here first; may be given several times
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) distros: Vec<PathBuf>,
}

/// What to do with elements.
#[derive(Debug, Subcommand)]
pub(super) enum ElementsVerb {
    /// Show an element: its parameters, packages, steps and checks
    Show {
        /// Name of the element
        name: String,
    },
}

/// `goldsmith distros`.
#[derive(Debug, Args)]
pub(super) struct Distros {
    /// The one to show, by any of its names; without it, list all
    pub(super) name: Option<String>,
    /// Look for distributions here first; may be given several times
    #[arg(long, value_name = "DIR")]
    pub(super) distros: Vec<PathBuf>,
}

/// `goldsmith cache`.
#[derive(Debug, Args)]
pub(super) struct Cache {
    /// What to do
    #[command(subcommand)]
    pub(super) command: CacheVerb,
}

/// What to do with the cache.
#[derive(Debug, Subcommand)]
pub(super) enum CacheVerb {
    /// List the layers
    Ls,
    /// Remove what has not been used for long, or until the cache is small enough
    Gc {
        /// Remove what was not used for this long: `7d`, `12h`
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        max_age: Option<Duration>,
        /// Remove the least recently used layers until this much is left
        #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
        max_size: Option<ByteSize>,
        /// Remove everything
        #[arg(long)]
        all: bool,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Read every layer and compare it with its digest
    Verify {
        /// Remove layers that are damaged, and those that stand on them
        #[arg(long)]
        repair: bool,
    },
}

/// A file format that has a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SchemaFormat {
    /// Recipes
    Recipe,
    /// element.yaml
    Element,
    /// distro.yaml
    Distro,
}

/// `--accel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AccelArg {
    /// KVM if a kernel has been seen to run under it on this host, else TCG
    Auto,
    /// KVM or nothing
    Kvm,
    /// QEMU's translator
    Tcg,
}

/// `--on-failure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OnFailureArg {
    /// Leave nothing of the failed step
    Clean,
    /// Keep the disk as it was at the failure
    Keep,
    /// Open a shell in the guest at the failed step
    Shell,
}

/// Memory below which the appliance does not start.
const LEAST_MEMORY: ByteSize = ByteSize::mebibytes(256);

fn parse_memory(text: &str) -> Result<ByteSize, String> {
    match ByteSize::parse(text)? {
        size if size < LEAST_MEMORY => Err(format!("the guest does not start with less than {LEAST_MEMORY}")),
        size => Ok(size),
    }
}

pub(super) fn parse_param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it like name=value".to_owned()),
    }
}
