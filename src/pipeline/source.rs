//! A recipe that was read, with the options for reading it again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::action::Action;
use crate::distro::Distros;
use crate::recipe::{self, Base, LoadOptions, Loaded, System};
use crate::yaml::Diagnostics;

/// A recipe without errors, with the options it was read with.
#[derive(Debug, Clone)]
pub struct Source {
    /// The recipe file.
    pub path: PathBuf,
    /// Content of the recipe.
    pub loaded: Loaded,
    options: LoadOptions,
    /// Text of a recipe that is in no file.
    text: Option<String>,
}

impl Source {
    /// Reads a recipe and the elements it uses.
    ///
    /// # Errors
    ///
    /// If the recipe has errors; all of them are returned at once.
    pub fn read(path: &Path, options: LoadOptions) -> Result<Self, Diagnostics> {
        let loaded = recipe::load(path, &options, None)?;
        Ok(Self { path: path.to_owned(), loaded, options, text: None })
    }

    /// Reads a recipe with all images of its matrix, or with its one image.
    ///
    /// # Errors
    ///
    /// As [`Source::read`].
    pub fn read_all(path: &Path, options: &LoadOptions) -> Result<Vec<Self>, Diagnostics> {
        Ok(Self::each(path, options, None, recipe::load_all(path, options)?))
    }

    /// Reads a recipe like [`Source::read_all`], from its text. Files that it names are relative to the directory of `path`, which is
    /// also its name in errors.
    ///
    /// # Errors
    ///
    /// As [`Source::read`].
    pub fn read_all_str(path: &Path, text: &str, options: &LoadOptions) -> Result<Vec<Self>, Diagnostics> {
        let loaded = recipe::load_all_str(path, text, options, None)?;
        Ok(Self::each(path, options, Some(text), loaded))
    }

    fn each(path: &Path, options: &LoadOptions, text: Option<&str>, loaded: Vec<Loaded>) -> Vec<Self> {
        let source = |loaded: Loaded| {
            let options = LoadOptions { cell: loaded.cell.clone(), ..options.clone() };
            Self { path: path.to_owned(), loaded, options, text: text.map(str::to_owned) }
        };
        loaded.into_iter().map(source).collect()
    }

    /// Reads the recipe again, for the system on its base image.
    ///
    /// # Errors
    ///
    /// If the recipe has errors that only appear for this system.
    pub fn for_system(&self, system: &System) -> Result<Loaded, Diagnostics> {
        match &self.text {
            Some(text) => recipe::load_str(&self.path, text, &self.options, Some(system)),
            None => recipe::load(&self.path, &self.options, Some(system)),
        }
    }

    /// Returns the distributions that the recipe may be for.
    pub(super) fn distros(&self) -> Arc<Distros> {
        self.options.distros(&self.path).0
    }

    /// Returns whether a step may need the network. `true` for a base image that was not inspected yet, because its steps are not
    /// known.
    pub(super) fn uses_network(&self) -> bool {
        self.loaded.composition.as_ref().is_none_or(|composition| {
            // A bootstrap installs packages before there is a guest; those of a recipe that starts from it are installed in the guest.
            let bootstrapped = !matches!(self.loaded.recipe.base, Base::Installer(_));
            let mut levels = composition.levels().into_iter().enumerate();
            levels.any(|(number, level)| {
                ((number > 0 || !bootstrapped) && !level.packages.is_empty())
                    || level.steps.iter().any(|step| step.actions.iter().any(Action::uses_network))
            })
        })
    }
}
