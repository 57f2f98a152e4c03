//! Environment variables with credentials, which children do not get.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Variables with credentials of OpenStack's and Amazon's clients and of common services.
const KNOWN: [&str; 19] = [
    "OS_PASSWORD",
    "OS_TOKEN",
    "OS_AUTH_TOKEN",
    "OS_PASSCODE",
    "OS_APPLICATION_CREDENTIAL_SECRET",
    "OS_CLIENT_SECRET",
    "OS_ACCESS_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "GITLAB_TOKEN",
    "CI_JOB_TOKEN",
    "CI_REGISTRY_PASSWORD",
    "VAULT_TOKEN",
    "MINISIGN_PASSWORD",
    "NPM_TOKEN",
];

/// Words in the names of variables with credentials. Nearly all names have one.
const WORDS: [&str; 11] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASSCODE",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "APIKEY",
    "API_KEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
];

static WITHHELD: Mutex<BTreeSet<OsString>> = Mutex::new(BTreeSet::new());

/// Returns whether a variable with this name probably contains a credential.
pub fn names_credential(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    WORDS.iter().any(|word| name.contains(word)) || name.split('_').any(|word| word == "PASS" || word == "PW")
}

/// Withholds variables of this process from all children that start from now on, in addition to the known credentials. Variables
/// that are set explicitly for a child are passed on.
pub fn withhold(names: impl IntoIterator<Item = OsString>) {
    WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
}

/// Removes the credentials from a child's environment.
pub(super) fn without_credentials(command: &mut Command) {
    let given: BTreeSet<OsString> =
        command.get_envs().filter(|(_, value)| value.is_some()).map(|(name, _)| name.to_owned()).collect();
    let withheld = WITHHELD.lock().unwrap_or_else(PoisonError::into_inner);
    let names = KNOWN.iter().map(OsStr::new).chain(withheld.iter().map(OsString::as_os_str));
    for name in names.filter(|name| !given.contains(*name)) {
        command.env_remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_their_names() {
        for name in KNOWN.into_iter().chain(["DB_PASSWORD", "my_api_key", "X_TOKEN", "SSHPASS_PASS", "ROOT_PW"]) {
            assert!(names_credential(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "HOME", "GNUPGHOME", "SSH_AUTH_SOCK", "http_proxy", "OS_CLOUD", "OS_USERNAME", "COMPASS"] {
            assert!(!names_credential(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn a_child_gets_what_it_is_given_and_no_credential() {
        withhold([OsString::from("GOLDSMITH_TEST_WITHHELD")]);
        let mut command = Command::new("env");
        command.env("OS_PASSWORD", "given").env("PLAIN", "kept");
        without_credentials(&mut command);
        let told: Vec<_> = command.get_envs().collect();
        let is = |name: &str| told.iter().find(|(key, _)| *key == name).map(|(_, value)| value.is_some());
        assert_eq!((is("OS_PASSWORD"), is("PLAIN")), (Some(true), Some(true)));
        for name in ["AWS_SECRET_ACCESS_KEY", "OS_TOKEN", "GOLDSMITH_TEST_WITHHELD"] {
            assert_eq!(is(name), Some(false), "{name}");
        }
    }
}
