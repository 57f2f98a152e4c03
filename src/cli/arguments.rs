//! The command line of Goldsmith: all commands and their arguments, as clap reads them.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::bases::Bases;
use super::build::Build;
use super::cache::Cache;
use super::config::Config;
use super::convert::Convert;
use super::diff::Diff;
use super::distros::Distros;
use super::element_test::ElementTest;
use super::elements::Elements;
use super::exec::Exec;
use super::explain::Explain;
use super::history::{Log, Ls};
use super::images::Images;
use super::init::Init;
use super::inspect::Inspect;
use super::matrix::Matrix;
use super::options::CacheOption;
use super::plan::PlanArgs;
use super::publish::Publish;
use super::run::Run;
use super::shell::{Completions, ManPages};
use super::terminal::{ColorChoice, Verbosity};
use super::validate::Validate;
use super::verify::VerifyArgs;

/// Builds golden disk images from declarative recipes.
#[derive(Debug, Parser)]
#[command(name = "goldsmith", version, max_term_width = 100)]
pub(super) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Verb,
    /// Print results as JSON; commands that take long print events as JSON lines
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Show details, and every line of output of the programs of a build
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Show no progress: only results, warnings and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto)]
    pub(super) color: ColorChoice,
}

impl Arguments {
    /// Returns how much of the work is shown.
    pub(super) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Write a recipe that builds, or an element with a test, to begin with
    Init(Init),
    /// Build the images that recipes describe
    Build(Build),
    /// Build many images on machines of Slurm, Kubernetes or a CI service
    Matrix(Matrix),
    /// Show the steps of a build: which are cached, and why the others will run
    Plan(PlanArgs),
    /// Check recipes and their elements, without a network or a guest
    Validate(Validate),
    /// Explain a step, a file or a package of a recipe, a check, or an exit code
    Explain(Explain),
    /// Build and check the small recipes that elements have in their own directories
    Test(Box<ElementTest>),
    /// List the images that were built with this cache, and where they were published
    Ls(Ls),
    /// Show the log of a build, or of one step of it
    Log(Log),
    /// Run a command in the guest of a build that waits after a failed step
    Exec(Exec),
    /// Convert a disk image into another format
    Convert(Convert),
    /// Show the format and the content of an image, and whether Glance and Nova accept it
    Inspect(Inspect),
    /// Check an image for use in a cloud: inspect its disk, and boot it as OpenStack does
    Verify(Box<VerifyArgs>),
    /// Boot an image and show its console in the terminal; the image file stays unchanged
    Run(Box<Run>),
    /// Publish a built image to clouds, directories and object stores
    Publish(Box<Publish>),
    /// Manage the images of a cloud, a directory or a bucket
    Images(Box<Images>),
    /// List all elements, or show one
    Elements(Elements),
    /// List all distributions, or show one
    Distros(Distros),
    /// List the official cloud images that recipes can name as their base, or show one
    Bases(Bases),
    /// Show what changed between two disk images
    Diff(Diff),
    /// Manage the cache
    Cache(Cache),
    /// Show all settings of configuration files and variables
    Config(Config),
    /// Print the JSON Schema of a file format, for editors
    Schema {
        /// The file format
        #[arg(value_enum)]
        format: SchemaFormat,
        /// Look for distributions in this directory first; repeat the option for several
        #[arg(long, value_name = "DIR")]
        distros: Vec<PathBuf>,
    },
    /// Check whether this host can build images, and print what is missing
    Doctor {
        /// The cache.
        #[command(flatten)]
        cache: CacheOption,
    },
    /// Print what a shell needs to complete commands and options
    Completions(Completions),
    /// Make the manual pages of all commands
    Man(ManPages),
    /// Connect standard input and output with a metadata service; QEMU starts this for each connection of a guest
    #[command(hide = true)]
    Relay {
        /// The service's socket
        socket: PathBuf,
    },
}

impl Verb {
    /// Returns the recipes that the command names.
    pub(super) fn recipes(&self) -> &[PathBuf] {
        match self {
            Self::Build(args) => &args.source.recipes,
            Self::Plan(args) => &args.source.recipes,
            Self::Validate(args) => &args.source.recipes,
            Self::Publish(args) => std::slice::from_ref(&args.image),
            Self::Config(args) => args.recipe.as_slice(),
            Self::Matrix(args) => args.recipes(),
            _ => &[],
        }
    }

    /// Returns the arguments that name an image to read. Each may be a directory of artifacts.
    pub(super) fn images_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Convert(args) => vec![&mut args.input],
            Self::Inspect(args) => vec![&mut args.image],
            Self::Verify(args) => args.image.iter_mut().collect(),
            Self::Run(args) => args.image.iter_mut().collect(),
            Self::Diff(args) => vec![&mut args.before, &mut args.after],
            _ => Vec::new(),
        }
    }

    /// Returns the option about the cache of a command that uses one.
    pub(super) fn cache(&self) -> Option<&CacheOption> {
        match self {
            Self::Build(args) => Some(&args.cache),
            Self::Plan(args) => Some(&args.cache),
            Self::Validate(args) => Some(&args.cache),
            Self::Inspect(args) => Some(&args.cache),
            Self::Verify(args) => Some(&args.cache),
            Self::Run(args) => Some(&args.cache),
            Self::Diff(args) => Some(&args.cache),
            Self::Cache(args) => Some(&args.directory),
            Self::Explain(args) => Some(&args.cache),
            Self::Test(args) => Some(&args.cache),
            Self::Ls(args) => Some(&args.cache),
            Self::Log(args) => Some(&args.cache),
            Self::Doctor { cache } => Some(cache),
            Self::Matrix(args) => args.cache(),
            Self::Init(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Exec(_)
            | Self::Convert(_)
            | Self::Publish(_)
            | Self::Images(_)
            | Self::Elements(_)
            | Self::Distros(_)
            | Self::Bases(_)
            | Self::Config(_)
            | Self::Schema { .. }
            | Self::Relay { .. } => None,
        }
    }
}

/// A file format that has a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SchemaFormat {
    /// Recipes
    Recipe,
    /// Files that recipes include
    Included,
    /// element.yaml
    Element,
    /// distro.yaml
    Distro,
    /// config.yaml of a user, and goldsmith.yaml of a project
    Config,
}
