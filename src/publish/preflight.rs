//! What a service would refuse, found out before the first byte is sent: all of it at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::Source;
use super::glance::Wanted;
use super::signature::Signing;
use crate::openstack::{Cloud, CloudError};
use crate::units::ByteSize;

/// Something that the service would refuse, or that nothing would understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// The schema of an image, as far as it is looked into.
#[derive(Debug, Default, Deserialize)]
struct Schema {
    #[serde(default)]
    properties: BTreeMap<String, Definition>,
}

/// What values a property may have.
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

/// What a project uses and may use. Sizes are in MiB; no limit is -1.
#[derive(Debug, Deserialize)]
struct Usage {
    limit: i64,
    usage: i64,
}

/// Looks for everything that would go wrong.
///
/// # Errors
///
/// If the service cannot be asked.
pub fn check(
    cloud: &Cloud,
    source: &Source,
    wanted: &Wanted,
    signing: Option<&Signing>,
) -> Result<Vec<Problem>, CloudError> {
    let schema: Schema = optional(cloud, "/v2/schemas/image")?;
    let mut problems = formats(source, &schema);
    problems.extend(values(wanted, &allowed(cloud)?));
    let usages: Usages = optional(cloud, "/v2/info/usage")?;
    problems.extend(quotas(source, &usages));
    problems.extend(signing.and_then(|signing| signing.problem(cloud)));
    Ok(problems)
}

/// What a service tells if it is asked; nothing if it does not know the question, or does not tell this user.
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

/// Values that properties may have, where somebody has defined them. A property may be defined for several hypervisors.
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

fn values(wanted: &Wanted, allowed: &BTreeMap<String, BTreeSet<String>>) -> Vec<Problem> {
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
    let mib = i64::try_from(source.artifact.size.div_ceil(ByteSize::MIB)).unwrap_or(i64::MAX);
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
    fn quotas_have_limits_or_none() {
        let usages = |limit: i64, usage: i64| Usages {
            usage: BTreeMap::from([("image_count_total".to_owned(), Usage { limit, usage })]),
        };
        let source = crate::publish::tests::source();
        for (limit, usage, problems) in [(-1, 1000, 0), (10, 9, 0), (10, 10, 1), (0, 0, 1)] {
            assert_eq!(quotas(&source, &usages(limit, usage)).len(), problems, "{limit} {usage}");
        }
        assert_eq!(quotas(&source, &Usages::default()), []);
    }
}
