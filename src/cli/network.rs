//! The network settings of the environment: proxies and logins.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::failure::{Failure, FailureKind};
use super::settings::Global;
use crate::fetch::container::RegistryLogins;
use crate::fetch::netrc::Netrc;
use crate::fetch::{Network, Proxies, Secret};

/// Returns the network settings of this user.
pub(super) fn network(global: &Global) -> Result<Network, Failure> {
    let mirrors = global.settings.mirrors();
    Ok(Network {
        proxies: proxies(),
        logins: logins()?,
        registries: registries()?,
        mirrors,
        insecure: false,
        certificates: None,
    })
}

/// Reads the proxies from the variables that most programs use. Names in lower case are older, and come first. An empty
/// variable means no proxy.
pub(super) fn proxies() -> Proxies {
    let told = |names: [&str; 2]| names.into_iter().find_map(|name| std::env::var(name).ok());
    let proxy = |names| told(names).or_else(|| told(["all_proxy", "ALL_PROXY"])).filter(|text| !text.is_empty());
    let except = told(["no_proxy", "NO_PROXY"]).unwrap_or_default();
    Proxies {
        http: proxy(["http_proxy", "HTTP_PROXY"]).map(Secret::new),
        https: proxy(["https_proxy", "HTTPS_PROXY"]).map(Secret::new),
        except: except.split(',').map(|entry| entry.trim().to_owned()).collect(),
    }
}

/// Reads the logins of `$NETRC`, or else of `~/.netrc` if it exists.
fn logins() -> Result<Netrc, Failure> {
    let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let (file, named) = match (path("NETRC"), path("HOME")) {
        (Some(file), _) => (file, true),
        (None, Some(home)) => (home.join(".netrc"), false),
        (None, None) => return Ok(Netrc::default()),
    };
    match std::fs::metadata(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => Ok(Netrc::default()),
        Err(error) => Err(unusable(&file, &error.to_string())),
        Ok(metadata) if !metadata.is_file() => Err(unusable(&file, "it is no regular file")),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            let failure = unusable(&file, "other users can read or change it, and it has passwords");
            Err(failure.hint(format!("`chmod 600 {}`", file.display())))
        }
        Ok(_) => {
            let text = std::fs::read_to_string(&file).map_err(|error| unusable(&file, &error.to_string()))?;
            Netrc::parse(&text).map_err(|error| unusable(&file, &error.to_string()))
        }
    }
}

/// Reads the logins for registries: of `$REGISTRY_AUTH_FILE`, or else of the files that podman, skopeo and Docker write, in which the
/// first login for a registry counts.
fn registries() -> Result<RegistryLogins, Failure> {
    let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = path("HOME");
    let config = path("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let files = match path("REGISTRY_AUTH_FILE") {
        Some(file) => vec![(file, true)],
        None => [
            path("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
            config.map(|dir| dir.join("containers/auth.json")),
            path("DOCKER_CONFIG").or(home.map(|home| home.join(".docker"))).map(|dir| dir.join("config.json")),
        ]
        .into_iter()
        .flatten()
        .map(|file| (file, false))
        .collect(),
    };
    let mut logins = RegistryLogins::default();
    for (file, named) in files {
        let read = match std::fs::read_to_string(&file) {
            Ok(text) => logins.add(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(()) => {}
            Err(reason) if named => return Err(unusable(&file, &reason)),
            // Most commands need no registry, and other programs keep these files.
            Err(reason) => logins.leave_out(&file, &reason),
        }
    }
    Ok(logins)
}

fn unusable(file: &Path, reason: &str) -> Failure {
    Failure::of(FailureKind::Host, format!("cannot take logins from {}: {reason}", file.display()))
}
