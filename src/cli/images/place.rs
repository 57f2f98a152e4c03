//! The directory or bucket whose images `goldsmith images` manages, where it is not a cloud.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::render;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::network;
use crate::cli::options::located;
use crate::cli::progress::TerminalReporter;
use crate::cli::publish::{self, Environment};
use crate::cli::settings::Global;
use crate::cli::signals;
use crate::event::Reporter;
use crate::publish::Keys as _;
use crate::publish::trees::sign::Signer;
use crate::publish::trees::{ManageError, Tree};
use crate::remote::Location;

/// Where images are, if not in a cloud.
#[derive(Debug, Default, Args)]
pub(super) struct PlaceOptions {
    /// Manage the images in this directory, to which `goldsmith publish` has published, instead of those of a cloud
    #[arg(long, global = true, value_name = "PATH", conflicts_with_all = ["s3", "os_cloud", "os_region"])]
    directory: Option<PathBuf>,
    /// Manage the images in this bucket, to which `goldsmith publish` has published, instead of those of a cloud:
    /// s3://BUCKET/PREFIX?endpoint=URL
    #[arg(long, global = true, value_name = "URL", conflicts_with_all = ["os_cloud", "os_region"])]
    s3: Option<String>,
}

impl PlaceOptions {
    /// Opens the directory or bucket, if the options name one. `key` signs a changed index.
    pub(super) fn open(&self, key: Option<&str>, global: &Global) -> Result<Option<Tree>, Failure> {
        let interrupt = signals::interrupt()?;
        let reporter: Arc<dyn Reporter> = Arc::new(TerminalReporter::on_stderr(global.terminal));
        let tree = match (&self.directory, &self.s3) {
            (Some(path), _) => Tree::directory(path, reporter, interrupt),
            (None, Some(address)) => {
                let Location::Bucket(mut place, profile) = located(address)? else {
                    return Err(Failure::of(FailureKind::Usage, format!("--s3 {address} names no bucket"))
                        .hint("write s3://BUCKET/PREFIX?endpoint=https://HOST; --directory names a directory"));
                };
                place.proxies = network::proxies();
                let credentials = Environment.s3(profile.as_deref()).map_err(|reason| {
                    Failure::of(FailureKind::Usage, format!("there are no keys for {}: {reason}", place.bucket))
                        .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile: `?profile=NAME`")
                })?;
                Tree::bucket(*place, credentials, reporter, interrupt)
            }
            (None, None) if key.is_some() => {
                return Err(Failure::of(FailureKind::Usage, "--sign-openpgp signs the index of a directory or bucket")
                    .hint("name the place by --directory or --s3; a cloud has no index"));
            }
            (None, None) => return Ok(None),
        };
        let tree = tree.map_err(|error| failure(&error))?;
        let Some(key) = key else { return Ok(Some(tree)) };
        let signer = Signer::openpgp(key, None, &Environment.scratch());
        let signer = signer.map_err(|error| publish::of_tree(&error.into()))?;
        Ok(Some(tree.signed(signer)))
    }
}

/// Converts errors of managing the images of a directory or bucket.
pub(super) fn failure(error: &ManageError) -> Failure {
    let usage = || Failure::new(FailureKind::Usage, error);
    match error {
        ManageError::Tree(error) => publish::of_tree(error),
        ManageError::NoDirectory(path) => match path.symlink_metadata() {
            Ok(_) => usage().hint("it is there, and is no directory"),
            Err(_) => usage().hint("name the directory to which `goldsmith publish --directory DIR` has published"),
        },
        ManageError::None { .. } => {
            usage().hint("`goldsmith images list` with the same place shows all; the folder of a version is its id")
        }
        ManageError::Several { versions, .. } => {
            let mut failure = usage().hint("name the one you mean by its id");
            failure.causes.extend(versions.iter().map(render::tree_candidate));
            failure
        }
        ManageError::Promoted(_) => usage().hint(
            "promote another version first: `goldsmith images promote`; `--promoted` deletes it all the same, and then nothing is promoted",
        ),
        ManageError::RolledBack(_) => {
            usage().hint("somebody withdrew it by `--rollback`; `--allow-rolled-back` promotes it all the same")
        }
        ManageError::NotVerified(_) => usage().hint(
            "write `verify: {}` in the recipe, build and publish it; `--allow-unverified` promotes this one all the same",
        ),
        ManageError::Older { .. } => usage().hint("`--allow-older` promotes the older one all the same"),
    }
}

/// Returns the failure of a command that is only for images of a cloud.
pub(super) fn only_cloud(what: &str) -> Failure {
    Failure::of(FailureKind::Usage, format!("{what} is only for images of a cloud"))
        .hint("directories and buckets have `list`, `promote` and `delete`; leave out --directory and --s3 for a cloud")
}
