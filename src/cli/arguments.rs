//! The command line, as written.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::build::Build;
use super::cache::Cache;
use super::convert::Convert;
use super::diff::Diff;
use super::distros::Distros;
use super::elements::Elements;
use super::images::Images;
use super::inspect::Inspect;
use super::options::RecipeOptions;
use super::plan::PlanArgs;
use super::publish::Publish;
use super::run::Run;
use super::verify::VerifyArgs;

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
    Validate(RecipeOptions),
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
