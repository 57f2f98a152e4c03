//! Records what a test saw of an image that passed every check, for the documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::reports::Verified;
use crate::verified::{Made, Record, directory};

/// Set it to write the records instead of comparing them.
const WRITE: &str = "GOLDSMITH_WRITE_DOCS";

/// A rule whose result depends on the host.
const OF_HOST: &str = "dns-answers";

/// Compares what was seen of an image with its record, `docs/verified/NAME.json`. `manifest` is the image's.
pub(crate) fn record(name: &str, title: &str, made: Made, manifest: &Path, verified: &Verified) {
    let text = std::fs::read_to_string(manifest).expect("a manifest");
    let manifest: Value = serde_json::from_str(&text).expect("JSON");
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).expect(pointer).to_owned();
    let elements: Vec<String> = serde_json::from_value(manifest["elements"].clone()).expect("names of elements");
    let boots = verified.report["facts"]["boots"].as_array().expect("boots");
    let passed: BTreeSet<String> = rules(verified, "passed").into_keys().collect();
    let mut skipped = rules(verified, "skipped");
    skipped.retain(|id, _| !passed.contains(id));
    let seen = Record {
        title: title.to_owned(),
        distro: text("/distro/name"),
        version: text("/distro/version"),
        arch: text("/arch"),
        made,
        elements: elements.into_iter().collect(),
        own_checks: verified.with("passed").iter().any(|found| found["id"].as_str().is_some_and(|id| id.contains('/'))),
        boots: boots.iter().filter_map(|boot| boot.as_str().map(str::to_owned)).collect(),
        passed,
        skipped,
    };
    let path = directory().join(format!("{name}.json"));
    if std::env::var_os(WRITE).is_some() {
        let json = serde_json::to_string_pretty(&seen).expect("JSON");
        std::fs::write(&path, format!("{json}\n")).expect("the record can be written");
        return;
    }
    let known = std::fs::read_to_string(&path).expect("a record");
    let known: Record = serde_json::from_str(&known).expect("JSON");
    assert!(seen.own_checks || !known.own_checks, "the checks of the elements did not run");
    // A record of a run without these checks says less, and stays true.
    let seen = Record { own_checks: known.own_checks, ..seen };
    assert_eq!(known, seen, "{WRITE}=1 writes {}", path.display());
}

/// The program's own rules with this outcome, each with its first evidence.
fn rules(verified: &Verified, outcome: &str) -> BTreeMap<String, String> {
    let found = verified.with(outcome).into_iter().map(|finding| {
        let evidence = finding["evidence"][0].as_str().unwrap_or_default();
        (finding["id"].as_str().expect("an id").to_owned(), evidence.to_owned())
    });
    // Checks of elements have the element's name and a number.
    found.filter(|(id, _)| !id.contains('/') && id != OF_HOST).collect()
}
