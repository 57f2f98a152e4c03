//! `goldsmith images`.

mod args;
mod change;
mod download;
mod import;
mod render;

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use args::{CacheVerb, ImagesVerb, List};
pub(super) use args::{CloudArgs, Images};

use super::failure::{Failure, FailureKind};
use super::jsonl::JsonReporter;
use super::network;
use super::progress::TerminalReporter;
use super::settings::Global;
use super::terminal::Terminal;
use super::{print, signals};
use crate::event::{Event, Reporter};
use crate::interrupt::Interrupt;
use crate::openstack::config::{CloudConfig, Places};
use crate::openstack::image::{FindError, Image, Wanted};
use crate::openstack::{Cloud, CloudError, Member};

/// Looks after the images of a cloud.
pub(super) fn images(args: &Images, global: &Global) -> Result<(), Failure> {
    let cloud = connect(&args.cloud)?;
    match &args.command {
        ImagesVerb::List(wanted) => list(wanted, &cloud, global),
        ImagesVerb::Show { image } => show(&find(&cloud, image)?, global),
        ImagesVerb::Set(set) => show(&change::set(set, &cloud)?, global),
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
        ImagesVerb::Delete { images, store } => change::delete(images, store.as_deref(), &cloud),
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

/// Looks after the cache of the service.
fn cache(verb: &CacheVerb, cloud: &Cloud, global: &Global) -> Result<(), Failure> {
    // Its list may have images that are gone.
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
        CacheVerb::Delete { image } => {
            let id = id(image)?;
            (cloud.uncache_image(&id), format!("{id} is out of the cache"))
        }
        CacheVerb::Clear => (cloud.clear_cache(), "the cache is empty".to_owned()),
    };
    done.map_err(|error| failure(&error))?;
    print(&format!("{told}\n"));
    Ok(())
}

/// Shows the catalog of definitions.
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

/// Does something that takes long: tells of it, and lets signals end it. `work` tells bytes that are done, and bytes in all.
fn watched<T, E>(
    activity: &str,
    global: &Global,
    work: impl FnOnce(&(dyn Fn(u64, Option<u64>) + Sync), &Interrupt) -> Result<T, E>,
) -> Result<Result<T, E>, Failure> {
    let interrupt = Interrupt::new();
    signals::watch(interrupt.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let reporter: Arc<dyn Reporter> =
        if global.json { Arc::new(JsonReporter::new(std::io::stdout())) } else { Arc::clone(&screen) as _ };
    let started = Instant::now();
    reporter.report(&Event::ActivityStarted { activity: activity.to_owned() });
    let told = |done, total| reporter.report(&Event::Progress { activity: activity.to_owned(), done, total });
    let result = work(&told, &interrupt);
    if result.is_ok() {
        reporter.report(&Event::ActivityFinished { activity: activity.to_owned(), elapsed: started.elapsed() });
    }
    screen.finish();
    Ok(result)
}

/// The image that is meant.
fn find(cloud: &Cloud, image: &str) -> Result<Image, Failure> {
    cloud.image(image).map_err(|error| find_failure(&error))
}

fn members(members: &[Member], global: &Global) {
    print(&if global.json { format!("{}\n", json!(members)) } else { render::members(members) });
}

fn list(args: &List, cloud: &Cloud, global: &Global) -> Result<(), Failure> {
    let images = cloud.images(&wanted(args)).map_err(|error| failure(&error))?;
    print(&if global.json { format!("{}\n", json!(images)) } else { render::list(&images) });
    Ok(())
}

fn wanted(args: &List) -> Wanted {
    let told =
        [("name", &args.name), ("status", &args.status), ("visibility", &args.visibility), ("owner", &args.owner)];
    let mut filters: Vec<_> =
        told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
    filters.extend(args.tag.iter().map(|tag| ("tag".to_owned(), tag.clone())));
    filters.extend(args.property.iter().cloned());
    if args.hidden {
        filters.push(("os_hidden".to_owned(), "true".to_owned()));
    }
    Wanted { filters, sort: args.sort.clone(), limit: args.limit }
}

fn show(image: &Image, global: &Global) -> Result<(), Failure> {
    print(&if global.json { format!("{}\n", json!(image)) } else { render::show(image) });
    Ok(())
}

/// Logs in to the cloud that is meant.
pub(super) fn connect(args: &CloudArgs) -> Result<Cloud, Failure> {
    let config = CloudConfig::find(&places(args)).map_err(|error| failure(&error))?;
    if let Some(message) = config.warning() {
        let screen = TerminalReporter::plain(Terminal::of_stderr(), Box::new(std::io::stderr()));
        screen.report(&Event::Warning { message });
        screen.finish();
    }
    Cloud::connect(config).map_err(|error| failure(&error))
}

/// Whether options or variables name a cloud: one that a file alone names may be meant for others.
pub(super) fn is_named(args: &CloudArgs) -> bool {
    let told = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    args.os_cloud.is_some() || told("OS_CLOUD") || told("OS_AUTH_URL")
}

/// Where a configuration may come from: openstacksdk's search path, and the environment.
pub(super) fn places(args: &CloudArgs) -> Places {
    let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(std::path::PathBuf::from);
    let user = path("XDG_CONFIG_HOME").or_else(|| Some(path("HOME")?.join(".config")));
    let dirs = [Some(".".into()), user.map(|dir| dir.join("openstack")), Some("/etc/openstack".into())];
    Places {
        cloud: args.os_cloud.clone(),
        region: args.os_region.clone().or_else(|| told("OS_REGION_NAME")),
        file: path("OS_CLIENT_CONFIG_FILE"),
        dirs: dirs.into_iter().flatten().collect(),
        variables: std::env::vars().filter(|(name, _)| name.starts_with("OS_")).collect(),
        strange: Some(".".into()),
        proxies: network::proxies(),
    }
}

pub(super) fn failure(error: &CloudError) -> Failure {
    let kind = match error {
        CloudError::NoConfig { .. }
        | CloudError::NoCloud { .. }
        | CloudError::WhichCloud { .. }
        | CloudError::WhichRegion { .. }
        | CloudError::Config { .. }
        | CloudError::NoProject { .. }
        | CloudError::Proxy { .. }
        | CloudError::Certificates { .. }
        | CloudError::File(_) => FailureKind::Usage,
        CloudError::Yaml(found) => {
            let details = json!(found.records());
            return Failure::rendered(FailureKind::Usage, &error.to_string(), found.render(false), details);
        }
        _ => FailureKind::Publish,
    };
    let failure = Failure::new(kind, error);
    match error.help() {
        Some(help) => failure.hint(help),
        None => failure,
    }
}

fn find_failure(error: &FindError) -> Failure {
    match error {
        FindError::Cloud(error) => failure(error),
        FindError::None { .. } => Failure::new(FailureKind::Usage, error)
            .hint("`goldsmith images list` shows all that this project sees; hidden ones with --hidden"),
        FindError::Several { images, .. } => {
            let mut failure = Failure::new(FailureKind::Usage, error).hint("name the one you mean by its id");
            failure.causes.extend(images.iter().map(render::candidate));
            failure
        }
    }
}
