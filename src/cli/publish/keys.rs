//! Secrets and credentials of this person: from the environment, and from the files that tools of object stores share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::settings::read_secret;
use crate::publish::Keys;
use crate::publish::trees::s3::Credentials;
use crate::recipe::SecretSource;

/// The environment of this program.
pub(in crate::cli) struct Environment;

impl Keys for Environment {
    fn secret(&self, source: &SecretSource) -> Result<String, String> {
        let value = read_secret(source, Path::new(""))?;
        let text = String::from_utf8(value).map_err(|_| "it is no text".to_owned())?;
        // Editors end every line.
        Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
    }

    fn scratch(&self) -> PathBuf {
        std::env::temp_dir()
    }

    fn s3(&self, profile: Option<&str>) -> Result<Credentials, String> {
        let said = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        if let (None, Some(id), Some(secret)) = (profile, said("AWS_ACCESS_KEY_ID"), said("AWS_SECRET_ACCESS_KEY")) {
            return Ok(credentials(id, secret, said("AWS_SESSION_TOKEN")));
        }
        let file = said("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        let file = file.or_else(|| Some(Path::new(&said("HOME")?).join(".aws/credentials")));
        let wanted = profile.map(str::to_owned).or_else(|| said("AWS_PROFILE"));
        let Some(file) = file.filter(|file| wanted.is_some() || file.is_file()) else {
            return Err("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set".to_owned());
        };
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let wanted = wanted.unwrap_or_else(|| "default".to_owned());
        of_profile(&text, &wanted).ok_or_else(|| format!("{} has no keys of the profile `{wanted}`", file.display()))
    }
}

fn credentials(id: String, secret: String, token: Option<String>) -> Credentials {
    match token {
        Some(token) => Credentials::new_with_token(id, secret, token),
        None => Credentials::new(id, secret),
    }
}

/// Credentials of a profile ("Configuration and credential file settings in the AWS CLI").
fn of_profile(text: &str, profile: &str) -> Option<Credentials> {
    let (mut here, mut values) = (false, BTreeMap::new());
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            here = section.trim() == profile;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| here && !line.starts_with(['#', ';'])) {
            values.insert(name.trim(), value.trim().to_owned());
        }
    }
    let (id, secret) = (values.remove("aws_access_key_id")?, values.remove("aws_secret_access_key")?);
    Some(credentials(id, secret, values.remove("aws_session_token")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_told_apart() {
        let text = "[default]\naws_access_key_id = one\naws_secret_access_key=s/e+c=\n# aws_session_token = no\n\
            [ci]\naws_access_key_id = two\naws_secret_access_key = x\naws_session_token = y\n[half]\naws_access_key_id = z\n";
        for (profile, found) in [
            ("default", Some(("one", "s/e+c=", None))),
            ("ci", Some(("two", "x", Some("y")))),
            ("half", None),
            ("nobody", None),
        ] {
            let credentials = of_profile(text, profile);
            let credentials = credentials.as_ref().map(|found| (found.key(), found.secret(), found.token()));
            assert_eq!(credentials, found, "{profile}");
        }
    }
}
