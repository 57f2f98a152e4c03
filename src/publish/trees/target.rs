//! Carries out the operations of publishing at a tree of files, as the keys of a recipe's target say.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::directory::Directory;
use super::error::TreeError;
use super::image_version::{ImageVersion, ROLLED_BACK};
use super::publication::{self, TreeOptions};
use super::rollback::{self, RollbackResult};
use super::s3::Store;
use super::sign::Signer;
use super::storage::Storage;
use crate::bucket::Place;
use crate::image::Format;
use crate::publish::context::{Context, Keys, Verb};
use crate::publish::error::PublishError;
use crate::publish::operation::Operation;
use crate::publish::subject::SourceError;
use crate::recipe::publish::{self as recipe, ChecksumKeys};

/// The options that directories and buckets have in common.
struct Terms<'a> {
    formats: &'a [Format],
    keep: Option<u32>,
    sign: Option<&'a ChecksumKeys>,
}

pub(in crate::publish) fn directory(
    verb: Verb,
    target: &recipe::Directory,
    context: &Context<'_>,
) -> Result<Vec<Operation>, PublishError> {
    let terms = Terms { formats: &target.formats, keep: target.keep, sign: target.sign.as_ref() };
    run(verb, &Directory::new(&target.path), &terms, context)
}

pub(in crate::publish) fn s3_bucket(
    verb: Verb,
    target: &recipe::S3,
    context: &Context<'_>,
) -> Result<Vec<Operation>, PublishError> {
    let terms = Terms { formats: &target.formats, keep: target.keep, sign: target.sign.as_ref() };
    let place = Place {
        endpoint: target.endpoint(),
        bucket: target.bucket.clone(),
        prefix: target.prefix.clone(),
        region: target.region.clone(),
        path_style: target.path_style(),
        acl: target.acl.clone(),
        proxies: context.places.proxies.clone(),
    };
    let credentials = context.keys.s3(target.profile.as_deref());
    let credentials =
        credentials.map_err(|reason| PublishError::Key { what: "the object store".to_owned(), reason })?;
    run(verb, &Store::new(place, credentials).map_err(TreeError::from)?, &terms, context)
}

fn run(
    verb: Verb,
    storage: &dyn Storage,
    terms: &Terms<'_>,
    context: &Context<'_>,
) -> Result<Vec<Operation>, PublishError> {
    let Context { subject, reporter, interrupt, .. } = context;
    let image = subject.name.as_str();
    let at = |folder: &str| format!("{}/{image}/{folder}", storage.place());
    match verb {
        Verb::Publish | Verb::DryRun => {
            // A missing key is reported before anything is copied.
            let signers = signers(terms.sign, context.keys)?;
            let image_version = ImageVersion::read(&subject.dir, terms.formats).map_err(TreeError::from)?;
            if image_version.image != image {
                let (dir, found, wanted): (PathBuf, _, _) =
                    (subject.dir.clone(), image_version.image, image.to_owned());
                return Err(SourceError::Other { dir, found, wanted }.into());
            }
            let keep = terms.keep.and_then(|keep| NonZeroUsize::new(usize::try_from(keep).unwrap_or(usize::MAX)));
            let options = TreeOptions { keep, allow_older: context.allow_older, signers };
            let dry_run = verb == Verb::DryRun;
            let placed = match dry_run {
                true => publication::dry_run(storage, &image_version, &options)?,
                false => publication::publish(storage, &image_version, &options, reporter, interrupt)?,
            };
            let (place, name) = (at(&image_version.version), image.to_owned());
            let mut operations = vec![match (placed.before, dry_run) {
                (true, _) => Operation::AlreadyThere { place: place.clone(), name, image: None },
                (false, true) => Operation::WouldPublish { place: place.clone() },
                (false, false) => Operation::Published { place: place.clone(), name, image: None },
            }];
            if placed.promoted && !dry_run {
                operations.push(Operation::Promoted { place });
            } else if placed.rolled_back {
                let list = at(ROLLED_BACK);
                let reason = format!("it was rolled back; without its line in {list} it is promoted again");
                operations.push(Operation::Left { place, reason });
            }
            operations.extend(placed.removed.iter().map(|version| {
                let (place, reason) = (at(version), format!("{} are kept", terms.keep.unwrap_or_default()));
                if dry_run { Operation::WouldRemove { place, reason } } else { Operation::Removed { place, reason } }
            }));
            Ok(operations)
        }
        Verb::RollBack => {
            let signers = signers(terms.sign, context.keys)?;
            match rollback::roll_back(storage, image, &signers, reporter, interrupt)? {
                None => Err(PublishError::NothingPromoted(image.to_owned())),
                Some(RollbackResult { from, to: None }) => {
                    Err(PublishError::NothingBefore { name: image.to_owned(), promoted: at(&from) })
                }
                Some(RollbackResult { from, to: Some(to) }) => {
                    Ok(vec![Operation::Promoted { place: at(&to) }, Operation::Retired { place: at(&from) }])
                }
            }
        }
        Verb::CleanUp { older_than, dry_run } => {
            let removed = rollback::clean_up(storage, image, older_than, dry_run, interrupt)?;
            let reason = "a run that did not end has left it".to_owned();
            let operation = |place| match dry_run {
                true => Operation::WouldRemove { place, reason: reason.clone() },
                false => Operation::Removed { place, reason: reason.clone() },
            };
            Ok(removed.into_iter().map(operation).collect())
        }
    }
}

fn signers(sign: Option<&ChecksumKeys>, keys: &dyn Keys) -> Result<Vec<Signer>, PublishError> {
    let Some(ChecksumKeys { openpgp, minisign, password }) = sign else { return Ok(Vec::new()) };
    let mut signers = Vec::new();
    if let Some(key) = openpgp {
        signers.push(Signer::openpgp(key, None, &keys.scratch()).map_err(TreeError::from)?);
    }
    if let Some(file) = minisign {
        let no_password = |reason| PublishError::Key { what: file.display().to_string(), reason };
        let password = password.as_ref().map(|source| keys.secret(source)).transpose().map_err(no_password)?;
        signers.push(Signer::minisign(file, password).map_err(TreeError::from)?);
    }
    Ok(signers)
}
