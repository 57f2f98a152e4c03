//! Commands that change images of a cloud, such as `goldsmith images set`, `tag` and `delete`.

use serde_json::{Value, json};

use super::args::{Delete, Set, Switch};
use super::image::find;
use crate::cli::cloud::failure;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::{print, would_remove};
use crate::cli::parse::once;
use crate::openstack::image::Image;
use crate::openstack::{Change, Cloud, CloudError, Member};
use crate::recipe::publish::{ATTRIBUTES, RESERVED, property};

/// Runs `goldsmith images set`. Returns the changed image. A dry run only prints the properties that it would remove.
pub(super) fn set(args: &Set, cloud: &Cloud) -> Result<Option<Image>, Failure> {
    once("property", &args.property)?;
    for (name, value) in &args.property {
        property(name).map_err(|error| Failure::new(FailureKind::Usage, &error))?;
        if value.is_empty() {
            let failure = Failure::of(FailureKind::Usage, format!("the property `{name}` has no value"));
            return Err(failure.hint(format!("--remove {name} removes it")));
        }
    }
    let image = find(cloud, &args.image)?;
    let changes = changes(args, &image);
    if changes.is_empty() {
        return Err(Failure::of(FailureKind::Usage, "no option names a change")
            .hint("name one, such as `--property NAME=VALUE`"));
    }
    if args.dry_run {
        for change in &changes {
            if let Change::Remove(name) = change {
                let value = image.properties.get(name).and_then(Value::as_str);
                let value = value.map_or("it is not set".to_owned(), |value| {
                    format!("its value is {}", crate::text::printable(value.as_bytes()))
                });
                would_remove(&format!("the property {name} of {}", image.id), &value);
            }
        }
        return Ok(None);
    }
    cloud.change(&image, &changes).map(Some).map_err(|error| failure(&error))
}

fn changes(args: &Set, image: &Image) -> Vec<Change> {
    let attributes = [
        ("name", args.name.clone().map(Value::from)),
        ("visibility", args.visibility.clone().map(Value::from)),
        ("min_disk", args.min_disk.map(Value::from)),
        ("min_ram", args.min_ram.map(Value::from)),
    ];
    let attributes = attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let properties = args.property.iter().map(|(name, value)| (name.clone(), json!(value)));
    let mut changes: Vec<_> = attributes.chain(properties).map(|(name, value)| Change::Set(name, value)).collect();
    // The properties include attributes that the service sets itself.
    let purged = image.properties.keys().filter(|name| {
        let given = args.property.iter().any(|(given, _)| given == *name);
        args.purge && !given && !ATTRIBUTES.contains(&name.as_str()) && !name.starts_with(RESERVED)
    });
    changes.extend(args.remove.iter().chain(purged).map(|name| Change::Remove(name.clone())));
    changes
}

/// Runs `goldsmith images protect` and `hide`.
pub(super) fn switch(args: &Switch, attribute: &str, cloud: &Cloud) -> Result<Image, Failure> {
    let image = find(cloud, &args.image)?;
    let change = Change::Set(attribute.to_owned(), json!(!args.off));
    cloud.change(&image, &[change]).map_err(|error| failure(&error))
}

/// Runs `goldsmith images tag`. To add a tag that is there, or to remove one that is not, is no failure.
pub(super) fn tag(image: &str, tags: &[String], remove: bool, cloud: &Cloud) -> Result<Image, Failure> {
    let found = find(cloud, image)?;
    for tag in tags {
        let done = if remove { cloud.untag(&found, tag) } else { cloud.tag(&found, tag) };
        match done {
            Err(CloudError::Refused { status: 404, .. }) if remove => {}
            done => done.map_err(|error| failure(&error))?,
        }
    }
    find(cloud, &found.id)
}

/// Runs `goldsmith images deactivate` and `reactivate`.
pub(super) fn activate(image: &str, active: bool, cloud: &Cloud) -> Result<Image, Failure> {
    let found = find(cloud, image)?;
    cloud.activate(&found, active).map_err(|error| failure(&error))?;
    find(cloud, &found.id)
}

/// Runs `goldsmith images share`. Returns the projects with which the image is shared after that.
pub(super) fn share(image: &str, project: &str, stop: bool, cloud: &Cloud) -> Result<Vec<Member>, Failure> {
    let mut image = find(cloud, image)?;
    if stop {
        cloud.unshare(&image, project).map_err(|error| failure(&error))?;
    } else {
        // A private image cannot be shared.
        if image.visibility == "private" {
            let change = Change::Set("visibility".to_owned(), json!("shared"));
            image = cloud.change(&image, &[change]).map_err(|error| failure(&error))?;
        }
        match cloud.share(&image, project) {
            Ok(_) | Err(CloudError::Refused { status: 409, .. }) => {}
            Err(error) => return Err(failure(&error)),
        }
    }
    cloud.members(&image).map_err(|error| failure(&error))
}

/// Runs `goldsmith images accept`, in the project with which an image is shared.
pub(super) fn accept(image: &str, reject: bool, cloud: &Cloud) -> Result<(), Failure> {
    let project = cloud.project().ok_or_else(|| Failure::of(FailureKind::Usage, "the login is for no project"))?;
    let status = if reject { "rejected" } else { "accepted" };
    // Lists show the image only after it is accepted; until then only its id finds it.
    cloud.answer(image, project, status).map_err(|error| failure(&error))?;
    print(&format!("{image} is {status}\n"));
    Ok(())
}

/// Runs `goldsmith images delete`. A dry run only prints what it would delete.
pub(super) fn delete(wanted: &Delete, cloud: &Cloud) -> Result<(), Failure> {
    let Delete { images: names, store, promoted, dry_run, .. } = wanted;
    let (store, dry_run) = (store.as_deref(), *dry_run);
    if *promoted {
        return Err(Failure::of(FailureKind::Usage, "--promoted is for images of a directory or a bucket")
            .hint("a cloud protects images from being deleted: `goldsmith images protect`"));
    }
    let images = names.iter().map(|name| find(cloud, name)).collect::<Result<Vec<_>, _>>()?;
    if let Some(store) = store {
        for image in images {
            if dry_run {
                would_remove(&image.id, &format!("its data in {store}"));
                continue;
            }
            cloud.delete_from_store(&image, store).map_err(|error| failure(&error))?;
            print(&format!("{} is deleted from {store}\n", image.id));
        }
        return Ok(());
    }
    if let Some(image) = images.iter().find(|image| image.protected) {
        let failure = Failure::of(FailureKind::Usage, format!("{} is protected", image.id));
        return Err(failure.hint(format!("`goldsmith images protect --off {}` lets it be deleted", image.id)));
    }
    for image in images {
        if dry_run {
            let name = crate::text::printable(image.name.as_deref().unwrap_or("not set").as_bytes());
            would_remove(&image.id, &format!("its name is {name}"));
            continue;
        }
        cloud.delete_image(&image.id).map_err(|error| failure(&error))?;
        print(&format!("{} is deleted\n", image.id));
    }
    Ok(())
}
