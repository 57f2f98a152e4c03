//! Image metadata of the Sovereign Cloud Stack (SCS-0102): from the recipe and from the image, with a check for completeness.

use serde_json::Value;

use super::properties::Properties;
use crate::publish::error::PublishError;
use crate::publish::problem::Problem;
use crate::publish::subject::Source;
use crate::recipe::scs::Scs;

/// Mandatory properties, and how to provide each.
const MANDATORY: [(&str, &str); 11] = [
    ("architecture", "`properties` may say it"),
    ("os_distro", "`properties` may say it"),
    ("os_version", "`properties` may say it"),
    ("hw_disk_bus", "`verify` in the recipe finds it out by booting; `properties` may say it"),
    ("replace_frequency", "`scs` says it"),
    ("provided_until", "`scs` says it"),
    ("uuid_validity", "`scs` says it"),
    ("image_source", "`scs` says it"),
    ("image_description", "`scs` says it"),
    ("image_build_date", "build the image anew, or say it in `properties`: 2026-11-21"),
    ("image_original_user", "`verify` in the recipe finds it out; `properties` may say it, or `none`"),
];

/// Adds the metadata of the standard. Properties of the recipe stay.
///
/// # Errors
///
/// If mandatory metadata is still missing.
pub(super) fn describe(source: &Source, scs: &Scs, properties: &mut Properties) -> Result<(), PublishError> {
    let mut set = |name: &str, value: String| {
        properties.values.entry(name.to_owned()).or_insert(value);
    };
    let Ok(Value::Object(said)) = serde_json::to_value(scs) else {
        unreachable!("a structure is a map");
    };
    for (name, value) in said.into_iter().filter(|(name, _)| name != "min_ram") {
        set(&name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    if let Some(created) = source.summary.created {
        set("image_build_date", created.strftime("%Y-%m-%d %H:%M:%S").to_string());
    }
    if let Some(user) = properties.values.get("os_admin_user").cloned() {
        properties.values.entry("image_original_user".to_owned()).or_insert(user);
    }
    if properties.booted {
        // The check has booted the image with this device.
        properties.values.entry("hw_rng_model".to_owned()).or_insert_with(|| "virtio".to_owned());
    }
    if properties.min_ram == 0 {
        properties.min_ram = scs.min_ram.unwrap_or(0);
    }
    let missing = MANDATORY.iter().filter(|(name, _)| !properties.values.contains_key(*name)).copied();
    let numbers = [
        ("min_disk", properties.min_disk, "`verify` in the recipe finds it out"),
        ("min_ram", properties.min_ram, "`measure` of `verify` finds it out; `min_ram` of `scs` may say it, in MiB"),
    ];
    let numbers = numbers.into_iter().filter(|(_, value, _)| *value == 0).map(|(name, _, help)| (name, help));
    let problems: Vec<_> = missing
        .chain(numbers)
        .map(|(name, help)| Problem { message: format!("nothing says `{name}`"), help: help.to_owned() })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(PublishError::Lacking(problems)) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::publish::images::properties::derive;

    fn scs() -> Scs {
        let said = serde_json::json!({
            "replace_frequency": "monthly", "provided_until": "none", "uuid_validity": "last-3", "hotfix_hours": 0,
            "image_source": "private", "image_description": "the golden one", "license_included": false,
        });
        serde_json::from_value(said).expect("metadata")
    }

    #[test]
    fn what_is_known_is_told_in_the_words_of_the_standard() {
        let mut source = crate::publish::subject::tests::source();
        source.summary.created = Some("2026-11-21T19:05:06Z".parse().expect("a time"));
        source.summary.facts = Some(serde_json::json!({
            "boots": ["bios"], "default_user": "debian", "min_disk_gib": 3, "min_ram_mib": 256, "measured": true,
        }));
        let said = BTreeMap::from([("image_source".to_owned(), "https://images.example/".to_owned())]);
        let mut properties = derive(&source, &said).expect("properties");
        describe(&source, &scs(), &mut properties).expect("nothing is missing");
        for (name, value) in [
            ("replace_frequency", "monthly"),
            ("hotfix_hours", "0"),
            ("license_included", "false"),
            ("image_build_date", "2026-11-21 19:05:06"),
            ("image_original_user", "debian"),
            ("image_source", "https://images.example/"),
            ("hw_rng_model", "virtio"),
        ] {
            assert_eq!(properties.values.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!properties.values.contains_key("min_ram") && !properties.values.contains_key("os_purpose"));
    }

    #[test]
    fn what_is_missing_is_told_all_at_once() {
        let source = crate::publish::subject::tests::source();
        let mut properties = derive(&source, &BTreeMap::new()).expect("properties");
        let Err(PublishError::Lacking(problems)) = describe(&source, &scs(), &mut properties) else {
            panic!("something is missing");
        };
        let told: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            told,
            ["hw_disk_bus", "image_build_date", "image_original_user", "min_disk", "min_ram"]
                .map(|name| format!("nothing says `{name}`"))
        );
        assert!(!properties.values.contains_key("hw_rng_model"));
        let scs = Scs { min_ram: Some(512), ..scs() };
        let mut properties = Properties { min_disk: 3, ..derive(&source, &BTreeMap::new()).expect("properties") };
        assert!(describe(&source, &scs, &mut properties).is_err());
        assert_eq!(properties.min_ram, 512);
    }
}
