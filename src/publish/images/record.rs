//! What is wanted of an image at the service.

use serde_json::{Value, json};

use super::properties::{self, Properties};
use super::scs;
use crate::export::manifest;
use crate::image::probe::probe;
use crate::publish::error::PublishError;
use crate::publish::subject::Source;
use crate::recipe::publish::{Glance, Visibility, dated};
use crate::units::ByteSize;

/// Property that holds the name of the recipe's image: what the images of a recipe have in common.
pub(super) const IMAGE: &str = "goldsmith_image";

/// Property that holds when the image's disk was made, in RFC 3339: which of two images is the newer one.
pub(super) const BUILT: &str = "goldsmith_built";

/// What is wanted of an image at the service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// Its name.
    pub name: String,
    /// Who sees it.
    pub visibility: Visibility,
    /// Words that it can be found by.
    pub tags: Vec<String>,
    /// Whether it cannot be deleted.
    pub protected: bool,
    /// Whether lists leave it out.
    pub hidden: bool,
    /// Its properties.
    pub properties: Properties,
}

impl Record {
    /// What a target wants of an image.
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
        // Nova starts nothing from a disk that is larger than the flavor's.
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
            // It is shown when it is promoted.
            hidden: target.hidden || target.promote.is_some(),
            properties,
        })
    }

    /// What may be brought up to date at any time.
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
