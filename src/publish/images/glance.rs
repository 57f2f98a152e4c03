//! Carries out the operations of publishing at an image service: publish, roll back and clean up.

use serde_json::{Value, json};

use super::begin::{self, StartedImage};
use super::deliver::{self, Delivery, Offer};
use super::record::Record;
use super::release::Series;
use super::signature::Signing;
use super::{permission, preflight};
use crate::address;
use crate::event::Event;
use crate::openstack::config::{CloudConfig, Places};
use crate::openstack::image::Image;
use crate::openstack::{Change, Cloud, CloudError};
use crate::publish::context::{Context, Verb};
use crate::publish::error::PublishError;
use crate::publish::operation::Operation;
use crate::publish::problem::Problem;
use crate::recipe::delivery::Import as Way;
use crate::recipe::publish::Glance;

/// Runs an operation at the service.
pub(in crate::publish) fn run(
    verb: Verb,
    target: &Glance,
    context: &Context<'_>,
) -> Result<Vec<Operation>, PublishError> {
    match verb {
        Verb::Publish | Verb::DryRun => publish(verb, target, context),
        Verb::RollBack => Series::of(&connect(target, context)?, target, context.subject).roll_back(),
        Verb::CleanUp { older_than, dry_run } => {
            Series::of(&connect(target, context)?, target, context.subject).clean_up(older_than, dry_run)
        }
    }
}

fn connect(target: &Glance, context: &Context<'_>) -> Result<Cloud, PublishError> {
    let places = Places {
        cloud: target.cloud.clone().or_else(|| context.places.cloud.clone()),
        region: target.region.clone().or_else(|| context.places.region.clone()),
        ..context.places.clone()
    };
    let config = CloudConfig::find(&places)?;
    if let Some(message) = config.warning() {
        context.reporter.report(&Event::Warning { message });
    }
    Ok(Cloud::connect(config)?)
}

/// Uploads the image unless it is there, and promotes it. A dry run ends before the first change.
fn publish(verb: Verb, target: &Glance, context: &Context<'_>) -> Result<Vec<Operation>, PublishError> {
    let source = context.subject.source(target.format)?;
    let mut wanted = Record::of(&source, target)?;
    if target.promote.is_some() && !source.summary.verified.is_some_and(|verified| verified.passed) {
        return Err(PublishError::NotVerified);
    }
    let cloud = connect(target, context)?;
    let signing = target.sign.as_ref().map(|sign| Signing::of(sign, context)).transpose()?;
    let preflight::Found { problems, notes } = preflight::check(&cloud, &source, &wanted, target, signing.as_ref())?;
    for message in notes {
        context.reporter.report(&Event::Warning { message });
    }
    let mut problems = problems;
    if let Some(url) = target.url.as_deref().filter(|_| target.import == Way::WebDownload) {
        if let Err((message, help)) = address::for_the_service(url, cloud.image_service()) {
            problems.push(Problem { message: message.to_owned(), help: help.to_owned() });
        } else if address::is_private(url) {
            let message = format!("{}: the service needs a way into this private network", address::shown(url));
            context.reporter.report(&Event::Warning { message });
        }
    }
    let series = Series::of(&cloud, target, context.subject);
    if let Some(made) = source.summary.created.filter(|_| !context.allow_older)
        && let Some(newer) = series.newer(made)?
    {
        problems.push(Problem {
            message: format!("the image {} was built later, and this one would take its place", newer.id),
            help:
                "`goldsmith publish --rollback` goes back to the image before; `--allow-older` publishes this one all \
                   the same"
                    .to_owned(),
        });
    }
    let route = match deliver::route(target, &Offer::of(&cloud, target)?) {
        Ok(route) if problems.is_empty() => route,
        route => return Err(PublishError::Refused([problems, route.err().unwrap_or_default()].concat())),
    };
    if verb == Verb::DryRun {
        return series.dry_run(&begin::ids(&source, &wanted), &wanted.name, source.summary.created);
    }
    let signed = signing.map(|signing| signing.sign(&cloud, &source)).transpose()?;
    if let Some(signed) = &signed {
        wanted.properties.values.extend(signed.properties.clone());
    }
    let StartedImage { id, there, status, left } =
        begin::begin(&cloud, &source, &wanted, &route, &context.interrupt)
            .map_err(|error| permission::explain(&cloud, &source, &wanted, error))?;
    let delivery =
        Delivery { cloud: &cloud, source: &source, reporter: &context.reporter, interrupt: &context.interrupt };
    // The record of an earlier run has the metadata that was wanted then.
    if let Some(record) = left {
        bring_up_to_date(&cloud, record, &wanted, target).map_err(|error| begin::undone(&cloud, &id, error.into()))?;
    }
    let (image, before) = match there {
        Some(image) => (image, true),
        None => match delivery.deliver(&id, &status, &route) {
            Ok(image) => (image, false),
            Err(error) => (begin::of_others(&cloud, &id, error)?, true),
        },
    };
    // Each signature differs, even of the same data: the one at the service stays if it is valid.
    if let Some(signed) = signed.filter(|signed| before && signed.is_of(&image)) {
        wanted.properties.values.retain(|name, _| !signed.properties.contains_key(name));
    }
    let (image, updated) = match (before, route.replaces_properties()) {
        (true, _) => bring_up_to_date(&cloud, image, &wanted, target)?,
        (false, true) => match bring_up_to_date(&cloud, image, &wanted, target) {
            Ok((image, _)) => (image, None),
            Err(error) => return Err(begin::undone(&cloud, &id, error.into())),
        },
        (false, false) => (image, None),
    };
    let (place, name, shown) = (id.clone(), wanted.name.clone(), Some(Box::new(image.clone())));
    let mut operations = vec![match before {
        true => Operation::AlreadyThere { place, name, image: shown },
        false => Operation::Published { place, name, image: shown },
    }];
    operations.extend(route.because.filter(|_| !before).map(|how| Operation::Delivered { how }));
    operations.extend(updated);
    if let Some(message) = not_shown(&image, &wanted) {
        context.reporter.report(&Event::Warning { message });
    }
    match series.promote(&image, &wanted.name) {
        Ok(done) => {
            // Promotion has changed the image that is reported.
            if let (
                false,
                Some(Operation::Published { image: told, .. } | Operation::AlreadyThere { image: told, .. }),
            ) = (done.is_empty(), operations.first_mut())
            {
                *told = cloud.image_by_id(&id)?.map(Box::new);
            }
            operations.extend(done);
        }
        Err(error) => {
            // A failed run removes what it has uploaded.
            if !before && let Err(gone) = begin::remove(&cloud, &id) {
                let message = format!("the image that was not promoted stays: {gone}; `goldsmith images delete {id}`");
                context.reporter.report(&Event::Warning { message });
            }
            return Err(error);
        }
    }
    // The image is published: what this run does not remove, the next run does.
    match series.rotate(&image) {
        Ok(done) => operations.extend(done),
        Err(error) => {
            let message = format!("older images are not removed: {error}");
            context.reporter.report(&Event::Warning { message });
        }
    }
    Ok(operations)
}

/// Changes the metadata of an image that is there. Additions of others stay.
fn bring_up_to_date(
    cloud: &Cloud,
    image: Image,
    wanted: &Record,
    target: &Glance,
) -> Result<(Image, Option<Operation>), CloudError> {
    let known = image.fields();
    let mut attributes = wanted.attributes();
    // Promotion decides on these.
    if target.promote.is_none() {
        attributes.push(("visibility".to_owned(), json!(wanted.visibility.name())));
        attributes.push(("os_hidden".to_owned(), json!(wanted.hidden)));
    }
    let mut tags = image.tags.clone();
    tags.extend(wanted.tags.iter().filter(|tag| !image.tags.contains(tag)).cloned());
    if tags != image.tags {
        attributes.push(("tags".to_owned(), json!(tags)));
    }
    let changed: Vec<_> = attributes.into_iter().filter(|(name, value)| known.get(name) != Some(value)).collect();
    if changed.is_empty() {
        return Ok((image, None));
    }
    let changes: Vec<_> = changed.iter().cloned().map(|(name, value)| Change::Set(name, value)).collect();
    let image = cloud.change(&image, &changes)?;
    let known = image.fields();
    // Only changes that the service shows are reported.
    let names: Vec<_> = changed.into_iter().map(|(name, _)| name).filter(|name| known.get(name).is_some()).collect();
    Ok((image, (!names.is_empty()).then_some(Operation::Updated { attributes: names })))
}

/// Warns of properties that the service does not show. Glance drops those that a user may set but not read.
fn not_shown(image: &Image, wanted: &Record) -> Option<String> {
    let shown = |name: &str, value: &str| image.properties.get(name).and_then(Value::as_str) == Some(value);
    let wanted = wanted.properties.values.iter().filter(|(name, value)| !shown(name, value));
    let names: Vec<_> = wanted.map(|(name, _)| name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "the cloud does not show these properties to this user, and may not have set them: {}",
            names.join(", ")
        )
    })
}
