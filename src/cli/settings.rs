//! Settings of all commands: from the command line, the environment and the host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::config::Settings;
use super::failure::{Failure, FailureKind};
use super::options::CacheOption;
use super::terminal::Terminal;
use crate::recipe::{Base, Bootstrap, Recipe, SecretSource};

/// The settings of every command.
#[derive(Debug)]
pub(super) struct Global {
    /// Directory of layers, packages, pins and base images. It is empty if the command uses no cache.
    pub(super) cache: PathBuf,
    /// Whether results and events are JSON.
    pub(super) json: bool,
    /// Abilities of standard error.
    pub(super) terminal: Terminal,
    /// Abilities of standard output.
    pub(super) stdout: Terminal,
    /// What configuration files and variables set.
    pub(super) settings: Settings,
}

impl Global {
    /// Makes the settings of a command. It uses a cache if `cache` is given.
    pub(super) fn new(
        cache: Option<&CacheOption>,
        json: bool,
        (terminal, stdout): (Terminal, Terminal),
        settings: Settings,
    ) -> Result<Self, Failure> {
        let cache = cache.map(|option| cache_dir(option.dir.as_deref())).transpose()?.unwrap_or_default();
        Ok(Self { cache, json, terminal, stdout, settings })
    }
}

/// Finds the directory of caches of this user by the rules of the XDG Base Directory Specification.
pub(super) fn user_cache() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    xdg.or_else(home)
}

/// Finds the cache directory, unless one is named.
pub(super) fn cache_dir(named: Option<&Path>) -> Result<PathBuf, Failure> {
    match named {
        Some(dir) => std::path::absolute(dir).map_err(|error| Failure::new(FailureKind::Usage, &error)),
        None => user_cache().map(|dir| dir.join("goldsmith")).ok_or_else(|| {
            Failure::of(FailureKind::Host, "no place is known for the cache").hint("set HOME, or give --cache DIR")
        }),
    }
}

/// Returns QEMU's program for this host's architecture, as a shell would find it.
pub(super) fn qemu() -> PathBuf {
    let name = format!("qemu-system-{}", std::env::consts::ARCH);
    which::which(&name).unwrap_or(name.into())
}

/// Reads the values of secrets. They live in memory only.
pub(super) fn read_secrets(
    sources: &BTreeMap<String, SecretSource>,
    recipe_dir: &Path,
) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let missing = |name: &str, what: String| {
        Failure::of(FailureKind::Host, format!("the secret `{name}` has no value: {what}"))
            .hint("the recipe's `secrets` say where its value comes from")
    };
    sources
        .iter()
        .map(|(name, source)| {
            let value = read_secret(source, recipe_dir).map_err(|reason| missing(name, reason))?;
            crate::text::redact::require_length(&value).map_err(|error| {
                let message = format!("the secret `{name}`{} cannot be used: {error}", origin(source));
                Failure::of(FailureKind::Host, message).hint("use a longer secret, or a parameter if it is none")
            })?;
            Ok((name.clone(), value))
        })
        .collect()
}

/// Reads the secrets that a recipe's base needs while it is pinned, as far as they have a value. Earlier pins need none.
pub(super) fn secrets_of_base(recipe: &Recipe) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let Base::Bootstrap(Bootstrap { client_certificate: Some(name), .. }) = &recipe.base else {
        return Ok(BTreeMap::new());
    };
    let source = recipe.secrets.get_key_value(name).filter(|(_, source)| lacks_value(source, &recipe.dir).is_none());
    let source = source.map(|(name, source)| (name.clone(), source.clone()));
    read_secrets(&source.into_iter().collect(), &recipe.dir)
}

/// Describes the source of a secret, for a message.
fn origin(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(variable) => format!(" in ${variable}"),
        SecretSource::File(path) => format!(" in {}", path.display()),
    }
}

/// Says why a secret has no value; the value itself is not read.
pub(super) fn lacks_value(source: &SecretSource, dir: &Path) -> Option<String> {
    match source {
        SecretSource::Env(variable) => std::env::var_os(variable).is_none().then(|| format!("${variable} is not set")),
        SecretSource::File(path) => {
            let path = dir.join(path);
            path.metadata().err().map(|error| format!("{}: {error}", path.display()))
        }
    }
}

/// Reads the value of a secret, or says why there is none.
pub(super) fn read_secret(source: &SecretSource, dir: &Path) -> Result<Vec<u8>, String> {
    match source {
        SecretSource::Env(variable) => {
            // No child inherits the variable: programs that need the secret get it in other ways.
            crate::process::withhold([variable.into()]);
            std::env::var_os(variable)
                .map(std::os::unix::ffi::OsStringExt::into_vec)
                .ok_or_else(|| format!("${variable} is not set"))
        }
        SecretSource::File(path) => {
            let path = dir.join(path);
            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        }
    }
}
