//! What a recipe says about how the data of its image gets to an image service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::publish::{Fault, Glance};

/// The word for all stores of a service.
pub const ALL: &str = "all";

/// How data gets to a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Import {
    /// Uploaded, unless several stores are wanted and the service can import what is staged.
    #[default]
    Auto,
    /// Uploaded, and copied to further stores.
    Upload,
    /// Sent to where the service imports it from.
    GlanceDirect,
    /// Fetched by the service from `url`.
    WebDownload,
    /// Fetched by the service from the image service of another region: `from`.
    GlanceDownload,
}

impl Import {
    /// Its word in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Upload => "upload",
            Self::GlanceDirect => "glance-direct",
            Self::WebDownload => "web-download",
            Self::GlanceDownload => "glance-download",
        }
    }
}

/// An image of another region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Elsewhere {
    /// The region.
    pub region: String,
    /// Id of the image there.
    pub image: String,
}

impl std::str::FromStr for Elsewhere {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((region, image)) => Ok(Self { region: region.to_owned(), image: image.to_owned() }),
            None => Err("write it like REGION/ID".to_owned()),
        }
    }
}

/// What is wrong with what a target says about it.
pub(super) fn faults(glance: &Glance) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |path: &[&str], message: String, help: &str| {
        let path = path.iter().map(|key| (*key).to_owned()).collect();
        faults.push(Fault { path, message, help: help.to_owned() });
    };
    let needs = |key: &str| format!("`{}` needs `{key}`", glance.import.name());
    match (glance.import, &glance.url) {
        (Import::WebDownload, None) => add(&["import"], needs("url"), "it is the address of the file, for the service"),
        (Import::WebDownload, Some(url)) => {
            if let Err((message, help)) = crate::address::for_a_service(url) {
                add(&["url"], message.to_owned(), help);
            }
        }
        (_, None) => {}
        (_, Some(_)) => {
            let message = "only `web-download` fetches from an address".to_owned();
            add(&["url"], message, "`import: web-download` makes the service do so");
        }
    }
    match (glance.import, &glance.from) {
        (Import::GlanceDownload, None) => {
            add(&["import"], needs("from"), "it is the region that has the image, and its id there");
        }
        (Import::GlanceDownload, Some(from)) if uuid::Uuid::try_parse(&from.image).is_err() => {
            let message = format!("`{}` is not the id of an image", from.image);
            add(&["from", "image"], message, "`goldsmith images list --os-region REGION` shows it");
        }
        (Import::GlanceDownload, Some(_)) | (_, None) => {}
        (_, Some(_)) => {
            let message = "only `glance-download` fetches from another region".to_owned();
            add(&["from"], message, "`import: glance-download` makes the service do so");
        }
    }
    if glance.stores.len() > 1 && glance.stores.iter().any(|store| store == ALL) {
        let message = format!("`{ALL}` has all stores, so that no other can be named");
        add(&["stores"], message, "leave the others out");
    }
    let mut stores = glance.stores.clone();
    stores.sort_unstable();
    stores.dedup();
    if stores.len() < glance.stores.len() || stores.iter().any(String::is_empty) {
        add(&["stores"], "a store is named twice, or has no name".to_owned(), "name each once");
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_told() {
        let [url, nowhere] = ["https://host/file", "ftp://host/file"].map(|url| Some(url.to_owned()));
        let from = |image: &str| format!("two/{image}").parse::<Elsewhere>().ok();
        let id = uuid::Uuid::nil().to_string();
        let stores = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let base = Glance::default;
        for (glance, places) in [
            (base(), &[][..]),
            (Glance { import: Import::WebDownload, url: url.clone(), ..base() }, &[]),
            (Glance { import: Import::WebDownload, ..base() }, &["import"]),
            (Glance { import: Import::WebDownload, url: nowhere, ..base() }, &["url"]),
            (Glance { url, from: from(&id), ..base() }, &["url", "from"]),
            (Glance { import: Import::GlanceDownload, from: from(&id), ..base() }, &[]),
            (Glance { import: Import::GlanceDownload, from: from("gold"), ..base() }, &["from.image"]),
            (Glance { import: Import::GlanceDownload, ..base() }, &["import"]),
            (Glance { stores: stores(&["fast", "all"]), ..base() }, &["stores"]),
            (Glance { stores: stores(&["fast", "fast"]), ..base() }, &["stores"]),
            (Glance { stores: stores(&["fast", ""]), ..base() }, &["stores"]),
            (Glance { stores: stores(&["fast", "slow"]), ..base() }, &[]),
        ] {
            let told: Vec<_> = faults(&glance).into_iter().map(|fault| fault.path.join(".")).collect();
            assert_eq!(told, places, "{glance:?}");
        }
        assert!("two".parse::<Elsewhere>().is_err());
    }
}
