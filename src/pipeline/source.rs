//! A recipe file that has been read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::action::Action;
use crate::distro::Distros;
use crate::recipe::{self, LoadOptions, Loaded, System};
use crate::yaml::Diagnostics;

/// A recipe without errors, and how it was read.
#[derive(Debug, Clone)]
pub struct Source {
    /// The recipe file.
    pub path: PathBuf,
    /// What it says.
    pub loaded: Loaded,
    options: LoadOptions,
}

impl Source {
    /// Reads a recipe and the elements it uses.
    ///
    /// # Errors
    ///
    /// All errors of the recipe at once.
    pub fn read(path: &Path, options: LoadOptions) -> Result<Self, Diagnostics> {
        let loaded = recipe::load(path, &options, None)?;
        Ok(Self { path: path.to_owned(), loaded, options })
    }

    /// Reads the recipe again for the system that was found on its base image.
    pub(super) fn for_system(&self, system: &System) -> Result<Loaded, Diagnostics> {
        recipe::load(&self.path, &self.options, Some(system))
    }

    /// The distributions that the recipe may be of.
    pub(super) fn distros(&self) -> Arc<Distros> {
        self.options.distros(&self.path).0
    }

    /// Whether a step may need the network. True for a base image that has not been looked at: its steps are not known.
    pub(super) fn uses_network(&self) -> bool {
        self.loaded.composition.as_ref().is_none_or(|composition| {
            composition.steps.iter().any(|step| step.actions.iter().any(Action::uses_network))
        })
    }
}
