//! Reads the catalog of metadata definitions: properties of resources, and their allowed values. Image Service API v2, "Metadata
//! definitions".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::image::encoded;
use super::{Cloud, CloudError};

/// Name of images in the catalog.
pub const IMAGES: &str = "OS::Glance::Image";

/// Namespaces per page.
const PAGE: usize = 100;

/// A namespace: definitions that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Namespace {
    /// Name of the namespace: `OS::Compute::Watchdog`.
    pub namespace: String,
    /// Name for people.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Description for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Types of resources that the definitions are for.
    #[serde(default)]
    pub resource_type_associations: Vec<Association>,
    /// Definitions; none in lists.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Property>,
}

/// The association of a namespace with a type of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// Type of resources: [`IMAGES`].
    pub name: String,
    /// Prefix that properties have for these resources.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// The definition of a property.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Property {
    /// Type: `string`, `integer`, `number`, `boolean`, `array`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Name for people.
    #[serde(default)]
    pub title: Option<String>,
    /// Description for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Allowed values.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
    /// Definition of the values in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<Property>>,
    /// Smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Value>,
    /// Largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Value>,
    /// Default value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

#[derive(Deserialize)]
struct Page {
    namespaces: Vec<Namespace>,
    #[serde(default)]
    next: Option<String>,
}

impl Namespace {
    /// Returns the prefix of the properties of images; `None` if the namespace is not for images.
    pub fn prefix(&self) -> Option<&str> {
        let images = self.resource_type_associations.iter().find(|known| known.name == IMAGES)?;
        Some(images.prefix.as_deref().unwrap_or_default())
    }
}

impl Property {
    /// Returns the allowed values as text; none if every value is allowed.
    pub fn allowed(&self) -> impl Iterator<Item = String> + '_ {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.values.iter().flatten().map(text)
    }
}

impl Cloud {
    /// Returns the namespaces for images, without their definitions.
    ///
    /// # Errors
    ///
    /// If the service does not answer.
    pub fn namespaces(&self) -> Result<Vec<Namespace>, CloudError> {
        let mut path = format!("/v2/metadefs/namespaces?limit={PAGE}&resource_types={IMAGES}");
        let mut namespaces = Vec::new();
        loop {
            let page: Page = self.get(&path)?;
            let some = !page.namespaces.is_empty();
            namespaces.extend(page.namespaces);
            match page.next {
                Some(next) if some => path = next,
                _ => return Ok(namespaces),
            }
        }
    }

    /// Returns a namespace with its definitions.
    ///
    /// # Errors
    ///
    /// If the service does not answer; 404 if there is no such namespace.
    pub fn namespace(&self, name: &str) -> Result<Namespace, CloudError> {
        self.get(&format!("/v2/metadefs/namespaces/{}", encoded(name)))
    }
}
