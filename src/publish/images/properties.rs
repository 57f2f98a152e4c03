//! Properties of an image at an image service, derived from the facts in its manifest.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::publish::subject::Source;
use crate::recipe::publish::{PropertyError, property};
use crate::recipe::verify::BootKind;
use crate::recipe::{Arch, Firmware};

/// The properties of an image, and the least disk and memory of a flavor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Properties {
    /// Names and values, in the terms of Nova and Glance ("Useful image properties").
    pub values: BTreeMap<String, String>,
    /// Least size of the flavor's disk, in GiB.
    pub min_disk: u64,
    /// Least memory of the flavor, in MiB; 0 if it was not measured.
    pub min_ram: u64,
    /// Whether the image has booted in a check, with virtio devices.
    pub booted: bool,
}

/// The facts of the manifest that become properties.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ManifestFacts {
    distro: Option<String>,
    version: Option<String>,
    firmware: Vec<Firmware>,
    boots: Vec<BootKind>,
    default_user: Option<String>,
    guest_agent: bool,
    min_disk_gib: Option<u64>,
    min_ram_mib: Option<u64>,
    measured: bool,
}

/// An error of deriving properties.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    /// A property of the recipe is not valid.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// The facts of the manifest have an unknown form.
    #[error("the facts in {} cannot be read", crate::export::manifest::FILE)]
    ManifestFacts(#[source] serde_json::Error),
}

/// Derives the properties of an image from its facts. Those in `said`, from the recipe, have precedence.
///
/// # Errors
///
/// If a property of the recipe is not valid, or the facts cannot be read.
pub(super) fn derive(source: &Source, said: &BTreeMap<String, String>) -> Result<Properties, DeriveError> {
    let known = match &source.summary.facts {
        None | Some(Value::Null) => ManifestFacts::default(),
        Some(facts) => serde_json::from_value(facts.clone()).map_err(DeriveError::ManifestFacts)?,
    };
    let mut values = BTreeMap::new();
    let mut set = |name: &str, value: Option<String>| {
        values.extend(value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value)));
    };
    let architecture = match source.summary.arch {
        Arch::X86_64 => "x86_64",
        Arch::Aarch64 => "aarch64",
    };
    set("architecture", Some(architecture.to_owned()));
    set("os_type", Some("linux".to_owned()));
    set("os_distro", known.distro.or_else(|| Some(source.summary.distro.name.clone())));
    set("os_version", known.version.or_else(|| Some(source.summary.distro.version.clone())));
    set("os_admin_user", known.default_user);
    set("hw_qemu_guest_agent", known.guest_agent.then(|| "yes".to_owned()));
    // An image for both firmwares sets nothing, so that the cloud chooses. One for UEFI only needs a machine type that has it.
    let only = |firmware| known.firmware == [firmware];
    let firmware = (only(Firmware::Uefi).then_some("uefi")).or(only(Firmware::Bios).then_some("bios"));
    set("hw_firmware_type", firmware.map(str::to_owned));
    set("hw_machine_type", only(Firmware::Uefi).then(|| "q35".to_owned()));
    let secure = only(Firmware::Uefi) && known.boots.contains(&BootKind::SecureBoot);
    set("os_secure_boot", secure.then(|| "optional".to_owned()));
    // The checks have booted it with these.
    let seen = !known.boots.is_empty();
    set("hw_disk_bus", seen.then(|| "virtio".to_owned()));
    set("hw_vif_model", seen.then(|| "virtio".to_owned()));
    for (name, value) in said {
        property(name)?;
        if value.is_empty() {
            values.remove(name);
        } else {
            values.insert(name.clone(), value.clone());
        }
    }
    let min_disk = known.min_disk_gib.unwrap_or(0);
    let min_ram = known.min_ram_mib.filter(|_| known.measured).unwrap_or(0);
    Ok(Properties { values, min_disk, min_ram, booted: seen })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_that_are_not_understood_are_not_passed_over() {
        let mut source = crate::publish::subject::tests::source();
        assert_eq!(derive(&source, &BTreeMap::new()).expect("without facts").values["os_version"], "12");
        source.summary.facts = Some(serde_json::json!({ "firmware": "all" }));
        assert!(matches!(derive(&source, &BTreeMap::new()), Err(DeriveError::ManifestFacts(_))));
    }
}
