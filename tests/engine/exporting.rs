//! What is made of a final disk.

use std::path::Path;
use std::sync::Arc;

use goldsmith::build::FinalDisk;
use goldsmith::digest::Sha256;
use goldsmith::event::{Reporter, Silent};
use goldsmith::export::manifest::RecipeInfo;
use goldsmith::export::{ExportError, Exported, export};
use goldsmith::interrupt::Interrupt;
use goldsmith::plan::Plan;

use crate::bench::Bench;

const RECIPE: &str = "
outputs: [{ format: qcow2, compression: zlib }, { format: raw }]
steps: { configure: [{ hostname: web }] }
";

fn to(dir: &Path, plan: &Plan, disk: &FinalDisk, interrupt: &Interrupt) -> Result<Exported, ExportError> {
    let info = RecipeInfo { file: "recipe.yaml".to_owned(), sha256: Sha256::of(b"text") };
    let reporter: Arc<dyn Reporter> = Arc::new(Silent);
    export(plan, disk, dir, &info, &reporter, interrupt)
}

/// Names in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn artifacts_are_whole_summed_and_vouched_for() {
    let bench = Bench::new();
    let plan = bench.plan(RECIPE);
    let disk = bench.build(&plan).expect("it builds");
    let out = bench.dir.path().join("out");
    std::fs::create_dir(&out).expect("a directory");
    std::fs::write(out.join(".goldsmith-left-by-a-killed-build"), "x").expect("writable");
    let exported = to(&out, &plan, &disk, &Interrupt::new()).expect("it is exported");
    assert!(!exported.unchanged);
    assert_eq!(names(&out), ["SHA256SUMS", "image.qcow2", "image.raw", "manifest.json"]);
    let mut check = std::process::Command::new("sha256sum");
    let checked = check.args(["--check", "--strict", "SHA256SUMS"]).current_dir(&out).output();
    assert!(checked.expect("sha256sum is there").status.success());
    let raw = std::fs::metadata(out.join("image.raw")).expect("it is there");
    assert_eq!(raw.len(), plan.disk.size.get());

    let manifest = std::fs::read(out.join("manifest.json")).expect("it is there");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    let last = plan.steps.last().expect("there are steps");
    assert_eq!(manifest["layer"], serde_json::json!(last.key));
    assert_eq!(manifest["packages"][0]["version"], "12.4");
    assert_eq!(manifest["artifacts"][0]["sha256"], serde_json::json!(exported.artifacts[0].digests.sha256));
    assert_eq!(manifest["steps"].as_array().map(Vec::len), Some(plan.steps.len()));
    assert_eq!(manifest["recipe"]["sha256"], serde_json::json!(Sha256::of(b"text")));
}

#[test]
fn artifacts_are_made_again_only_if_they_are_not_those_of_the_disk() {
    let bench = Bench::new();
    let plan = bench.plan(RECIPE);
    let disk = bench.build(&plan).expect("it builds");
    let out = bench.dir.path().join("out");
    let exported = |plan: &Plan, disk: &FinalDisk| to(&out, plan, disk, &Interrupt::new()).expect("it is exported");
    assert!(!exported(&plan, &disk).unchanged);
    let again = exported(&plan, &disk);
    assert!(again.unchanged);
    assert_eq!(again.artifacts.len(), 2);

    for file in ["image.raw", "SHA256SUMS", "manifest.json"] {
        std::fs::remove_file(out.join(file)).expect("it is there");
        assert!(!exported(&plan, &disk).unchanged, "{file} was gone");
        assert!(exported(&plan, &disk).unchanged, "{file}");
    }
    std::fs::write(out.join("image.qcow2"), "tampered with").expect("writable");
    assert!(!exported(&plan, &disk).unchanged, "the size changed");
    let fewer = bench.plan(&RECIPE.replace(", { format: raw }", ""));
    assert!(!exported(&fewer, &disk).unchanged, "an output is gone");
    let other = bench.plan(&RECIPE.replace("zlib", "none"));
    assert!(!exported(&other, &disk).unchanged, "the compression changed");
    let other = bench.plan(&RECIPE.replace("web", "db"));
    let disk = bench.build(&other).expect("it builds");
    assert!(!exported(&other, &disk).unchanged, "the disk changed");
}

#[test]
fn of_two_exports_to_one_place_one_does_the_work() {
    let bench = Bench::new();
    let plan = bench.plan(RECIPE);
    let disk = bench.build(&plan).expect("it builds");
    let out = bench.dir.path().join("out");
    let mut unchanged = std::thread::scope(|scope| {
        let exports = [0, 1].map(|_| scope.spawn(|| to(&out, &plan, &disk, &Interrupt::new())));
        exports.map(|export| export.join().expect("no panic").expect("it is exported").unchanged)
    });
    unchanged.sort_unstable();
    assert_eq!(unchanged, [false, true]);
    assert_eq!(names(&out), ["SHA256SUMS", "image.qcow2", "image.raw", "manifest.json"]);
}

#[test]
fn an_interrupted_export_leaves_what_was_there() {
    let bench = Bench::new();
    let plan = bench.plan(RECIPE);
    let disk = bench.build(&plan).expect("it builds");
    let out = bench.dir.path().join("out");
    std::fs::create_dir(&out).expect("a directory");
    std::fs::write(out.join("image.qcow2"), "of yesterday").expect("writable");
    let interrupt = Interrupt::new();
    interrupt.raise();
    assert!(matches!(to(&out, &plan, &disk, &interrupt), Err(ExportError::Interrupted)));
    assert_eq!(names(&out), ["image.qcow2"]);
    assert_eq!(std::fs::read(out.join("image.qcow2")).expect("it is there"), b"of yesterday");
}
