//! Checks before the upload: they find everything that the service would refuse, and report it at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::record::Record;
use super::signature::Signing;
use super::{begin, hypervisor, permission};
use crate::image::accept::accept;
use crate::openstack::image::{self, Image};
use crate::openstack::{Cloud, CloudError};
use crate::publish::error::PublishError;
use crate::publish::problem::Problem;
use crate::publish::subject::Source;
use crate::recipe::publish::Glance;
use crate::units::ByteSize;

/// The part of the image schema that these checks use.
#[derive(Debug, Default, Deserialize)]
struct Schema {
    #[serde(default)]
    properties: BTreeMap<String, Definition>,
}

/// Allowed values of a property.
#[derive(Debug, Default, Deserialize)]
struct Definition {
    #[serde(default, rename = "enum")]
    values: Option<Vec<Value>>,
}

#[derive(Debug, Default, Deserialize)]
struct Usages {
    #[serde(default)]
    usage: BTreeMap<String, Usage>,
}

/// Use and limit of a quota. Sizes are in MiB; a limit of -1 is none.
#[derive(Debug, Deserialize)]
struct Usage {
    limit: i64,
    usage: i64,
}

/// Findings of the checks.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Problems that would make publishing fail.
    pub problems: Vec<Problem>,
    /// Warnings, as sentences.
    pub notes: Vec<String>,
}

/// Runs all checks.
///
/// # Errors
///
/// If the service does not answer, or the artifact cannot be read.
pub(super) fn check(
    cloud: &Cloud,
    source: &Source,
    wanted: &Record,
    target: &Glance,
    signing: Option<&Signing>,
) -> Result<Found, PublishError> {
    let named = named(cloud, &wanted.name)?;
    let ids = begin::ids(source, wanted);
    let there = named.iter().any(|image| image.status == "active" && ids.contains(&image.id));
    let schema: Schema = optional(cloud, "/v2/schemas/image")?;
    let mut problems = formats(source, &schema);
    problems.extend(values(wanted, &allowed(cloud)?));
    problems.extend(hypervisor::problems(wanted));
    problems.extend(signing.and_then(|signing| signing.problem(cloud)));
    if !there {
        problems.extend(content(source)?);
        let usages: Usages = optional(cloud, "/v2/info/usage")?;
        problems.extend(quotas(source, &usages));
        if let Some(visibility) = target.promote.as_ref().and_then(|promote| promote.visibility) {
            problems.extend(permission::showing(cloud, source, wanted, visibility)?);
        }
    }
    // Promotion retires the other images, so they need no warning.
    let others = named.iter().filter(|image| target.promote.is_none() && !ids.contains(&image.id) && !image.os_hidden);
    let others: Vec<_> = others.filter(|image| image.owner.as_deref() == cloud.project()).collect();
    let mut notes = Vec::new();
    if let Some(image) = others.first() {
        let (count, id) = (others.len(), &image.id);
        notes.push(format!(
            "{count} other image{} the name `{}` already ({id}): a search by name finds several",
            if count == 1 { " has" } else { "s have" },
            wanted.name
        ));
    }
    Ok(Found { problems, notes })
}

/// Returns the images of a name, hidden ones too.
fn named(cloud: &Cloud, name: &str) -> Result<Vec<Image>, CloudError> {
    let mut images = Vec::new();
    for hidden in ["false", "true"] {
        let filters = [("name", name), ("os_hidden", hidden)].map(|(key, value)| (key.to_owned(), value.to_owned()));
        images.extend(cloud.images(&image::ImageQuery { filters: filters.into(), ..image::ImageQuery::default() })?);
    }
    // The service reads `in:` before a name as the beginning of a list of names.
    images.retain(|image| image.name.as_deref() == Some(name));
    Ok(images)
}

/// Predicts whether Glance accepts the data. Raw disks are not checked: Glance's operators decide what it tolerates in them.
fn content(source: &Source) -> Result<Option<Problem>, PublishError> {
    let told = source.artifact.disk_format.as_deref().unwrap_or_default();
    if source.artifact.container_format.as_deref() != Some("bare") || told == "raw" {
        return Ok(None);
    }
    let file = source.file();
    let [glance, _] = accept(&file).map_err(|error| PublishError::Upload(error.into()))?;
    let message = if !glance.accepted {
        format!("the service inspects images and refuses this {told}: {}", glance.reasons.join("; "))
    } else if glance.disk_format != Some(told) {
        let is = glance.disk_format.unwrap_or("something else");
        format!("the service inspects images, and the content of this {told} is {is}")
    } else {
        return Ok(None);
    };
    Ok(Some(Problem { message, help: format!("`goldsmith inspect {}` tells more", file.display()) }))
}

/// Gets an answer of the service; the default if the service lacks this request or refuses it to this user.
fn optional<T: Default + for<'de> Deserialize<'de>>(cloud: &Cloud, path: &str) -> Result<T, CloudError> {
    match cloud.get(path) {
        Err(CloudError::Refused { status: 403 | 404, .. }) => Ok(T::default()),
        result => result,
    }
}

fn formats(source: &Source, schema: &Schema) -> Vec<Problem> {
    let mut problems = Vec::new();
    let told = [("disk_format", &source.artifact.disk_format), ("container_format", &source.artifact.container_format)];
    for (name, value) in told {
        let known = schema.properties.get(name).and_then(|definition| definition.values.as_ref());
        let known: Vec<&str> = known.into_iter().flatten().filter_map(Value::as_str).collect();
        if let Some(value) = value
            && !known.is_empty()
            && !known.contains(&value.as_str())
        {
            problems.push(Problem {
                message: format!("the service takes no {name} `{value}`"),
                help: format!("it takes {}: choose another of the recipe's outputs with --format", known.join(", ")),
            });
        }
    }
    problems
}

/// Returns the allowed values of properties, from Glance's metadata definitions. Several hypervisors may define a property.
fn allowed(cloud: &Cloud) -> Result<BTreeMap<String, BTreeSet<String>>, CloudError> {
    let namespaces = match cloud.namespaces() {
        Err(CloudError::Refused { status: 403 | 404, .. }) => return Ok(BTreeMap::new()),
        result => result?,
    };
    let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for namespace in namespaces {
        let Some(prefix) = namespace.prefix() else { continue };
        let properties = match cloud.namespace(&namespace.namespace) {
            Err(CloudError::Refused { status: 403 | 404, .. }) => continue,
            result => result?.properties,
        };
        for (name, property) in properties {
            let values: BTreeSet<_> = property.allowed().collect();
            if !values.is_empty() {
                allowed.entry(format!("{prefix}{name}")).or_default().extend(values);
            }
        }
    }
    Ok(allowed)
}

fn values(wanted: &Record, allowed: &BTreeMap<String, BTreeSet<String>>) -> Vec<Problem> {
    let wrong = wanted.properties.values.iter().filter_map(|(name, value)| {
        let known = allowed.get(name).filter(|known| !known.contains(value))?;
        Some(Problem {
            message: format!("the property `{name}` cannot be `{value}`"),
            help: format!("it is one of {}", known.iter().cloned().collect::<Vec<_>>().join(", ")),
        })
    });
    wrong.collect()
}

fn quotas(source: &Source, usages: &Usages) -> Vec<Problem> {
    // The service counts whole MiB.
    let mib = i64::try_from(source.artifact.size / ByteSize::MIB).unwrap_or(i64::MAX);
    let mut problems = Vec::new();
    for (name, needed, what) in [("image_size_total", mib, "MiB of images"), ("image_count_total", 1, "images")] {
        if let Some(Usage { limit, usage }) = usages.usage.get(name)
            && *limit >= 0
            && usage.saturating_add(needed) > *limit
        {
            problems.push(Problem {
                message: format!("the project has {usage} of {limit} {what}, and {needed} more do not fit"),
                help: "delete images that nobody needs, or ask the cloud's operators for more".to_owned(),
            });
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_would_find_in_the_data_is_known_before() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let make = |options: &[&str], file: &str| {
            let mut create = std::process::Command::new("qemu-img");
            create.args(["create", "-q", "-f", "qcow2"]).args(options).arg(dir.path().join(file)).arg("1M");
            assert!(create.status().expect("qemu-img").success());
        };
        make(&[], "plain.qcow2");
        make(&["-b", "plain.qcow2", "-F", "qcow2"], "backed.qcow2");
        let data = format!("data_file={}", dir.path().join("data").display());
        make(&["-o", &data], "elsewhere.qcow2");
        for (file, disk_format, words) in [
            ("plain.qcow2", "qcow2", ""),
            ("plain.qcow2", "raw", ""),
            ("plain.qcow2", "vmdk", "the content of this vmdk is qcow2"),
            ("backed.qcow2", "qcow2", "it has a backing file"),
            ("elsewhere.qcow2", "qcow2", "its data is in another file"),
        ] {
            let mut source = crate::publish::subject::tests::source();
            source.dir = dir.path().to_owned();
            source.artifact.file = file.to_owned();
            source.artifact.disk_format = Some(disk_format.to_owned());
            let found = content(&source).expect("it can be read").map_or_else(String::new, |problem| problem.message);
            assert!(if words.is_empty() { found.is_empty() } else { found.contains(words) }, "{file}: {found}");
        }
    }

    #[test]
    fn quotas_have_limits_or_none() {
        let usages = |limit: i64, usage: i64| Usages {
            usage: BTreeMap::from([("image_count_total".to_owned(), Usage { limit, usage })]),
        };
        let source = crate::publish::subject::tests::source();
        for (limit, usage, problems) in [(-1, 1000, 0), (10, 9, 0), (10, 10, 1), (0, 0, 1)] {
            assert_eq!(quotas(&source, &usages(limit, usage)).len(), problems, "{limit} {usage}");
        }
        assert_eq!(quotas(&source, &Usages::default()), []);
    }
}
