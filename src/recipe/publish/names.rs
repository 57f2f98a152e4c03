//! Names of published images and of their properties: how they are made, and which are reserved.

use jiff::Timestamp;

/// Beginning of the names of properties that are the image service's own.
pub const RESERVED: &str = "os_glance";

/// Beginning of the names of properties by which published images are found again.
pub const OWN: &str = "goldsmith_";

/// Attributes that an image has at the service besides properties: Image Service API v2, "Show image".
pub const ATTRIBUTES: [&str; 25] = [
    "checksum",
    "container_format",
    "created_at",
    "direct_url",
    "disk_format",
    "file",
    "id",
    "locations",
    "min_disk",
    "min_ram",
    "name",
    "os_hash_algo",
    "os_hash_value",
    "os_hidden",
    "owner",
    "protected",
    "schema",
    "self",
    "size",
    "status",
    "stores",
    "tags",
    "updated_at",
    "virtual_size",
    "visibility",
];

/// Most characters of a name: the service's database has room for no more.
const LIMIT: usize = 255;

/// Returns a name with strftime codes replaced by a time; it has at most 255 characters.
///
/// # Errors
///
/// A sentence that says what is wrong with the name.
pub fn dated(name: &str, made: Timestamp) -> Result<String, String> {
    let time = jiff::fmt::strtime::BrokenDownTime::from(made);
    let dated = time.to_string(name).map_err(|error| format!("`{name}` cannot be a name: {error}"))?;
    match dated.chars().count() {
        0 => Err("a name is missing here".to_owned()),
        1..=LIMIT => Ok(dated),
        count => Err(format!("a name has at most {LIMIT} characters, and this has {count}")),
    }
}

/// A property that users cannot set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the property `{name}` {reason}")]
pub struct PropertyError {
    /// Name of the property.
    pub name: String,
    /// Reason: the end of the sentence that begins with the name.
    pub reason: String,
}

/// Checks that users may set a property of this name.
///
/// # Errors
///
/// The reason why they may not.
pub fn property(name: &str) -> Result<(), PropertyError> {
    let reason = if name.starts_with(RESERVED) {
        "is the service's own: names that begin with `os_glance` are reserved"
    } else if name.starts_with(OWN) {
        "is set by goldsmith itself, which finds its images by it"
    } else if ATTRIBUTES.contains(&name) {
        "is no property but an attribute, which the service or an option sets"
    } else if name.chars().count() > LIMIT {
        "has a name of more than 255 characters"
    } else {
        return Ok(());
    };
    Err(PropertyError { name: name.to_owned(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_property_is_refused() {
        let longest = "n".repeat(LIMIT + 1);
        for name in ["os_glance_stores", "min_disk", "status", "goldsmith_image", &longest] {
            assert!(property(name).is_err(), "{name}");
        }
        assert_eq!(property("os_distro"), Ok(()));
    }

    #[test]
    fn names_may_hold_the_time() {
        let made = "2026-11-21T19:05:06Z".parse().expect("a time");
        assert_eq!(dated("Debian 12 %Y-%m-%d 100%%", made), Ok("Debian 12 2026-11-21 100%".to_owned()));
        for name in ["", "%", "%!", &"n".repeat(256)] {
            assert!(dated(name, made).is_err(), "{name}");
        }
    }
}
