//! Options that name a recipe, its parameters, and the pinning of mirrors and base images.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use globset::Glob;

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::parse::{once, parse_param};
use crate::cli::settings::Global;
use crate::fetch::PinPolicy;
use crate::pipeline::Source;
use crate::recipe::params::{Outside, VARIABLE};
use crate::recipe::{Arch, LoadOptions};
use crate::yaml::{Diagnostic, Diagnostics, MAX_BYTES, list, near};

/// Directory for the directories of images, if none is given.
const OUT: &str = "out";

/// Name of a recipe that is read from standard input.
const STDIN: &str = "<stdin>";

/// Longest age of a pin until the mirror is asked again.
const PIN_AGE: Duration = Duration::from_secs(12 * 3600);

/// Recipes and what they are read with.
#[derive(Debug, Args)]
pub(in crate::cli) struct RecipeOptions {
    /// The recipe files; `-` is standard input
    #[arg(required = true, value_name = "RECIPE")]
    pub(in crate::cli) recipes: Vec<PathBuf>,
    /// What they are read with.
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
    /// Of several images, take only those with this name; `*` stands for any text; repeat the option for several
    #[arg(long, value_name = "IMAGE")]
    only: Vec<String>,
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
        let Self { params, param_files, only, elements, distros } = self;
        params.is_empty() && param_files.is_empty() && only.is_empty() && elements.is_empty() && distros.is_empty()
    }

    /// Adds a directory of elements, which comes before those that are given.
    pub(in crate::cli) fn add_elements(&mut self, dir: PathBuf) {
        self.elements.insert(0, dir);
    }

    /// Returns the directories of elements that are given.
    pub(in crate::cli) fn element_dirs(&self) -> &[PathBuf] {
        &self.elements
    }

    /// Returns the options for loading the recipe.
    pub(in crate::cli) fn load_options(&self, global: &Global) -> Result<LoadOptions, Failure> {
        let settings = &global.settings;
        let with = |own: &[PathBuf], key: &str| [own, &settings.paths(key)].concat();
        once("param", &self.params)?;
        let host_arch = Arch::host().ok_or_else(|| {
            Failure::of(FailureKind::Host, format!("images for {} cannot be built yet", std::env::consts::ARCH))
        })?;
        Ok(LoadOptions {
            params: Outside {
                variables: std::env::vars_os().filter_map(parameter).collect(),
                files: self.param_files.clone(),
                configured: settings.paths("params"),
                options: self.params.iter().cloned().collect(),
            },
            cell: None,
            element_dirs: with(&self.elements, "elements"),
            distro_dirs: with(&self.distros, "distros"),
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

/// The images of a command.
#[derive(Debug)]
pub(in crate::cli) struct Sources {
    /// The images, in the order of the command line and of their matrices.
    pub(in crate::cli) images: Vec<Source>,
    /// Whether the command is about several images, even if `--only` has left one.
    pub(in crate::cli) several: bool,
}

impl Sources {
    /// Returns the image with a number, from 0, or with a name.
    pub(in crate::cli) fn cell(self, cell: &str) -> Result<Source, Failure> {
        let names: Vec<String> = self.images.iter().map(|image| image.loaded.recipe.name.clone()).collect();
        let (place, wrong) = match cell.parse::<usize>() {
            Ok(number) => {
                (Some(number), format!("the recipe has {} images, and so none with this number", names.len()))
            }
            Err(_) => (names.iter().position(|name| name == cell), "no image has this name".to_owned()),
        };
        let found = place.and_then(|place| self.images.into_iter().nth(place));
        found.ok_or_else(|| {
            let failure = Failure::of(FailureKind::Usage, format!("`--cell {cell}`: {wrong}"));
            match near(cell, names.iter()) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(format!("the images, from number 0 on, are {}", list(&names))),
            }
        })
    }
}

impl RecipeOptions {
    /// Reads the recipes.
    pub(in crate::cli) fn read(&self, global: &Global) -> Result<Sources, Failure> {
        self.reading.read(&self.recipes, global)
    }
}

impl ReadingOptions {
    /// Reads recipes, and chooses among their images.
    pub(in crate::cli) fn read(&self, recipes: &[PathBuf], global: &Global) -> Result<Sources, Failure> {
        let options = self.load_options(global)?;
        let (mut images, mut found): (Vec<Source>, Vec<Diagnostic>) = (Vec::new(), Vec::new());
        for recipe in recipes {
            match read_all(recipe, &options)? {
                Ok(read) => images.extend(read),
                Err(errors) => found.extend(errors),
            }
        }
        if let Some(errors) = Diagnostics::collect(found) {
            return Err(hints::recipe(&errors, global));
        }
        let mut names: BTreeMap<&str, &Path> = BTreeMap::new();
        for image in &images {
            let name = &image.loaded.recipe.name;
            if let Some(other) = names.insert(name, &image.path) {
                if other == image.path {
                    let message = format!("{} is named twice", other.display());
                    return Err(Failure::of(FailureKind::Usage, message).hint("name it once"));
                }
                let message = format!("{} and {} both make an image `{name}`", other.display(), image.path.display());
                return Err(Failure::of(FailureKind::Usage, message).hint("give one of them another `name`"));
            }
        }
        let several = recipes.len() > 1 || images.iter().any(|image| image.loaded.cell.is_some());
        let chosen = self.chosen(&names.into_keys().collect::<Vec<_>>())?;
        images.retain(|image| self.only.is_empty() || chosen.contains(&image.loaded.recipe.name));
        Ok(Sources { images, several })
    }

    /// Returns the names that `--only` chooses.
    fn chosen(&self, names: &[&str]) -> Result<BTreeSet<String>, Failure> {
        let mut chosen = BTreeSet::new();
        for pattern in &self.only {
            let usage = |message: String| Failure::of(FailureKind::Usage, message);
            let glob = Glob::new(pattern).map_err(|error| usage(format!("`--only {pattern}`: {error}")))?;
            let matcher = glob.compile_matcher();
            let matching: Vec<&str> = names.iter().copied().filter(|name| matcher.is_match(name)).collect();
            chosen.extend(matching.iter().map(|name| (*name).to_owned()));
            if matching.is_empty() {
                let failure = usage(format!("`--only {pattern}`: no image has this name"));
                return Err(match near(pattern, names) {
                    Some(near) => failure.hint(format!("did you mean `{near}`?")),
                    None => failure.hint(format!("the images are {}", list(names))),
                });
            }
        }
        Ok(chosen)
    }
}

/// Reads the recipe in a file, or from standard input.
fn read_all(recipe: &Path, options: &LoadOptions) -> Result<Result<Vec<Source>, Diagnostics>, Failure> {
    if recipe != Path::new("-") {
        return Ok(Source::read_all(recipe, options));
    }
    let mut bytes = Vec::new();
    // One byte more than the limit is too many, which is an error of the recipe.
    let read = std::io::stdin().take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::of(FailureKind::Host, format!("cannot read standard input: {error}")))?;
    let text =
        String::from_utf8(bytes).map_err(|_| Failure::of(FailureKind::Recipe, "standard input is not UTF-8 text"))?;
    Ok(Source::read_all_str(Path::new(STDIN), &text, options))
}

/// Returns the directory for the artifacts of an image: `out`, or a directory below it if the command has several images.
pub(in crate::cli) fn output_dir(out: Option<&Path>, name: &str, several: bool, global: &Global) -> PathBuf {
    match out {
        Some(dir) if several => dir.join(name),
        Some(dir) => dir.to_owned(),
        None => output_root(global).join(name),
    }
}

/// Returns the directory for the directories of images, if no option names one.
pub(in crate::cli) fn output_root(global: &Global) -> PathBuf {
    global.settings.paths("output").pop().unwrap_or_else(|| PathBuf::from(OUT))
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
        PinPolicy {
            max_age: PIN_AGE,
            newer_than: self.refresh.then(SystemTime::now),
            offline: self.offline && !self.refresh,
        }
    }
}
