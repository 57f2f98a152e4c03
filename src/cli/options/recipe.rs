//! Options that name a recipe, its parameters, and the pinning of mirrors and base images.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::parse::{once, parse_param};
use crate::cli::settings::Global;
use crate::fetch::PinPolicy;
use crate::pipeline::Source;
use crate::recipe::params::{Outside, VARIABLE};
use crate::recipe::{Arch, LoadOptions};

/// Longest age of a pin until the mirror is asked again.
const PIN_AGE: Duration = Duration::from_secs(12 * 3600);

/// A recipe and what it is read with.
#[derive(Debug, Args)]
pub(in crate::cli) struct RecipeOptions {
    /// The recipe file
    pub(in crate::cli) recipe: PathBuf,
    /// What it is read with.
    #[command(flatten)]
    pub(in crate::cli) reading: ReadingOptions,
}

/// What a recipe is read with.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReadingOptions {
    /// Set a parameter of the recipe; all behind the first `=` is the value; repeat the option for several
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parse_param)]
    params: Vec<(String, String)>,
    /// Set the parameters that this YAML or JSON file names; repeat the option for several: later files win, and --param wins
    /// over all
    #[arg(long = "params", value_name = "FILE")]
    param_files: Vec<PathBuf>,
    /// Look for elements in this directory first; repeat the option for several
    #[arg(long, value_name = "DIR")]
    elements: Vec<PathBuf>,
    /// Look for distributions in this directory first; repeat the option for several
    #[arg(long, value_name = "DIR")]
    distros: Vec<PathBuf>,
}

impl ReadingOptions {
    /// Returns whether no option is given.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        let Self { params, param_files, elements, distros } = self;
        params.is_empty() && param_files.is_empty() && elements.is_empty() && distros.is_empty()
    }

    /// Returns the options for loading the recipe.
    pub(in crate::cli) fn load_options(&self) -> Result<LoadOptions, Failure> {
        once("param", &self.params)?;
        let host_arch = Arch::host().ok_or_else(|| {
            Failure::of(FailureKind::Host, format!("images for {} cannot be built yet", std::env::consts::ARCH))
        })?;
        Ok(LoadOptions {
            params: Outside {
                variables: std::env::vars_os().filter_map(parameter).collect(),
                files: self.param_files.clone(),
                options: self.params.iter().cloned().collect(),
            },
            element_dirs: self.elements.clone(),
            distro_dirs: self.distros.clone(),
            host_arch,
            rules: crate::verify::rules().map(|rule| rule.id).collect(),
        })
    }
}

/// Returns the parameter that a variable of the environment sets, and its value.
fn parameter((variable, value): (OsString, OsString)) -> Option<(String, OsString)> {
    let name = variable.to_str()?.strip_prefix(VARIABLE)?;
    (!name.is_empty()).then(|| (name.to_owned(), value))
}

impl RecipeOptions {
    /// Reads the recipe.
    pub(in crate::cli) fn read(&self, global: &Global) -> Result<Source, Failure> {
        Source::read(&self.recipe, self.reading.load_options()?).map_err(|found| hints::recipe(&found, global))
    }
}

/// The pinning of mirrors and base images.
#[derive(Debug, Args)]
pub(in crate::cli) struct PinOptions {
    /// Read the mirrors' indexes again, even if the cache has them from the last 12 hours
    #[arg(long, conflicts_with = "offline")]
    pub(in crate::cli) refresh: bool,
    /// Use the mirrors' indexes and files in the cache, whatever their age, and no network
    #[arg(long)]
    pub(in crate::cli) offline: bool,
}

impl PinOptions {
    /// Returns the policy of pinning.
    pub(in crate::cli) fn policy(&self) -> PinPolicy {
        PinPolicy { max_age: PIN_AGE, refresh: self.refresh, offline: self.offline }
    }
}
