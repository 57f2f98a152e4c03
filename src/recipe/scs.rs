//! Image metadata of the Sovereign Cloud Stack: properties that only the provider knows, in the words of the standard SCS-0102
//! "Image Metadata" (version 1.1; `os_purpose` is mandatory from 2.0 on).

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Properties of SCS-0102 that only the provider of the image knows. Each key is the name of a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scs {
    /// Least frequency at which the provider replaces the image with this name by a new one.
    pub replace_frequency: Frequency,
    /// Last day on which the provider offers an image with this name: a date, `notice` (until the provider announces the end), or `none` (the provider promises nothing).
    pub provided_until: String,
    /// How long users can refer to the image by its id: until a date, `last-N` (as long as it is one of the last N images with this name), `notice` (until the provider announces the end), `none` (the provider promises nothing), or `forever`.
    pub uuid_validity: String,
    /// URL from which users can download the image, or `private` if they cannot.
    pub image_source: String,
    /// Description of the image, or the URL of one.
    pub image_description: String,
    /// What the image is made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_purpose: Option<Purpose>,
    /// Longest time, in hours, from the release of a fix for a critical fault to an image with the fix; 0 means as soon as possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hotfix_hours: Option<u32>,
    /// Patch level of the operating system. Needed only if the build date does not say which patches the image has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patchlevel: Option<String>,
    /// Last day on which the vendor maintains the operating system: `2027-06-30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintained_until: Option<String>,
    /// Whether the price of the flavor includes the licence of the operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_included: Option<bool>,
    /// Whether users need a licence of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_required: Option<bool>,
    /// Whether the price of the flavor includes a maintenance subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_included: Option<bool>,
    /// Whether users need a maintenance subscription of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_required: Option<bool>,
    /// URI at which users get support: `mailto:help@cloud.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1_support_contact: Option<String>,
    /// Least memory that the image needs, in MiB. Default: the memory that `verify` with `measure` found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ram: Option<u64>,
}

/// How often the provider replaces an image by a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Frequency {
    /// Once a year.
    Yearly,
    /// Once a quarter.
    Quarterly,
    /// Once a month.
    Monthly,
    /// Once a week.
    Weekly,
    /// Once a day.
    Daily,
    /// Only if the image has a critical fault.
    CriticalBug,
    /// Never.
    Never,
}

/// What an image is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// General purpose, close to the image of the vendor.
    Generic,
    /// General purpose, with few packages.
    Minimal,
    /// A node of a Kubernetes cluster.
    K8snode,
    /// Computing on GPUs.
    Gpu,
    /// A network function, such as a router, a firewall or a load balancer.
    Network,
    /// Any other purpose.
    Custom,
}

impl Scs {
    /// Returns errors, each with its key and message. `keep` is the number of images that stay.
    pub(super) fn faults(&self, keep: Option<u32>) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if !is_word_or_date(&self.provided_until, &["none", "notice"]) {
            let text = &self.provided_until;
            faults.push(("provided_until", format!("`{text}` is neither a date (2027-06-30) nor `none` or `notice`")));
        }
        let last = self.uuid_validity.strip_prefix("last-").map(|number| number.parse::<u32>().unwrap_or(0));
        if last.is_none_or(|last| last == 0) && !is_word_or_date(&self.uuid_validity, &["none", "notice", "forever"]) {
            let text = &self.uuid_validity;
            let words = "neither a date (2027-06-30) nor `none`, `notice`, `forever` or `last-3`";
            faults.push(("uuid_validity", format!("`{text}` is {words}")));
        }
        match (keep, last) {
            (Some(keep), Some(last)) if keep < last => {
                let message = format!("`keep` leaves {keep} images, and {last} should be found by their ids");
                faults.push(("uuid_validity", message));
            }
            (Some(keep), None) if self.uuid_validity == "forever" => {
                let message = format!("`keep` leaves {keep} images, and all should be found by their ids for ever");
                faults.push(("uuid_validity", message));
            }
            _ => {}
        }
        let is_address =
            |text: &str| text.split_once("://").is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
        if self.image_source != "private" && !is_address(&self.image_source) {
            faults.push(("image_source", format!("`{}` is neither an address nor `private`", self.image_source)));
        }
        if self.image_description.trim().is_empty() {
            faults.push(("image_description", "a description, or its address, is missing here".to_owned()));
        }
        if let Some(text) = self.maintained_until.as_ref().filter(|text| !is_word_or_date(text, &[])) {
            faults.push(("maintained_until", format!("`{text}` is no date like 2027-06-30")));
        }
        if let Some(text) = self.l1_support_contact.as_ref().filter(|text| !text.contains(':')) {
            faults.push(("l1_support_contact", format!("`{text}` is no URI like mailto:help@cloud.example")));
        }
        if self.license_included == Some(true) && self.license_required == Some(true) {
            faults.push(("license_required", "a licence is either included or required, not both".to_owned()));
        }
        faults
    }
}

fn is_word_or_date(text: &str, words: &[&str]) -> bool {
    // jiff takes years of other lengths too.
    words.contains(&text) || (text.len() == 10 && Date::strptime("%Y-%m-%d", text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_standard() {
        let good = serde_json::json!({
            "replace_frequency": "critical_bug", "provided_until": "2027-06-30", "uuid_validity": "last-3",
            "image_source": "private", "image_description": "the golden one", "os_purpose": "k8snode",
            "hotfix_hours": 48, "maintained_until": "2028-06-30", "license_included": false,
            "l1_support_contact": "mailto:help@cloud.example",
        });
        let faults = |key: &str, value: serde_json::Value, keep| -> Vec<&str> {
            let mut said = good.clone();
            if !key.is_empty() {
                said[key] = value;
            }
            let scs: Scs = serde_json::from_value(said).expect("it is of the right form");
            scs.faults(keep).into_iter().map(|(key, _)| key).collect()
        };
        for (key, value) in [
            ("", ""),
            ("provided_until", "none"),
            ("provided_until", "notice"),
            ("uuid_validity", "forever"),
            ("uuid_validity", "2027-06-30"),
            ("image_source", "https://images.example/gold.qcow2"),
        ] {
            assert_eq!(faults(key, value.into(), None), [""; 0], "{key}: {value}");
        }
        for (key, value) in [
            ("provided_until", "forever"),
            ("provided_until", "2027-6-30"),
            ("provided_until", "2027-02-30"),
            ("uuid_validity", "last-0"),
            ("uuid_validity", "last"),
            ("image_source", "here"),
            ("image_description", " "),
            ("maintained_until", "notice"),
            ("l1_support_contact", "nobody"),
        ] {
            assert_eq!(faults(key, value.into(), None), [key], "{value}");
        }
        // What is promised contradicts what is removed.
        assert_eq!(faults("", "".into(), Some(2)), ["uuid_validity"]);
        assert_eq!(faults("", "".into(), Some(3)), [""; 0]);
        assert_eq!(faults("uuid_validity", "forever".into(), Some(3)), ["uuid_validity"]);
        let mut both = good.clone();
        (both["license_included"], both["license_required"]) = (true.into(), true.into());
        let both: Scs = serde_json::from_value(both).expect("it is of the right form");
        assert_eq!(both.faults(None)[0].0, "license_required");
    }
}
