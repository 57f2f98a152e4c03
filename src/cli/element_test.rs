//! The command `goldsmith test`: builds and checks the small recipes that elements have in their own directories.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::build::{self, Build};
use super::failure::{Failure, FailureKind};
use super::options::{CacheOption, PlanningOptions, ReadingOptions, RecipeOptions};
use super::parse::{parse_jobs, parse_word};
use super::settings::Global;
use crate::recipe::verify::NetworkAccess;
use crate::units::parse_duration;
use crate::yaml;

/// Name of the recipe in the directory of an element.
pub(super) const RECIPE: &str = "test.yaml";

/// `goldsmith test`.
#[derive(Debug, Args)]
pub(super) struct ElementTest {
    /// Directories of elements, each with element.yaml and test.yaml; elements of the recipe are found beside this directory
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// What the recipes are read with.
    #[command(flatten)]
    reading: ReadingOptions,
    /// Directory for the artifacts; several images get a directory each below it [default: out/<image name>]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How bases are found, pinned and looked into.
    #[command(flatten)]
    planning: PlanningOptions,
    /// What steps with network access reach: user (what this host reaches), host (this host too), isolated (nothing)
    #[arg(long, value_name = "ACCESS", default_value = "user", value_parser = parse_word::<NetworkAccess>)]
    network: NetworkAccess,
    /// How long a program of a step may run, if its action sets no `timeout`
    #[arg(long, value_name = "TIME", default_value = "30min", value_parser = parse_duration)]
    timeout: Duration,
    /// How many images are built at the same time [default: as processors and memory allow]
    #[arg(short, long, value_name = "NUMBER", value_parser = parse_jobs)]
    jobs: Option<usize>,
    /// The cache.
    #[command(flatten)]
    pub(super) cache: CacheOption,
}

/// Builds the recipe of each element, and checks the images.
pub(super) fn test(args: ElementTest, global: &Global) -> Result<(), Failure> {
    let ElementTest { dirs, mut reading, out, planning, network, timeout, jobs, cache } = args;
    let mut recipes = Vec::new();
    for dir in &dirs {
        recipes.push(recipe(dir)?);
        // The element that is tested, whatever elements of its name there are elsewhere.
        reading.add_elements(beside(dir));
    }
    let source = RecipeOptions { recipes, reading };
    for image in &source.read(global)?.images {
        if image.loaded.recipe.verify.is_none() {
            let message = format!("{} has no `verify`, so it would test nothing", image.path.display());
            return Err(Failure::of(FailureKind::Recipe, message).hint("add `verify: {}`"));
        }
    }
    build::build(&Build::of_test(source, out, planning, (network, timeout, jobs), cache), global)
}

/// Returns the recipe of an element.
fn recipe(dir: &Path) -> Result<PathBuf, Failure> {
    let usage = |message: String| Failure::of(FailureKind::Usage, message);
    if !dir.join("element.yaml").is_file() {
        return Err(usage(format!("{} is no directory of an element: it has no element.yaml", dir.display()))
            .hint("name the directory of one element, such as elements/NAME"));
    }
    let recipe = dir.join(RECIPE);
    if !recipe.is_file() {
        return Err(usage(format!("the element in {} has no test: there is no {}", dir.display(), recipe.display()))
            .hint("`goldsmith init --element NAME` writes an element with a test"));
    }
    let name =
        std::path::absolute(dir).ok().and_then(|dir| dir.file_name().map(|name| name.to_string_lossy().into_owned()));
    let lists = |name: &str| {
        let (node, _) = yaml::parse(&yaml::read(&recipe).ok()?);
        let node = node?;
        let elements = node.get("elements")?.list();
        Some(elements.iter().any(|item| item.text() == Some(name) || item.key(name).is_some()))
    };
    // A recipe with errors, or one whose elements stand in a file that it includes, is left to its reader.
    match name.as_deref().map(|name| (name, lists(name))) {
        Some((name, Some(false))) => {
            let message = format!("{} does not list the element `{name}`, so it would not test it", recipe.display());
            Err(Failure::of(FailureKind::Recipe, message).hint(format!("add `{name}` to its `elements`")))
        }
        _ => Ok(recipe),
    }
}

/// Returns the directory that has the element's directory.
fn beside(dir: &Path) -> PathBuf {
    dir.join("..")
}
