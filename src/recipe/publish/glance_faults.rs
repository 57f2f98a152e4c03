//! Checks of the target `glance`: finds errors in what a recipe says about it.

use jiff::Timestamp;

use super::fault::Fault;
use super::glance::{Certificate, Glance, Sign};
use super::names::{dated, property};
use crate::image::Output;
use crate::recipe::delivery::{ALL, Import};

impl Glance {
    /// Returns the errors in this target. `outputs` are the outputs of the image, if they are known.
    pub(super) fn faults(&self, outputs: Option<&[Output]>) -> Vec<Fault> {
        let mut faults = delivery(self);
        let mut add = |path: &[&str], message: String, help: &str| faults.push(Fault::at(path, message, help));
        if let Some(Err(message)) = self.name.as_deref().map(|name| dated(name, Timestamp::UNIX_EPOCH)) {
            add(&["name"], message, "`%Y%m%d` is a date, `%%` a percent sign");
        }
        if let Some((format, outputs)) = self.format.zip(outputs)
            && outputs.iter().all(|output| output.format != format)
        {
            add(
                &["format"],
                format!("no output is a {} file", format.name()),
                "add it to `outputs`, or leave this out",
            );
        }
        for name in self.properties.keys() {
            if let Err(error) = property(name) {
                add(&["properties", name], error.to_string(), "`goldsmith images metadefs` shows what clouds know");
            }
        }
        if let Some(Sign { certificate: Certificate::Id(id), .. }) = &self.sign
            && uuid::Uuid::try_parse(id).is_err()
        {
            let message = format!("`{id}` is no id of a key manager: a UUID is one");
            add(&["sign", "certificate", "id"], message, "`file: PATH` names a certificate in PEM");
        }
        for (key, message) in self.scs.iter().flat_map(|scs| scs.faults(self.keep)) {
            add(&["scs", key], message, "SCS-0102 \"Image Metadata\" has the words");
        }
        if self.keep == Some(0) {
            let message = "at least one image stays: the one that is published".to_owned();
            add(&["keep"], message, "leave it out to keep all");
        }
        if let Some(promote) = &self.promote {
            if promote.tag.trim().is_empty() {
                add(&["promote", "tag"], "the promoted image needs a tag".to_owned(), "leave it out for `promoted`");
            }
            if self.tags.contains(&promote.tag) {
                let message = format!("every image gets the tag `{}`, not only the promoted one", promote.tag);
                add(&["tags"], message, "remove it here: promoting adds it");
            }
            if self.hidden {
                let message = "a promoted image cannot be hidden".to_owned();
                add(&["hidden"], message, "leave it out: an image is hidden until it is promoted");
            }
        }
        faults
    }
}

/// Returns the errors in the keys that decide how the data gets to the service.
fn delivery(glance: &Glance) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |path: &[&str], message: String, help: &str| faults.push(Fault::at(path, message, help));
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::image::Format;
    use crate::recipe::delivery::RegionImage;
    use crate::recipe::publish::glance::{Hash, Promote};
    use crate::recipe::secret::SecretSource;

    #[test]
    fn what_contradicts_itself_is_told() {
        let good = Glance { promote: Some(Promote::default()), keep: Some(1), ..Glance::default() };
        let outputs = [Output::new(Format::Qcow2)];
        let told = |glance: &Glance| -> Vec<String> {
            glance.faults(Some(&outputs)).into_iter().map(|fault| fault.path.join(".")).collect()
        };
        assert_eq!(told(&good), [""; 0]);
        let sign = Sign {
            key: SecretSource::Env("KEY".to_owned()),
            certificate: Certificate::Id("mine".to_owned()),
            hash: Hash::default(),
        };
        let properties = BTreeMap::from([("size".to_owned(), "3".to_owned())]);
        for (glance, place) in [
            (Glance { keep: Some(0), ..good.clone() }, "keep"),
            (Glance { hidden: true, ..good.clone() }, "hidden"),
            (Glance { sign: Some(sign), ..good.clone() }, "sign.certificate.id"),
            (Glance { name: Some("%".to_owned()), ..good.clone() }, "name"),
            (Glance { format: Some(Format::Vmdk), ..good.clone() }, "format"),
            (Glance { tags: vec!["promoted".to_owned()], ..good.clone() }, "tags"),
            (Glance { properties, ..good.clone() }, "properties.size"),
            (
                Glance { promote: Some(Promote { tag: " ".to_owned(), ..Promote::default() }), ..good.clone() },
                "promote.tag",
            ),
        ] {
            assert_eq!(told(&glance), [place]);
        }
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        let [url, nowhere] = ["https://host/file", "ftp://host/file"].map(|url| Some(url.to_owned()));
        let from = |image: &str| format!("two/{image}").parse::<RegionImage>().ok();
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
            let told: Vec<_> = delivery(&glance).into_iter().map(|fault| fault.path.join(".")).collect();
            assert_eq!(told, places, "{glance:?}");
        }
        assert!("two".parse::<RegionImage>().is_err());
    }
}
