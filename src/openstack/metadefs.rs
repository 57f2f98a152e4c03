//! The catalog of definitions: which properties things may have, and with which values. Image Service API v2, "Metadata
//! definitions".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::image::encoded;
use super::{Cloud, CloudError};

/// What images are to the catalog.
pub const IMAGES: &str = "OS::Glance::Image";

/// Namespaces that are asked for at once.
const PAGE: usize = 100;

/// Definitions that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its name: `OS::Compute::Watchdog`.
    pub namespace: String,
    /// Its name for people.
    #[serde(default)]
    pub display_name: Option<String>,
    /// What it is about.
    #[serde(default)]
    pub description: Option<String>,
    /// What the definitions are for.
    #[serde(default)]
    pub resource_type_associations: Vec<Association>,
    /// The definitions; none in lists.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Property>,
}

/// That definitions are for a kind of things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// The kind: [`IMAGES`].
    pub name: String,
    /// What the names of properties begin with there.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// The definition of a property.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Property {
    /// `string`, `integer`, `number`, `boolean`, `array`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Its name for people.
    #[serde(default)]
    pub title: Option<String>,
    /// What it means.
    #[serde(default)]
    pub description: Option<String>,
    /// All values that it may have.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
    /// What each value of a list must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<Property>>,
    /// Its least value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Value>,
    /// Its largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Value>,
    /// Its value where it is not set.
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
    /// What the names of its properties begin with at images; `None` if it is not about images.
    pub fn prefix(&self) -> Option<&str> {
        let images = self.resource_type_associations.iter().find(|known| known.name == IMAGES)?;
        Some(images.prefix.as_deref().unwrap_or_default())
    }
}

impl Property {
    /// All values that it may have, as text; none if it is not said.
    pub fn allowed(&self) -> impl Iterator<Item = String> + '_ {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.values.iter().flatten().map(text)
    }
}

impl Cloud {
    /// Namespaces with definitions for images, without these.
    ///
    /// # Errors
    ///
    /// If the service cannot be asked.
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

    /// A namespace and its definitions.
    ///
    /// # Errors
    ///
    /// If the service cannot be asked; 404 if there is none of this name.
    pub fn namespace(&self, name: &str) -> Result<Namespace, CloudError> {
        self.get(&format!("/v2/metadefs/namespaces/{}", encoded(name)))
    }
}
