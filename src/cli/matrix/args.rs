//! The options of `goldsmith matrix`.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::build::Build;
use crate::cli::options::{CacheOption, RecipeOptions};
use crate::cli::parse::parse_jobs;
use crate::engines::Engine;

/// `goldsmith matrix`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Matrix {
    /// What to do
    #[command(subcommand)]
    pub(in crate::cli) command: MatrixVerb,
}

impl Matrix {
    /// Returns the recipes that the command names.
    pub(in crate::cli) fn recipes(&self) -> &[PathBuf] {
        match &self.command {
            MatrixVerb::Plan(args) => &args.build.source.recipes,
            MatrixVerb::Run(args) => &args.build.source.recipes,
            MatrixVerb::Collect(args) => &args.source.recipes,
        }
    }

    /// Returns the option about the cache.
    pub(in crate::cli) fn cache(&self) -> Option<&CacheOption> {
        match &self.command {
            MatrixVerb::Plan(args) => Some(&args.build.cache),
            MatrixVerb::Run(args) => Some(&args.build.cache),
            MatrixVerb::Collect(_) => None,
        }
    }
}

/// What to do with a matrix.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MatrixVerb {
    /// Print the file of an engine that builds the images of recipes on many machines
    Plan(Box<MatrixPlan>),
    /// Submit the jobs to an engine, follow them, and end as a build on one machine would
    Run(Box<MatrixRun>),
    /// Collect the results of an engine's jobs: a table, one report for CI services, and the exit code of a build on one machine
    Collect(Collect),
}

/// `goldsmith matrix plan`.
#[derive(Debug, Args)]
pub(in crate::cli) struct MatrixPlan {
    /// The engine
    #[arg(long = "for", value_name = "ENGINE", value_parser = engine())]
    pub(super) engine: Engine,
    /// How the jobs build, as `goldsmith build` takes it.
    #[command(flatten)]
    pub(super) build: Build,
    /// Most images of one array of jobs [default: as many as the engine takes]
    #[arg(long, value_name = "NUMBER", value_parser = parse_jobs)]
    pub(super) at_most: Option<usize>,
    /// Container image with Goldsmith, for engines that run containers
    #[arg(long = "image", value_name = "IMAGE")]
    pub(super) container: Option<String>,
}

/// `goldsmith matrix run`.
#[derive(Debug, Args)]
pub(in crate::cli) struct MatrixRun {
    /// The engine
    #[arg(long, value_name = "ENGINE", value_enum)]
    pub(super) on: RunsOn,
    /// How the jobs build, as `goldsmith build` takes it.
    #[command(flatten)]
    pub(super) build: Build,
}

/// `--on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RunsOn {
    /// Slurm, by its own programs on this machine
    Slurm,
}

/// `goldsmith matrix collect`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Collect {
    /// The recipes.
    #[command(flatten)]
    pub(super) source: RecipeOptions,
    /// Directory of the artifacts, as `--out` of the jobs names it [default: out]
    #[arg(short, long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Name of the run, as `--run` of the jobs names it [default: the last run]
    #[arg(long, value_name = "NAME")]
    pub(super) run: Option<String>,
}

/// Reads the word for an engine.
fn engine() -> impl TypedValueParser<Value = Engine> {
    let values = Engine::ALL.map(|engine| PossibleValue::new(engine.word()).help(engine.name()));
    PossibleValuesParser::new(values)
        .map(|word| Engine::ALL.into_iter().find(|engine| engine.word() == word).expect("one of these words"))
}
