//! Input of the caller for loading a recipe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::matrix::Cell;
use super::params::Outside;
use crate::distro::Distros;
use crate::vocabulary::Arch;
use crate::yaml::Diagnostic;

/// Input of the caller for loading a recipe: parameters, folders, the host's architecture.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Values of parameters from the command line and the environment.
    pub params: Outside,
    /// Which image of a recipe with a matrix is read; `None` for all.
    pub cell: Option<Cell>,
    /// Folders of elements, searched before the one beside the recipe.
    pub element_dirs: Vec<PathBuf>,
    /// Folders of distributions, searched before the one beside the recipe.
    pub distro_dirs: Vec<PathBuf>,
    /// Architecture of an image whose recipe names none.
    pub host_arch: Arch,
    /// Ids of the checks that every image gets. A recipe may accept their failure.
    pub rules: Vec<&'static str>,
}

impl LoadOptions {
    /// Returns options with nothing but the host's architecture.
    pub fn new(host_arch: Arch) -> Self {
        let params = Outside::default();
        Self { params, cell: None, element_dirs: Vec::new(), distro_dirs: Vec::new(), host_arch, rules: Vec::new() }
    }

    /// Loads the distributions that a recipe can use. Returns the errors in their files too.
    pub fn distros(&self, recipe: &Path) -> (Arc<Distros>, Vec<Diagnostic>) {
        let mut dirs = self.distro_dirs.clone();
        dirs.push(folder(recipe).join("distros"));
        Distros::load(&dirs)
    }
}

/// The folder that a recipe lies in.
pub(super) fn folder(recipe: &Path) -> PathBuf {
    match recipe.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
