//! An entry of `elements` in a recipe.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// An element in a recipe: its name, or its name and parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ElementUse {
    /// Name of the element.
    pub name: String,
    /// Values of the element's parameters.
    pub params: BTreeMap<String, serde_json::Value>,
}

impl<'de> Deserialize<'de> for ElementUse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = ElementUse;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an element, or `name: { parameter: value }`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<ElementUse, E> {
                Ok(ElementUse { name: name.to_owned(), params: BTreeMap::new() })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<ElementUse, A::Error> {
                let Some((name, params)) = map.next_entry::<String, Option<BTreeMap<_, _>>>()? else {
                    return Err(de::Error::custom("an element is missing here"));
                };
                // A second key is an error at that key.
                map.next_key::<Stray>()?;
                Ok(ElementUse { name, params: params.unwrap_or_default() })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A key that is one too many: reading it fails.
struct Stray;

impl<'de> Deserialize<'de> for Stray {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Err(de::Error::custom(format!(
            "`{key}` does not belong here: parameters are indented below their element, and each element has its own `-`"
        )))
    }
}
