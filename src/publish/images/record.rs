//! The metadata that an image gets at the service.

use serde_json::{Value, json};

use super::properties::{self, Properties};
use super::scs;
use crate::export::manifest;
use crate::image::probe::probe;
use crate::publish::error::PublishError;
use crate::publish::subject::Source;
use crate::recipe::publish::{Glance, Visibility, dated};
use crate::units::ByteSize;

/// Property with the name of the recipe's image, by which the images of a recipe are found.
pub(super) const IMAGE: &str = "goldsmith_image";

/// Property with the time when the image's disk was made, in RFC 3339. It decides which of two images is newer.
pub(super) const BUILT: &str = "goldsmith_built";

/// The metadata that an image gets at the service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// Name of the image.
    pub name: String,
    /// Visibility: which projects see the image.
    pub visibility: Visibility,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether the service refuses to delete the image.
    pub protected: bool,
    /// Whether lists leave it out.
    pub hidden: bool,
    /// Properties, and the least disk and memory.
    pub properties: Properties,
}

impl Record {
    /// Makes the metadata that a target wants for an image.
    pub(super) fn of(source: &Source, target: &Glance) -> Result<Self, PublishError> {
        let name = match (&target.name, source.summary.created) {
            (None, _) => source.summary.name.clone(),
            (Some(name), Some(made)) => dated(name, made).map_err(PublishError::Name)?,
            (Some(name), None) if !name.contains('%') => name.clone(),
            (Some(_), None) => {
                let reason = format!("{} does not say when the image was made", manifest::FILE);
                return Err(PublishError::Name(reason));
            }
        };
        let mut properties = properties::derive(source, &target.properties)?;
        properties.values.insert(IMAGE.to_owned(), source.summary.name.clone());
        if let Some(made) = source.summary.created {
            properties.values.insert(BUILT.to_owned(), made.to_string());
        }
        // Nova refuses a flavor whose disk is smaller than the image's.
        let disk = probe(&source.file()).map_err(|error| PublishError::Upload(error.into()))?.virtual_size;
        properties.min_disk = properties.min_disk.max(disk.unwrap_or(0).div_ceil(ByteSize::GIB));
        if let Some(scs) = &target.scs {
            scs::describe(source, scs, &mut properties)?;
        }
        Ok(Self {
            name,
            visibility: target.visibility,
            tags: target.tags.clone(),
            protected: target.protected,
            // Promotion shows it.
            hidden: target.hidden || target.promote.is_some(),
            properties,
        })
    }

    /// Returns the attributes that may change at any time.
    pub(super) fn attributes(&self) -> Vec<(String, Value)> {
        let properties = self.properties.values.iter().map(|(name, value)| (name.clone(), json!(value)));
        let attributes = [
            ("protected", json!(self.protected)),
            ("min_disk", json!(self.properties.min_disk)),
            ("min_ram", json!(self.properties.min_ram)),
        ];
        properties.chain(attributes.map(|(name, value)| (name.to_owned(), value))).collect()
    }
}
