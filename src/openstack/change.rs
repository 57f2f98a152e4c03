//! Requests that change an image or its members.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::http::Method;

use super::image::{Image, encoded};
use super::{Cloud, CloudError};

/// A change of an attribute or property.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Sets an attribute or property to a value.
    Set(String, Value),
    /// Removes a property.
    Remove(String),
}

/// A project that an image is shared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Id of the project.
    pub member_id: String,
    /// Answer of the project: `pending`, `accepted` (its lists show the image), `rejected`.
    pub status: String,
}

/// A store, in which the service keeps data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// Name of the store.
    pub id: String,
    /// Description for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether the service prefers this store.
    #[serde(default, deserialize_with = "truth")]
    pub default: bool,
    /// Whether the service writes nothing to it.
    #[serde(default, rename = "read-only", deserialize_with = "truth")]
    pub read_only: bool,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Stores {
    stores: Vec<Store>,
}

impl Cloud {
    /// Changes an image: either all changes are made, or none.
    ///
    /// # Errors
    ///
    /// If the service refuses: 403 where a property is protected.
    pub fn change(&self, image: &Image, changes: &[Change]) -> Result<Image, CloudError> {
        let operations: Vec<_> = changes
            .iter()
            .map(|change| match change {
                // `add` replaces an existing value: RFC 6902, section 4.1.
                Change::Set(name, value) => json!({ "op": "add", "path": pointer(name), "value": value }),
                Change::Remove(name) => json!({ "op": "remove", "path": pointer(name) }),
            })
            .collect();
        self.patch(&path(&image.id, ""), &Value::Array(operations))
    }

    /// Adds a tag to an image.
    ///
    /// # Errors
    ///
    /// If the service refuses.
    pub fn tag(&self, image: &Image, tag: &str) -> Result<(), CloudError> {
        self.call(&Method::PUT, &path(&image.id, &format!("/tags/{}", encoded(tag))), None)
    }

    /// Removes a tag from an image.
    ///
    /// # Errors
    ///
    /// If the service refuses: 404 if the image does not have it.
    pub fn untag(&self, image: &Image, tag: &str) -> Result<(), CloudError> {
        self.call(&Method::DELETE, &path(&image.id, &format!("/tags/{}", encoded(tag))), None)
    }

    /// Activates an image, or deactivates it: then only administrators can use its data.
    ///
    /// # Errors
    ///
    /// If the service refuses.
    pub fn activate(&self, image: &Image, active: bool) -> Result<(), CloudError> {
        let action = if active { "reactivate" } else { "deactivate" };
        self.call(&Method::POST, &path(&image.id, &format!("/actions/{action}")), None)
    }

    /// Removes the data of an image from one of the stores that have it.
    ///
    /// # Errors
    ///
    /// If the service refuses: 403 if it is the only store that has it, 404 if the service knows no stores or the image.
    pub fn delete_from_store(&self, image: &Image, store: &str) -> Result<(), CloudError> {
        self.call(&Method::DELETE, &format!("/v2/stores/{}/{}", encoded(store), encoded(&image.id)), None)
    }

    /// Returns the projects that an image is shared with.
    ///
    /// # Errors
    ///
    /// If the service refuses: 403 if the image is not `shared`.
    pub fn members(&self, image: &Image) -> Result<Vec<Member>, CloudError> {
        self.get::<Members>(&path(&image.id, "/members")).map(|members| members.members)
    }

    /// Shares an image with a project.
    ///
    /// # Errors
    ///
    /// If the service refuses: 409 if the project has the image already.
    pub fn share(&self, image: &Image, project: &str) -> Result<Member, CloudError> {
        self.post(&path(&image.id, "/members"), &json!({ "member": project }))
    }

    /// Stops sharing an image with a project.
    ///
    /// # Errors
    ///
    /// If the service refuses: 404 if it was not shared.
    pub fn unshare(&self, image: &Image, project: &str) -> Result<(), CloudError> {
        self.call(&Method::DELETE, &path(&image.id, &format!("/members/{}", encoded(project))), None)
    }

    /// Answers an offer to share an image, as the project that got it: `accepted`, `rejected`, `pending`.
    ///
    /// # Errors
    ///
    /// If the service refuses.
    pub fn answer(&self, id: &str, project: &str, status: &str) -> Result<(), CloudError> {
        let path = path(id, &format!("/members/{}", encoded(project)));
        self.call(&Method::PUT, &path, Some(&json!({ "status": status })))
    }

    /// Returns the stores of the service; none if it has only one and does not name it.
    ///
    /// # Errors
    ///
    /// If the service does not answer.
    pub fn stores(&self) -> Result<Vec<Store>, CloudError> {
        match self.get::<Stores>("/v2/info/stores") {
            Err(CloudError::Refused { status: 404, .. }) => Ok(Vec::new()),
            stores => stores.map(|stores| stores.stores),
        }
    }
}

fn path(id: &str, rest: &str) -> String {
    format!("/v2/images/{}{rest}", encoded(id))
}

/// Returns a path to this name as a JSON pointer: RFC 6901, section 3.
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Reads a boolean, which the service writes as `"true"`.
fn truth<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(value) => value,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_what_pointers_use() {
        assert_eq!(pointer("a/b~c"), "/a~1b~0c");
    }

    #[test]
    fn stores_say_true_in_their_way() {
        let text = r#"{"stores":[{"id":"slow","default":"true"},{"id":"fast","description":"SSD"}]}"#;
        let stores: Stores = serde_json::from_str(text).expect("stores");
        assert_eq!(stores.stores.iter().map(|store| store.default).collect::<Vec<_>>(), [true, false]);
    }
}
