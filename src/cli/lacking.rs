//! What a build of a recipe will lack, as far as this host knows without a network: packages, secrets and base images.

use std::path::Path;

use super::settings::lacks_value;
use crate::base::index;
use crate::pipeline::Source;
use crate::plan::{BasePlan, Plan};
use crate::recipe::{Base, Reference};

/// Returns a warning for each thing that a build of a recipe will lack.
pub(super) fn of_recipe(source: &Source, cache: &Path) -> Vec<String> {
    let mut warnings = with_recipe(source);
    let recipe = &source.loaded.recipe;
    if let (Base::Bootstrap(base), Some(composition), Some(how)) =
        (&recipe.base, &source.loaded.composition, &recipe.bootstrap)
    {
        let lowest = composition.levels()[0];
        let name = index::directory_name(&composition.distro.name, &base.release, (how.tool, recipe.arch));
        let indexes = index::newest(cache, &name);
        warnings.extend(packages(indexes, &lowest.packages, &name));
    }
    warnings
}

/// Returns the warnings about a recipe whose plan is known.
pub(super) fn of_plan(source: &Source, plan: &Plan, cache: &Path) -> Vec<String> {
    let mut warnings = with_recipe(source);
    if let (BasePlan::Bootstrap { source: base, repositories }, Some(how)) = (&plan.base, &plan.os.bootstrap) {
        let name = index::directory_name(&plan.distro.name, &base.release, (how.tool, plan.arch));
        let indexes = index::of(cache, &name, repositories);
        warnings.extend(packages(indexes, &plan.packages, &name));
    }
    warnings
}

/// Returns the warnings that need no index of packages.
fn with_recipe(source: &Source) -> Vec<String> {
    let recipe = &source.loaded.recipe;
    let mut warnings = Vec::new();
    let origins = match &recipe.base {
        Base::Bootstrap(_) | Base::Glance(_) => Vec::new(),
        Base::Image(image) => vec![image.source.clone()],
        Base::Tree(tree) => vec![tree.source.clone()],
        Base::Container(container) => match Reference::parse(&container.source) {
            Ok(Reference::Layout { dir, .. }) => vec![dir],
            Ok(Reference::Archive { file }) => vec![file],
            _ => Vec::new(),
        },
        Base::Installer(installer) => installer.source.files().map(|(_, file)| file.source.clone()).collect(),
    };
    let paths = origins.iter().filter(|origin| !origin.contains("://")).map(|origin| recipe.dir.join(origin));
    for path in paths.filter(|path| !path.exists()) {
        warnings.push(format!("the base is not there: {} does not exist", path.display()));
    }
    for (name, source) in &recipe.secrets {
        if let Some(reason) = lacks_value(source, &recipe.dir) {
            warnings.push(format!("the secret `{name}` has no value: {reason}"));
        }
    }
    warnings
}

/// Returns a warning for each package that no index has.
fn packages<'a, T: 'a>(
    indexes: Option<index::Indexes>,
    wanted: impl IntoIterator<Item = (&'a String, &'a T)>,
    place: &str,
) -> Vec<String> {
    let Some(indexes) = indexes else { return Vec::new() };
    let lacking = indexes.lacking(wanted.into_iter().map(|(name, _)| name.as_str())).into_iter();
    lacking
        .map(|(name, near)| {
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("no repository of {place} has a package `{name}`, by the index in the cache{near}")
        })
        .collect()
}
