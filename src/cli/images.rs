//! `goldsmith images`.

mod args;
mod change;
mod download;
mod render;

use serde_json::json;

pub(super) use args::{CloudArgs, Images};
use args::{ImagesVerb, List};

use super::failure::{Failure, FailureKind};
use super::print;
use super::settings::Global;
use crate::openstack::config::{CloudConfig, Places, Secret};
use crate::openstack::image::{FindError, Image, Wanted};
use crate::openstack::{Cloud, CloudError, Member, Proxies};

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
        ImagesVerb::Delete { images } => change::delete(images, &cloud),
        ImagesVerb::Stores => {
            let stores = cloud.stores().map_err(|error| failure(&error))?;
            print(&if global.json { format!("{}\n", json!(stores)) } else { render::stores(&stores) });
            Ok(())
        }
    }
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
    CloudConfig::find(&places(args)).and_then(Cloud::connect).map_err(|error| failure(&error))
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
        proxies: proxies(),
    }
}

/// Proxies by the variables of most programs. The names in small letters are the older ones, and count first; an empty one
/// means none.
fn proxies() -> Proxies {
    let told = |names: [&str; 2]| names.into_iter().find_map(|name| std::env::var(name).ok());
    let proxy = |names| told(names).or_else(|| told(["all_proxy", "ALL_PROXY"])).filter(|text| !text.is_empty());
    let except = told(["no_proxy", "NO_PROXY"]).unwrap_or_default();
    Proxies {
        http: proxy(["http_proxy", "HTTP_PROXY"]).map(Secret::new),
        https: proxy(["https_proxy", "HTTPS_PROXY"]).map(Secret::new),
        except: except.split(',').map(|entry| entry.trim().to_owned()).collect(),
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
