//! Runs `goldsmith images`: calls the function of each of its subcommands.

use serde_json::json;

use super::args::{CacheVerb, Images, ImagesVerb, List};
use super::image::find;
use super::{change, download, import, render, tree};
use crate::cli::cloud::{connect, failure};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::{print, would_remove};
use crate::cli::parse::once;
use crate::cli::settings::Global;
use crate::openstack::image::{Image, ImageQuery};
use crate::openstack::{Cloud, CloudError, Member};

/// Runs `goldsmith images`.
pub(in crate::cli) fn images(args: &Images, global: &Global) -> Result<(), Failure> {
    let key = match &args.command {
        ImagesVerb::Promote(wanted) => wanted.sign_openpgp.as_deref(),
        ImagesVerb::Delete(wanted) => wanted.sign_openpgp.as_deref(),
        _ => None,
    };
    if let Some(tree) = args.place.open(key, global)? {
        return tree::images(&args.command, &tree, global);
    }
    if let ImagesVerb::Promote(_) = &args.command {
        return Err(Failure::of(FailureKind::Usage, "this command promotes images of a directory or a bucket")
            .hint("name the place by --directory or --s3; in a cloud, `goldsmith publish --promote` does it"));
    }
    let cloud = connect(&args.cloud, global)?;
    match &args.command {
        ImagesVerb::List(wanted) => list(wanted, &cloud, global),
        ImagesVerb::Show { image } => show(&find(&cloud, image)?, global),
        ImagesVerb::Set(set) => match change::set(set, &cloud)? {
            Some(image) => show(&image, global),
            None => Ok(()),
        },
        ImagesVerb::Tag { image, tags, remove } => show(&change::tag(image, tags, *remove, &cloud)?, global),
        ImagesVerb::Protect(switch) => show(&change::switch(switch, "protected", &cloud)?, global),
        ImagesVerb::Hide(switch) => show(&change::switch(switch, "os_hidden", &cloud)?, global),
        ImagesVerb::Deactivate { image } => show(&change::activate(image, false, &cloud)?, global),
        ImagesVerb::Reactivate { image } => show(&change::activate(image, true, &cloud)?, global),
        ImagesVerb::Share { image, project, stop } => {
            members(&change::share(image, project, *stop, &cloud)?, global);
            Ok(())
        }
        ImagesVerb::Accept { image, reject } => change::accept(image, *reject, &cloud),
        ImagesVerb::Members { image } => {
            let found = cloud.members(&find(&cloud, image)?).map_err(|error| failure(&error))?;
            members(&found, global);
            Ok(())
        }
        ImagesVerb::Download(wanted) => download::download(wanted, &find(&cloud, &wanted.image)?, &cloud, global),
        // Refused above.
        ImagesVerb::Promote(_) => Ok(()),
        ImagesVerb::Delete(wanted) => change::delete(wanted, &cloud),
        ImagesVerb::Import(wanted) => import::import(wanted, &cloud, global),
        ImagesVerb::Cache { command } => cache(command, &cloud, global),
        ImagesVerb::Metadefs { namespace } => metadefs(namespace.as_deref(), &cloud, global),
        ImagesVerb::Stores => {
            let stores = cloud.stores().map_err(|error| failure(&error))?;
            print(&if global.json { format!("{}\n", json!(stores)) } else { render::stores(&stores) });
            Ok(())
        }
    }
}

/// Runs `goldsmith images cache`.
fn cache(verb: &CacheVerb, cloud: &Cloud, global: &Global) -> Result<(), Failure> {
    // The cache may list images that no longer exist, so ids are not looked up.
    let id = |image: &str| match uuid::Uuid::try_parse(image) {
        Ok(_) => Ok(image.to_owned()),
        Err(_) => find(cloud, image).map(|image| image.id),
    };
    let (done, told) = match verb {
        CacheVerb::List => {
            let cache = cloud.cache().map_err(|error| failure(&error))?;
            print(&if global.json { format!("{}\n", json!(cache)) } else { render::cache(&cache) });
            return Ok(());
        }
        CacheVerb::Queue { image } => {
            let id = id(image)?;
            (cloud.cache_image(&id), format!("{id} will be fetched into the cache"))
        }
        CacheVerb::Delete { image, dry_run } => {
            let id = id(image)?;
            if *dry_run {
                return would_uncache(cloud, Some(&id));
            }
            (cloud.uncache_image(&id), format!("{id} is out of the cache"))
        }
        CacheVerb::Clear { dry_run: true } => return would_uncache(cloud, None),
        CacheVerb::Clear { dry_run: false } => (cloud.clear_cache(), "the cache is empty".to_owned()),
    };
    done.map_err(|error| failure(&error))?;
    print(&format!("{told}\n"));
    Ok(())
}

/// Prints the images that would be removed from the cache and from its queue: one of them, or all.
fn would_uncache(cloud: &Cloud, id: Option<&str>) -> Result<(), Failure> {
    let cache = cloud.cache().map_err(|error| failure(&error))?;
    let cached = cache.cached_images.iter().map(|image| (&image.image_id, "it is in the cache"));
    let queued = cache.queued_images.iter().map(|image| (image, "it is in the queue of the cache"));
    for (image, reason) in cached.chain(queued).filter(|(image, _)| id.is_none_or(|id| id == *image)) {
        would_remove(image, reason);
    }
    Ok(())
}

/// Runs `goldsmith images metadefs`.
fn metadefs(namespace: Option<&str>, cloud: &Cloud, global: &Global) -> Result<(), Failure> {
    let text = match namespace {
        None => {
            let namespaces = cloud.namespaces().map_err(|error| failure(&error))?;
            if global.json { format!("{}\n", json!(namespaces)) } else { render::namespaces(&namespaces) }
        }
        Some(name) => {
            let namespace = cloud.namespace(name).map_err(|error| match error {
                CloudError::Refused { status: 404, .. } => {
                    Failure::of(FailureKind::Usage, format!("the cloud has no namespace `{name}`"))
                        .hint("`goldsmith images metadefs` lists those of images")
                }
                error => failure(&error),
            })?;
            if global.json { format!("{}\n", json!(namespace)) } else { render::namespace(&namespace) }
        }
    };
    print(&text);
    Ok(())
}

fn members(members: &[Member], global: &Global) {
    print(&if global.json { format!("{}\n", json!(members)) } else { render::members(members) });
}

/// Words of a query that are no properties.
const NO_PROPERTIES: [&str; 6] = ["limit", "marker", "sort", "sort_key", "sort_dir", "tag"];

fn list(args: &List, cloud: &Cloud, global: &Global) -> Result<(), Failure> {
    once("property", &args.property)?;
    if let Some((name, _)) = args.property.iter().find(|(name, _)| NO_PROPERTIES.contains(&name.as_str())) {
        let failure = Failure::of(FailureKind::Usage, format!("the service takes `{name}` for no property"));
        return Err(failure.hint("options of `goldsmith images list` set the order, the number and tags"));
    }
    let images = cloud.images(&wanted(args)).map_err(|error| failure(&error))?;
    print(&if global.json { format!("{}\n", json!(images)) } else { render::list(&images) });
    Ok(())
}

fn wanted(args: &List) -> ImageQuery {
    let told =
        [("name", &args.name), ("status", &args.status), ("visibility", &args.visibility), ("owner", &args.owner)];
    let mut filters: Vec<_> =
        told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
    filters.extend(args.tag.iter().map(|tag| ("tag".to_owned(), tag.clone())));
    filters.extend(args.property.iter().cloned());
    if args.hidden {
        filters.push(("os_hidden".to_owned(), "true".to_owned()));
    }
    ImageQuery { filters, sort: args.sort.clone(), limit: args.limit }
}

fn show(image: &Image, global: &Global) -> Result<(), Failure> {
    print(&if global.json { format!("{}\n", json!(image)) } else { render::show(image) });
    Ok(())
}
