//! Finds the secrets and credentials that publishing needs: in the environment, and in the files that tools of object stores
//! share.

use std::path::{Path, PathBuf};

use crate::bucket::{Credentials, profile};
use crate::cli::settings::read_secret;
use crate::publish::Keys;
use crate::recipe::SecretSource;

/// The environment of this program.
pub(in crate::cli) struct Environment;

impl Keys for Environment {
    fn secret(&self, source: &SecretSource) -> Result<String, String> {
        let value = read_secret(source, Path::new(""))?;
        let text = String::from_utf8(value).map_err(|_| "it is no text".to_owned())?;
        // Editors end the last line too.
        Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
    }

    fn scratch(&self) -> PathBuf {
        std::env::temp_dir()
    }

    fn s3(&self, named: Option<&str>) -> Result<Credentials, String> {
        let said = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        if let (None, Some(id), Some(secret)) = (named, said("AWS_ACCESS_KEY_ID"), said("AWS_SECRET_ACCESS_KEY")) {
            return Ok(profile::keys(id, secret, said("AWS_SESSION_TOKEN")));
        }
        let home = said("HOME");
        let file = |variable: &str, usual: &str| {
            let path = said(variable).unwrap_or_else(|| usual.to_owned());
            match (path.strip_prefix("~/"), &home) {
                (Some(rest), Some(home)) => Path::new(home).join(rest),
                _ => PathBuf::from(path),
            }
        };
        let files =
            [file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), file("AWS_CONFIG_FILE", "~/.aws/config")];
        let wanted = named.map(str::to_owned).or_else(|| said("AWS_DEFAULT_PROFILE")).or_else(|| said("AWS_PROFILE"));
        if wanted.is_none() && !files.iter().any(|file| file.is_file()) {
            return Err("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set".to_owned());
        }
        let read = |file: &PathBuf| -> Result<Option<(String, String)>, String> {
            let text = file.is_file().then(|| std::fs::read_to_string(file)).transpose();
            let name = file.display().to_string();
            text.map_err(|error| format!("{name}: {error}")).map(|text| Some((name, text?)))
        };
        let [credentials, config] = [read(&files[0])?, read(&files[1])?];
        let wanted = wanted.unwrap_or_else(|| "default".to_owned());
        profile::credentials(
            credentials.as_ref().map(|(name, text)| (name.as_str(), text.as_str())),
            config.as_ref().map(|(name, text)| (name.as_str(), text.as_str())),
            &wanted,
        )
    }
}
