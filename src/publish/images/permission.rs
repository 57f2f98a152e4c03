//! Finds out what the user may not do at a service, such as set a protected property. The service has no request for this
//! question. So Goldsmith makes records without data, and deletes them before it sends anything.

use serde_json::{Map, Value, json};

use super::begin::{record, remove};
use super::record::Record;
use crate::openstack::{Cloud, CloudError};
use crate::publish::error::PublishError;
use crate::publish::problem::Problem;
use crate::publish::subject::Source;
use crate::recipe::publish::Visibility;

/// Texts around the property's name in Glance's message about a property that only others may set.
const RESERVED: (&str, &str) = ("Attribute '", "' is reserved");

/// Finds all properties that this user may not set. The service reports only the first one, which `error` has.
pub(super) fn explain(cloud: &Cloud, source: &Source, wanted: &Record, error: PublishError) -> PublishError {
    let mut record = nameless(source, wanted);
    let mut protected = Vec::new();
    let mut refused = match &error {
        PublishError::Cloud(error) => reserved(error),
        _ => None,
    };
    while let Some(name) = refused.take().filter(|name| record.remove(name).is_some()) {
        refused = attempt(cloud, &record).err().and_then(|error| reserved(&error));
        protected.push(name);
    }
    if protected.is_empty() {
        return error;
    }
    PublishError::Refused(protected.iter().map(|name| problem(name, wanted.properties.values.get(name))).collect())
}

/// Returns a problem if this user may not promote to this visibility. Otherwise the service would say so only after the
/// upload.
pub(super) fn showing(
    cloud: &Cloud,
    source: &Source,
    wanted: &Record,
    visibility: Visibility,
) -> Result<Option<Problem>, CloudError> {
    if visibility == wanted.visibility || !matches!(visibility, Visibility::Public | Visibility::Community) {
        return Ok(None);
    }
    let mut record = nameless(source, wanted);
    record.insert("visibility".to_owned(), json!(visibility.name()));
    record.insert("os_hidden".to_owned(), json!(true));
    match attempt(cloud, &record) {
        Err(error @ CloudError::Refused { status: 403, .. }) if reserved(&error).is_none() => Ok(Some(Problem {
            message: format!("the cloud does not let this user promote an image to be `{}`", visibility.name()),
            help: error.help().unwrap_or_default(),
        })),
        // The creation of the real record reports everything else.
        Ok(()) | Err(CloudError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns a record whose id the service chooses, because a service never takes an id twice. It can be deleted.
fn nameless(source: &Source, wanted: &Record) -> Map<String, Value> {
    let mut record = record("", source, wanted);
    record.remove("id");
    record.insert("protected".to_owned(), json!(false));
    record
}

/// Creates a record and deletes it again.
fn attempt(cloud: &Cloud, record: &Map<String, Value>) -> Result<(), CloudError> {
    let image = cloud.create_image(record)?;
    remove(cloud, &image.id)
}

/// Returns the property that a service refuses to set.
fn reserved(error: &CloudError) -> Option<String> {
    let CloudError::Refused { status: 403, message, .. } = error else { return None };
    let (_, rest) = message.split_once(RESERVED.0)?;
    Some(rest.split_once(RESERVED.1)?.0.to_owned())
}

fn problem(name: &str, value: Option<&String>) -> Problem {
    let value = value.map(|value| format!(" to `{value}`")).unwrap_or_default();
    Problem {
        message: format!("the cloud does not let this user set the property `{name}`{value}"),
        help: format!("leave it out by an empty value (`{name}=`), or ask the cloud's operators for the role"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_is_in_the_words_of_the_service() {
        for (status, message, name) in [
            (403, "Attribute 'licence' is reserved.", Some("licence")),
            (403, "You are not authorized to complete publicize_image action.", None),
            (409, "Attribute 'licence' is reserved.", None),
        ] {
            let (method, url) = ("POST".to_owned(), "http://h/v2/images".to_owned());
            let error = CloudError::Refused {
                method,
                url,
                status,
                message: message.to_owned(),
                request_id: None,
                retry_after: None,
            };
            assert_eq!(reserved(&error).as_deref(), name, "{message}");
        }
    }
}
