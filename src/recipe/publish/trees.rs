//! Targets that are trees of files: directories and buckets.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::image::{Format, Output};
use crate::recipe::secret::SecretSource;

/// A directory with a folder for each image. This folder has a folder for each version of the image, whose name is the build time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Directory {
    /// Path of the directory, absolute or relative to the recipe. Goldsmith creates it if it does not exist.
    pub path: PathBuf,
    /// Formats of the outputs that are published. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<Format>,
    /// Number of versions of the image that stay. Goldsmith deletes older ones. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// Keys that sign the file of checksums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<ChecksumKeys>,
}

/// A bucket of an object store with the S3 API. Its objects are named like the files of a directory. Goldsmith reads the credentials
/// from the variables `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or from a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct S3 {
    /// Name of the bucket, which must exist.
    pub bucket: String,
    /// URL of the object store: `https://s3.example.org`. Default: the URL of Amazon S3 in the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// First part of the names of all objects, without `/` at its end: `images/cloud`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Region of the object store.
    #[serde(default = "default_region")]
    pub region: String,
    /// Whether URLs have the name of the bucket in their path (`true`) or in their host name (`false`). Default: `true` if `endpoint` is set, else `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// Canned access control list of the objects: `public-read`. Default: none, so the policy of the bucket decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<String>,
    /// Name of a profile in `~/.aws/credentials`. Default: the credentials in the environment; without them the profile `AWS_PROFILE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Formats of the outputs that are published. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<Format>,
    /// Number of versions of the image that stay. Goldsmith deletes older ones. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// Keys that sign the file of checksums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<ChecksumKeys>,
}

/// Keys that sign the file of checksums, with OpenPGP, with minisign, or with both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ChecksumKeys {
    /// Secret key of `gpg`, by its fingerprint of 40 digits or the last 16 of them. It also signs the index of all images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openpgp: Option<String>,
    /// File with a secret key of minisign, absolute or relative to the recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minisign: Option<PathBuf>,
    /// Password of the key of minisign. Required if the key has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

impl Directory {
    pub(super) fn faults(&self, outputs: Option<&[Output]>) -> Vec<Fault> {
        let mut faults = common(&self.formats, self.keep, self.sign.as_ref(), outputs);
        if self.path.as_os_str().is_empty() {
            faults.push(Fault::at(
                &["path"],
                "the directory has no name",
                "name a directory, such as that of a web server",
            ));
        }
        faults
    }

    /// Prefixes relative paths with a directory.
    pub(super) fn below(mut self, dir: &Path) -> Self {
        // A path that is missing stays a fault.
        if !self.path.as_os_str().is_empty() {
            self.path = dir.join(&self.path);
        }
        self.sign = self.sign.map(|sign| sign.below(dir));
        self
    }
}

impl S3 {
    pub(super) fn faults(&self, outputs: Option<&[Output]>) -> Vec<Fault> {
        let mut faults = common(&self.formats, self.keep, self.sign.as_ref(), outputs);
        if self.bucket.is_empty() || self.bucket.contains('/') {
            let message = format!("`{}` is no name of a bucket", self.bucket);
            faults.push(Fault::at(&["bucket"], message, "what follows the bucket's name is `prefix`"));
        }
        let is_url = |endpoint: &str| endpoint.starts_with("http://") || endpoint.starts_with("https://");
        if let Some(endpoint) = self.endpoint.as_deref().filter(|endpoint| !is_url(endpoint)) {
            let message = format!("`{endpoint}` is no address of an object store");
            faults.push(Fault::at(&["endpoint"], message, "it begins with `https://`"));
        }
        if self.endpoint.as_deref().is_some_and(crate::address::has_login) {
            let message = "the address of the object store has a login".to_owned();
            faults.push(Fault::at(&["endpoint"], message, "leave it out: AWS_ACCESS_KEY_ID or `profile` say who asks"));
        }
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        if !self.prefix.is_empty() && !self.prefix.split('/').all(plain) {
            let message = format!("`{}` cannot begin the name of an object", self.prefix);
            faults.push(Fault::at(
                &["prefix"],
                message,
                "no `/` is at its ends, and no part of it is empty, `.` or `..`",
            ));
        }
        faults
    }

    /// Returns the URL of the store.
    pub fn endpoint(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", self.region))
    }

    /// Returns whether URLs have the bucket's name in the path. Stores of other makers seldom have host names for buckets.
    pub fn path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }

    /// Prefixes relative paths with a directory.
    pub(super) fn below(mut self, dir: &Path) -> Self {
        self.sign = self.sign.map(|sign| sign.below(dir));
        self
    }
}

impl ChecksumKeys {
    fn below(mut self, dir: &Path) -> Self {
        self.minisign = self.minisign.map(|file| dir.join(file));
        self.password = self.password.map(|password| password.below(dir));
        self
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(Err(message)) = self.openpgp.as_deref().map(key_id) {
            faults.push(Fault::at(&["sign", "openpgp"], message, "`gpg --list-secret-keys` shows fingerprints"));
        }
        if self.openpgp.is_none() && self.minisign.is_none() {
            faults.push(Fault::at(&["sign"], "no key is named here", "`openpgp` or `minisign` names one"));
        }
        if self.password.is_some() && self.minisign.is_none() {
            let help = "gpg asks for passphrases itself, or its agent has them";
            faults.push(Fault::at(&["sign", "password"], "this is the password of a key of minisign", help));
        }
        faults
    }
}

fn common(
    formats: &[Format],
    keep: Option<u32>,
    sign: Option<&ChecksumKeys>,
    outputs: Option<&[Output]>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let missing =
        |format: &&Format| outputs.is_some_and(|outputs| outputs.iter().all(|output| output.format != **format));
    if let Some(format) = formats.iter().find(missing) {
        let message = format!("no output is a {} file", format.name());
        faults.push(Fault::at(&["formats"], message, "add it to `outputs`, or leave it out here"));
    }
    if keep == Some(0) {
        let message = "at least one version stays: the one that is published";
        faults.push(Fault::at(&["keep"], message, "leave it out to keep all"));
    }
    faults.extend(sign.map(ChecksumKeys::faults).unwrap_or_default());
    faults
}

/// Checks that a text can name an OpenPGP key: it is a fingerprint, or a key id of 16 digits. Anybody can make a key with a given
/// shorter id.
///
/// # Errors
///
/// A sentence that says how keys are named.
pub fn key_id(key: &str) -> Result<(), String> {
    let digits = key.strip_prefix("0x").unwrap_or(key);
    if [16, 40].contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err("a key is named by its fingerprint, 40 hexadecimal digits, or the last 16 of them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::publish::Target;

    #[test]
    fn what_contradicts_itself_is_told() {
        let outputs = [Output::new(Format::Qcow2)];
        for (target, places) in [
            (r#"{"directory":{"path":"/srv","keep":1,"formats":["qcow2"]}}"#, &[][..]),
            (r#"{"directory":{"path":"","keep":0,"formats":["tar"]}}"#, &["formats", "keep", "path"]),
            (r#"{"directory":{"path":"x","sign":{}}}"#, &["sign"]),
            (r#"{"directory":{"path":"x","sign":{"openpgp":"me@example.org"}}}"#, &["sign.openpgp"]),
            (r#"{"directory":{"path":"x","sign":{"openpgp":"0x0123456789ABCDEF"}}}"#, &[]),
            (r#"{"directory":{"path":"x","sign":{"password":{"env":"X"}}}}"#, &["sign", "sign.password"]),
            (r#"{"s3":{"bucket":"images","endpoint":"https://s3.example.org","prefix":"a/b"}}"#, &[]),
            (r#"{"s3":{"bucket":"a/b","endpoint":"s3.example.org","prefix":"/a"}}"#, &["bucket", "endpoint", "prefix"]),
            (r#"{"s3":{"bucket":"b","prefix":"a/../b"}}"#, &["prefix"]),
        ] {
            let told: Target = serde_json::from_str(target).expect("a target");
            let found: Vec<_> = told.faults(Some(&outputs)).into_iter().map(|fault| fault.path.join(".")).collect();
            assert_eq!(found, places, "{target}");
        }
    }

    #[test]
    fn paths_are_relative_to_the_recipe() {
        let target = r#"{"directory":{"path":"x","sign":{"minisign":"/key","password":{"file":"y"}}}}"#;
        let target: Target = serde_json::from_str(target).expect("a target");
        let Target::Directory(directory) = target.below(Path::new("/recipes")) else { panic!("another target") };
        assert_eq!(directory.path, Path::new("/recipes/x"));
        let sign = directory.sign.expect("keys");
        assert_eq!(sign.minisign.as_deref(), Some(Path::new("/key")));
        assert_eq!(sign.password, Some(SecretSource::File("/recipes/y".into())));
    }

    #[test]
    fn amazons_buckets_have_hosts_of_their_own() {
        let s3 = |text: &str| serde_json::from_str::<S3>(text).expect("a bucket");
        let amazon = s3(r#"{"bucket":"b","region":"eu-west-1"}"#);
        assert_eq!((amazon.endpoint().as_str(), amazon.path_style()), ("https://s3.eu-west-1.amazonaws.com", false));
        assert!(s3(r#"{"bucket":"b","endpoint":"https://s3.example.org"}"#).path_style());
    }
}
