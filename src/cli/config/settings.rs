//! The settings of a command, from the environment, the file of the project and that of the user, in this order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Command;
use serde_json::Value as Json;

use super::keys::KEYS;
use super::options::with_defaults;
use super::place::{self, Entries, Entry, Origin, PROJECT};
use super::reading::{ConfigFile, variables};
use crate::distro::Mirrors;
use crate::yaml::{Diagnostic, Diagnostics, near};

/// First part of the names of variables.
const PREFIX: &str = "GOLDSMITH_";

/// Rest of the names of variables that set parameters, before the name of the parameter.
const PARAM: &str = "PARAM_";

/// What files and variables set.
#[derive(Debug, Default)]
pub(in crate::cli) struct Settings {
    entries: Entries,
    /// The files that were read.
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Remarks for the user.
    pub(in crate::cli) notes: Vec<String>,
}

impl Settings {
    /// Reads variables and files for a command about a directory: that of its recipe, or the working directory. A file that the command
    /// names itself is a recipe.
    ///
    /// # Errors
    ///
    /// All errors of all files and variables at once.
    pub(in crate::cli) fn load(
        dir: &Path,
        recipes: &[PathBuf],
        variable: &dyn Fn(&str) -> Option<OsString>,
        names: impl Iterator<Item = OsString>,
        grammar: &Command,
    ) -> Result<Self, Diagnostics> {
        let mut found: Vec<Diagnostic> = Vec::new();
        let home = variable("HOME").map(PathBuf::from);
        let is_recipe = |file: &PathBuf| {
            let same = |recipe: &PathBuf| recipe.canonicalize().ok() == file.canonicalize().ok();
            recipes.iter().any(same)
        };
        let project = place::of_project(dir).filter(|file| !is_recipe(file)).map(|file| (file, true));
        let user = place::of_user(variable).filter(|file| file.is_file()).map(|file| (file, false));
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let mut entries = variables(&text, grammar, &mut found);
        let mut files = Vec::new();
        for (path, project) in project.into_iter().chain(user) {
            let file = ConfigFile { path: &path, project, home: home.as_deref(), grammar };
            for (name, entry) in file.entries(&mut found) {
                entries.entry(name).or_insert(entry);
            }
            files.push(path);
        }
        match Diagnostics::collect(found) {
            Some(errors) => Err(errors),
            None => Ok(Self { entries, files, notes: misspelt(names) }),
        }
    }

    /// Returns the value of a key, and where it comes from.
    pub(in crate::cli) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Returns the grammar of the command line with these settings as defaults. What a variable of OpenStack says, its own reader
    /// reads.
    pub(in crate::cli) fn as_defaults(&self, command: Command) -> Command {
        let openstack = |entry: &Entry| entry.origin.to_string().starts_with("$OS_");
        let mut entries = self.entries.clone();
        entries.retain(|_, entry| !openstack(entry));
        // `OS_CLOUD` and the variables that describe a cloud win over files.
        if ["OS_CLOUD", "OS_AUTH_URL"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        {
            entries.remove("cloud");
            entries.remove("region");
        }
        with_defaults(command, &entries)
    }

    /// Returns the text of a key.
    pub(in crate::cli) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.value.as_str().map(str::to_owned)
    }

    /// Returns the texts of a key.
    pub(in crate::cli) fn texts(&self, name: &str) -> Vec<String> {
        let list = self.get(name).and_then(|entry| entry.value.as_array());
        list.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
    }

    /// Returns whether a key is on.
    pub(in crate::cli) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|entry| entry.value == Json::Bool(true))
    }

    /// Returns whether the file of a project has set a key.
    pub(in crate::cli) fn is_of_project(&self, name: &str) -> bool {
        let file = |entry: &Entry| match &entry.origin {
            Origin::File { file, .. } => Path::new(file).file_name() == Some(PROJECT.as_ref()),
            Origin::Variable { .. } | Origin::Default => false,
        };
        self.get(name).is_some_and(file)
    }

    /// Returns the paths of a key.
    pub(in crate::cli) fn paths(&self, name: &str) -> Vec<PathBuf> {
        match self.get(name).map(|entry| &entry.value) {
            Some(Json::Array(paths)) => paths.iter().filter_map(Json::as_str).map(PathBuf::from).collect(),
            Some(Json::String(path)) => vec![PathBuf::from(path)],
            _ => Vec::new(),
        }
    }

    /// Returns the mirrors by the name of the distribution.
    pub(in crate::cli) fn mirrors(&self) -> BTreeMap<String, Mirrors> {
        let all = self.get("mirrors").and_then(|entry| entry.value.as_object());
        let url = |urls: &Json, archive: &str| urls[archive].as_str().map(str::to_owned);
        let mirrors = |urls: &Json| Mirrors { main: url(urls, "main"), security: url(urls, "security") };
        all.into_iter().flatten().map(|(name, urls)| (name.clone(), mirrors(urls))).collect()
    }
}

/// Returns a note for each variable that looks like a misspelt one.
fn misspelt(names: impl Iterator<Item = OsString>) -> Vec<String> {
    // The part that all have in common is no similarity.
    let known = || KEYS.iter().filter_map(|key| key.variable?.strip_prefix(PREFIX));
    let names = names.filter_map(|name| Some(name.to_str()?.strip_prefix(PREFIX)?.to_owned()));
    let strange = names.filter(|name| !known().any(|known| known == name) && !name.starts_with(PARAM));
    let meant = strange.filter_map(|name| Some((near(&name, known())?, name)));
    meant.map(|(meant, name)| format!("${PREFIX}{name} sets nothing; did you mean ${PREFIX}{meant}?")).collect()
}
