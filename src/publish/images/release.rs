//! The sequence of a recipe's images at a service: promotion, retirement, removal and rollback.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::begin::remove;
use super::record::{BUILT, IMAGE};
use crate::openstack::image::{Image, ImageQuery};
use crate::openstack::{Change, Cloud, CloudError};
use crate::publish::error::PublishError;
use crate::publish::operation::Operation;
use crate::publish::subject::Subject;
use crate::recipe::publish::{Glance, Retire};

/// Property with the former name of an image that was renamed when it was retired.
const NAME: &str = "goldsmith_name";

/// Property of an image that was rolled back. Publishing the same build again does not promote it.
const ROLLED_BACK: &str = "goldsmith_rolled_back";

/// States of incomplete images. Unless another program is at work on one, it never becomes complete.
const UNFINISHED: [&str; 5] = ["queued", "saving", "uploading", "importing", "killed"];

/// The images of one recipe and one format in one project.
pub(super) struct Series<'a> {
    cloud: &'a Cloud,
    target: &'a Glance,
    name: &'a str,
    disk_format: Option<&'static str>,
}

/// Returns when the disk of an image was made, if the image says so.
fn built(image: &Image) -> Option<Timestamp> {
    image.properties.get(BUILT).and_then(Value::as_str)?.parse().ok()
}

/// Returns whether an image was built later than `made`, and was not rolled back.
fn is_newer(image: &Image, made: Timestamp) -> bool {
    built(image).is_some_and(|other| other > made) && !image.properties.contains_key(ROLLED_BACK)
}

/// A change at the service that can be undone.
enum Step<'a> {
    Changed { image: &'a Image, back: Vec<Change> },
    Tagged { image: &'a Image, tag: &'a str },
    Untagged { image: &'a Image, tag: &'a str },
}

impl<'a> Series<'a> {
    pub(super) fn of(cloud: &'a Cloud, target: &'a Glance, subject: &'a Subject) -> Self {
        Self { cloud, target, name: &subject.name, disk_format: subject.disk_format(target.format) }
    }

    /// Returns all images of the series, newest first.
    fn images(&self) -> Result<Vec<Image>, CloudError> {
        let mut filters = vec![(IMAGE.to_owned(), self.name.to_owned())];
        filters.extend(self.cloud.project().map(|project| ("owner".to_owned(), project.to_owned())));
        let mut images = Vec::new();
        // Glance lists either hidden images or the others.
        for hidden in ["false", "true"] {
            let filters = [&filters[..], &[("os_hidden".to_owned(), hidden.to_owned())]].concat();
            images.extend(self.cloud.images(&ImageQuery { filters, ..ImageQuery::default() })?);
        }
        images.retain(|image| {
            let named = image.properties.get(IMAGE).and_then(Value::as_str) == Some(self.name);
            named && self.disk_format.is_none_or(|format| image.disk_format.as_deref() == Some(format))
        });
        images.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
        Ok(images)
    }

    /// Returns an image that was built later than `made` and would lose its place: the promoted one, or, if the target promotes
    /// nothing, one that `keep` would remove.
    pub(super) fn newer(&self, made: Timestamp) -> Result<Option<Image>, CloudError> {
        let concerned = |image: &Image| match &self.target.promote {
            Some(promote) => image.tags.contains(&promote.tag),
            None => self.target.keep.is_some() && image.status == "active",
        };
        Ok(self.images()?.into_iter().find(|image| concerned(image) && is_newer(image, made)))
    }

    /// Promotes an image in place of the promoted ones, if the target promotes and the image was not rolled back.
    pub(super) fn promote(&self, image: &Image, name: &str) -> Result<Vec<Operation>, PublishError> {
        let Some(promote) = &self.target.promote else { return Ok(Vec::new()) };
        if image.properties.contains_key(ROLLED_BACK) {
            let place = image.id.clone();
            let reason = format!(
                "it was rolled back; `goldsmith images set {place} --remove {ROLLED_BACK}` lets it be promoted again"
            );
            return Ok(vec![Operation::Left { place, reason }]);
        }
        let others = self.images()?;
        let before: Vec<_> =
            others.iter().filter(|other| other.id != image.id && other.tags.contains(&promote.tag)).collect();
        let mut steps = Vec::new();
        match self.exchange(image, name, &before, &mut steps) {
            Ok(operations) => Ok(operations),
            Err(source) => {
                let id = image.id.clone();
                let left: Vec<_> = steps.iter().rev().filter_map(|step| self.undo(step).err()).collect();
                match left.first() {
                    None => Err(PublishError::Promote { id, source }),
                    Some(error) => Err(PublishError::HalfPromoted { id, left: error.to_string(), source }),
                }
            }
        }
    }

    /// Promotes the new image before it retires the old ones, so that one is promoted at any time.
    fn exchange<'i>(
        &'i self,
        image: &'i Image,
        name: &str,
        before: &[&'i Image],
        steps: &mut Vec<Step<'i>>,
    ) -> Result<Vec<Operation>, CloudError> {
        let Some(promote) = &self.target.promote else { return Ok(Vec::new()) };
        let mut operations = Vec::new();
        let visibility = promote.visibility.unwrap_or(self.target.visibility);
        let mut wanted =
            vec![("os_hidden", json!(false)), ("visibility", json!(visibility.name())), ("name", json!(name))];
        if image.properties.contains_key(NAME) {
            wanted.push((NAME, Value::Null));
        }
        let mut done = self.set(image, &wanted, steps)?;
        if !image.tags.contains(&promote.tag) {
            self.cloud.tag(image, &promote.tag)?;
            steps.push(Step::Tagged { image, tag: &promote.tag });
            done = true;
        }
        if done {
            operations.push(Operation::Promoted { place: image.id.clone() });
        }
        for old in before {
            let wanted = match promote.retire {
                Retire::Hide => vec![("os_hidden", json!(true))],
                Retire::Withdraw => {
                    vec![("os_hidden", json!(true)), ("visibility", json!(self.target.visibility.name()))]
                }
                Retire::Rename => {
                    let [name, made] = [&old.name, &old.created_at].map(|text| text.clone().unwrap_or_default());
                    vec![("name", json!(format!("{name} ({made})"))), (NAME, json!(name))]
                }
                Retire::Keep => Vec::new(),
            };
            self.set(old, &wanted, steps)?;
            self.cloud.untag(old, &promote.tag)?;
            steps.push(Step::Untagged { image: old, tag: &promote.tag });
            operations.push(Operation::Retired { place: old.id.clone() });
        }
        Ok(operations)
    }

    /// Sets the attributes that differ; `null` removes a property. Returns whether any differed.
    fn set<'i>(
        &self,
        image: &'i Image,
        wanted: &[(&str, Value)],
        steps: &mut Vec<Step<'i>>,
    ) -> Result<bool, CloudError> {
        let known = image.fields();
        let change = |name: &str, value: &Value| match value {
            Value::Null => Change::Remove(name.to_owned()),
            value => Change::Set(name.to_owned(), value.clone()),
        };
        let differing: Vec<_> = wanted.iter().filter(|(name, value)| known.get(*name) != Some(value)).collect();
        if differing.is_empty() {
            return Ok(false);
        }
        let changes: Vec<_> = differing.iter().map(|(name, value)| change(name, value)).collect();
        self.cloud.change(image, &changes)?;
        let back = differing.iter().map(|(name, _)| change(name, known.get(*name).unwrap_or(&Value::Null)));
        steps.push(Step::Changed { image, back: back.collect() });
        Ok(true)
    }

    fn undo(&self, step: &Step<'_>) -> Result<(), CloudError> {
        match step {
            Step::Changed { image, back } => self.cloud.change(image, back).map(drop),
            Step::Tagged { image, tag } => self.cloud.untag(image, tag),
            Step::Untagged { image, tag } => self.cloud.tag(image, tag),
        }
    }

    /// Removes the oldest images above the number to keep. The published image, the promoted one and those built later stay.
    pub(super) fn rotate(&self, published: &Image) -> Result<Vec<Operation>, PublishError> {
        let tag = self.target.promote.as_ref().map(|promote| &promote.tag);
        let stays = |image: &Image| image.id == published.id || tag.is_some_and(|tag| image.tags.contains(tag));
        let many = self.surplus(self.images()?, 0, built(published), stays);
        many.iter().map(|image| self.discard(image, &self.many(), false)).collect()
    }

    /// Returns the images that [`Self::rotate`] would remove after an image is published, whose id would be one of `ids`.
    pub(super) fn dry_run(
        &self,
        ids: &[String],
        name: &str,
        made: Option<Timestamp>,
    ) -> Result<Vec<Operation>, PublishError> {
        let images = self.images()?;
        let there = images.iter().find(|image| image.status == "active" && ids.contains(&image.id)).cloned();
        let tag = self.target.promote.as_ref().map(|promote| &promote.tag);
        // Promoting the image retires all others.
        let promoted = there.as_ref().is_none_or(|image| !image.properties.contains_key(ROLLED_BACK));
        let stays = |image: &Image| {
            there.as_ref().is_some_and(|there| there.id == image.id)
                || tag.is_some_and(|tag| !promoted && image.tags.contains(tag))
        };
        let many = self.surplus(images, usize::from(there.is_none()), made, stays);
        let mut operations = vec![match &there {
            Some(image) => Operation::AlreadyThere { place: image.id.clone(), name: name.to_owned(), image: None },
            None => Operation::WouldPublish { place: name.to_owned() },
        }];
        for image in many {
            operations.push(self.discard(&image, &self.many(), true)?);
        }
        Ok(operations)
    }

    /// Returns the reason for removing an image because there are too many.
    fn many(&self) -> String {
        format!("{} are kept", self.target.keep.unwrap_or_default())
    }

    /// Returns the oldest complete images above the number to keep, less those that stay in any case and those built later than
    /// `made`. `more` images are still to come.
    fn surplus(
        &self,
        mut images: Vec<Image>,
        more: usize,
        made: Option<Timestamp>,
        stays: impl Fn(&Image) -> bool,
    ) -> Vec<Image> {
        let Some(keep) = self.target.keep else { return Vec::new() };
        images.retain(|image| !UNFINISHED.contains(&image.status.as_str()));
        images.sort_by_key(|image| !stays(image));
        let newer = |image: &Image| made.is_some_and(|made| is_newer(image, made));
        let many = images.into_iter().skip((keep as usize).saturating_sub(more));
        many.filter(|image| !stays(image) && !newer(image)).collect()
    }

    /// Removes an image. It stays if it is in use or if somebody else has protected it. A dry run only reports it.
    fn discard(&self, image: &Image, reason: &str, dry_run: bool) -> Result<Operation, PublishError> {
        let place = image.id.clone();
        // The protection of the recipe does not hold against the recipe itself.
        if image.protected && !self.target.protected {
            return Ok(Operation::Left { place, reason: "somebody has protected it".to_owned() });
        }
        if dry_run {
            return Ok(Operation::WouldRemove { place, reason: reason.to_owned() });
        }
        match remove(self.cloud, &image.id) {
            Ok(()) => Ok(Operation::Removed { place, reason: reason.to_owned() }),
            Err(CloudError::Refused { status: 403 | 409, message, .. }) => {
                Ok(Operation::Left { place, reason: message })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Promotes the image before the promoted one again.
    pub(super) fn roll_back(&self) -> Result<Vec<Operation>, PublishError> {
        let promote = self.target.promote.as_ref().ok_or(PublishError::PromotesNothing)?;
        let images = self.images()?;
        let nothing = || PublishError::NothingPromoted(self.name.to_owned());
        let present = images.iter().position(|image| image.tags.contains(&promote.tag)).ok_or_else(nothing)?;
        let good = |image: &&Image| image.status == "active" && !image.properties.contains_key(ROLLED_BACK);
        let before = images[present + 1..].iter().find(good);
        let before = before.ok_or_else(|| PublishError::NothingBefore {
            name: self.name.to_owned(),
            promoted: images[present].id.clone(),
        })?;
        let renamed = before.properties.get(NAME).and_then(Value::as_str);
        let name = renamed.or(before.name.as_deref()).unwrap_or(self.name);
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let marked = self.cloud.change(&images[present], &[Change::Set(ROLLED_BACK.to_owned(), json!(now))])?;
        self.promote(before, name).map_err(|error| {
            match (self.cloud.change(&marked, &[Change::Remove(ROLLED_BACK.to_owned())]), error) {
                (Err(left), PublishError::Promote { id, source }) => {
                    PublishError::HalfPromoted { id, left: left.to_string(), source }
                }
                (_, error) => error,
            }
        })
    }

    /// Removes incomplete images of interrupted runs that nobody has changed for `age`. A dry run only reports them.
    pub(super) fn clean_up(&self, age: Duration, dry_run: bool) -> Result<Vec<Operation>, PublishError> {
        let mut images = self.images()?;
        images.retain(|image| UNFINISHED.contains(&image.status.as_str()));
        let now = Timestamp::now();
        let cleaned = images.iter().map(|image| {
            let touched = image.updated_at.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
            let old = touched.is_some_and(|touched| now.duration_since(touched).unsigned_abs() >= age);
            if old {
                return self.discard(image, &format!("it was left `{}`", image.status), dry_run);
            }
            let reason = format!("it is `{}`, and somebody may be at work on it", image.status);
            Ok(Operation::Left { place: image.id.clone(), reason })
        });
        cleaned.collect()
    }
}
