//! What is made of a final disk.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use goldsmith::build::FinalDisk;
use goldsmith::digest::Sha256;
use goldsmith::event::{Event, Reporter, Silent};
use goldsmith::export::manifest::RecipeInfo;
use goldsmith::export::origin::{Layers, Origin};
use goldsmith::export::{ExportError, Exported, Past, export};
use goldsmith::interrupt::Interrupt;
use goldsmith::layer::{Layer, LayerKey, Lookup, NewLayer, Parent, Store};
use goldsmith::plan::Plan;
use goldsmith::units::ByteSize;

use super::fixture::{Events, Fixture};

const RECIPE: &str = "
outputs: [{ format: qcow2, compression: zlib }, { format: raw }]
steps: { configure: [{ hostname: web }] }
";

fn to(dir: &Path, plan: &Plan, disk: &FinalDisk, interrupt: &Interrupt) -> Result<Exported, ExportError> {
    export(plan, disk, dir, &info(), None, &(Arc::new(Silent) as _), interrupt)
}

fn info() -> RecipeInfo {
    RecipeInfo { file: "recipe.yaml".to_owned(), sha256: Sha256::of(b"text"), included: Default::default() }
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
    let fixture = Fixture::new();
    let plan = fixture.plan(RECIPE);
    let disk = fixture.build(&plan).expect("it builds");
    let out = fixture.dir.path().join("out");
    std::fs::create_dir(&out).expect("a directory");
    std::fs::write(out.join(".goldsmith-aB3dE6-image.raw"), "left by a killed build").expect("writable");
    std::fs::write(out.join(".goldsmith-notes"), "of the user").expect("writable");
    let exported = to(&out, &plan, &disk, &Interrupt::new()).expect("it is exported");
    assert!(!exported.unchanged);
    assert_eq!(names(&out), [".goldsmith-notes", "SHA256SUMS", "image.qcow2", "image.raw", "manifest.json"]);
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
    let fixture = Fixture::new();
    let plan = fixture.plan(RECIPE);
    let disk = fixture.build(&plan).expect("it builds");
    let out = fixture.dir.path().join("out");
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
    let fewer = fixture.plan(&RECIPE.replace(", { format: raw }", ""));
    assert!(!exported(&fewer, &disk).unchanged, "an output is gone");
    let other = fixture.plan(&RECIPE.replace("zlib", "none"));
    assert!(!exported(&other, &disk).unchanged, "the compression changed");
    let other = fixture.plan(&RECIPE.replace("web", "db"));
    let disk = fixture.build(&other).expect("it builds");
    assert!(!exported(&other, &disk).unchanged, "the disk changed");
}

/// Commits a layer into which `qemu-io` writes.
fn layer(store: &Store, name: &str, parent: &Parent, writes: &[&str]) -> Layer {
    let key = LayerKey::of(name);
    let Lookup::Miss(mut slot) = store.claim(&key, &Interrupt::new(), &mut || {}).expect("it opens") else {
        panic!("the layer is there")
    };
    slot.create_overlay(parent, ByteSize::bytes(8 << 20)).expect("an overlay");
    let commands = writes.iter().flat_map(|command| ["-c", command]);
    let written = Command::new("qemu-io").args(["-f", "qcow2"]).args(commands).arg(slot.disk_path()).output();
    assert!(written.expect("qemu-io is there").status.success());
    let meta = NewLayer {
        seconds: 1.0,
        step: name.to_owned(),
        image_name: "image".to_owned(),
        ingredients: serde_json::json!(name),
        facts: serde_json::Value::Null,
        extras: Vec::new(),
    };
    slot.commit(meta).expect("it is committed")
}

#[test]
fn an_export_takes_over_what_the_one_before_has_compressed() {
    let fixture = Fixture::new();
    let (store, origin) = (fixture.store(), Origin::of(&fixture.cache()));
    let plan = fixture.plan("outputs: [{ format: qcow2 }]");
    // The replaced layers write zeros and give clusters back, too, and one of the new ones grows into what was empty.
    let base = layer(&store, "base", &Parent::None, &["write -P 1 0 2M", "write -P 2 3M 1M", "write -P 3 5M 1M"]);
    let on = Parent::Layer(base.key);
    let before = layer(&store, "before", &on, &["write -P 4 1M 64k", "write -z 3M 64k", "write -P 5 7M 64k"]);
    let now = layer(&store, "now", &on, &["write -P 6 5M 100k", "discard 1536k 128k"]);
    let disk = |layer: &Layer| FinalDisk { layer: layer.clone(), timings: Vec::new() };
    let out = fixture.dir.path().join("out");
    let export_after = |disk: &FinalDisk, before: &FinalDisk, change: &dyn Fn()| {
        let _ = std::fs::remove_dir_all(&out);
        to(&out, &plan, before, &Interrupt::new()).expect("it is exported");
        let chain = store.chain(&before.layer.key).expect("readable").expect("it is there");
        origin.record(&out, &Layers::of(&chain)).expect("it is recorded");
        change();
        let past = Some(Past { origin: &origin, store: &store });
        let events = Arc::new(Events::default());
        let reporter: Arc<dyn Reporter> = Arc::clone(&events) as _;
        export(&plan, disk, &out, &info(), past, &reporter, &Interrupt::new()).expect("it is exported");
        let taken = |event: Event| match event {
            Event::Detail { message } => Some(message),
            Event::Warning { message } => Some(format!("warning: {message}")),
            _ => None,
        };
        (
            std::fs::read(out.join("image.qcow2")).expect("it is there"),
            events.all().into_iter().filter_map(taken).collect::<Vec<_>>(),
        )
    };
    let fresh = |disk: &FinalDisk| {
        // Not beside the others, which would take over what is there.
        let fresh = fixture.dir.path().join("elsewhere/fresh");
        let _ = std::fs::remove_dir_all(&fresh);
        to(&fresh, &plan, disk, &Interrupt::new()).expect("it is exported");
        std::fs::read(fresh.join("image.qcow2")).expect("it is there")
    };
    for (disk, before) in [(disk(&now), disk(&before)), (disk(&before), disk(&now)), (disk(&base), disk(&now))] {
        let (file, told) = export_after(&disk, &before, &|| {});
        assert!(file == fresh(&disk), "another file than without the export before: {told:?}");
        assert!(told.len() == 1 && told[0].contains("are as in the export before"), "{told:?}");
    }
    // The export of another image beside this one gives as much.
    export_after(&disk(&before), &disk(&before), &|| {});
    let other = fixture.dir.path().join("other");
    let events = Arc::new(Events::default());
    let reporter: Arc<dyn Reporter> = Arc::clone(&events) as _;
    let past = Some(Past { origin: &origin, store: &store });
    export(&plan, &disk(&now), &other, &info(), past, &reporter, &Interrupt::new()).expect("it is exported");
    assert!(std::fs::read(other.join("image.qcow2")).expect("it is there") == fresh(&disk(&now)));
    let told = |event: &Event| matches!(event, Event::Detail { message } if message.contains("are as in the export"));
    assert!(events.all().iter().any(told), "{:?}", events.all());
    std::fs::remove_dir_all(&other).expect("removed");
    // A file that was changed gives nothing.
    let image = out.join("image.qcow2");
    let damage = || {
        let mut bytes = std::fs::read(&image).expect("it is there");
        let middle = 64 * 1024 + 20;
        bytes[middle] ^= 1;
        std::fs::write(&image, bytes).expect("writable");
    };
    let (file, told) = export_after(&disk(&now), &disk(&before), &damage);
    assert!(file == fresh(&disk(&now)));
    assert!(told.len() == 2 && told[1].contains("was changed since"), "{told:?}");
    // Neither does a manifest of somebody else, nor a layer that was made again.
    let manifest = || {
        let path = out.join("manifest.json");
        std::fs::write(&path, std::fs::read_to_string(&path).expect("text") + " ").expect("writable");
    };
    assert_eq!(export_after(&disk(&now), &disk(&before), &manifest).1, [""; 0]);
    let made_again = || {
        std::fs::remove_dir_all(before.disk.parent().expect("a directory")).expect("removed");
        layer(&store, "before", &on, &["write -P 4 1M 64k"]);
    };
    assert_eq!(export_after(&disk(&now), &disk(&before), &made_again).1, [""; 0]);
}

#[test]
fn of_two_exports_to_one_place_one_does_the_work() {
    let fixture = Fixture::new();
    let plan = fixture.plan(RECIPE);
    let disk = fixture.build(&plan).expect("it builds");
    let out = fixture.dir.path().join("out");
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
    let fixture = Fixture::new();
    let plan = fixture.plan(RECIPE);
    let disk = fixture.build(&plan).expect("it builds");
    let out = fixture.dir.path().join("out");
    std::fs::create_dir(&out).expect("a directory");
    std::fs::write(out.join("image.qcow2"), "of yesterday").expect("writable");
    let interrupt = Interrupt::new();
    interrupt.raise();
    assert!(matches!(to(&out, &plan, &disk, &interrupt), Err(ExportError::Interrupted)));
    assert_eq!(names(&out), ["image.qcow2"]);
    assert_eq!(std::fs::read(out.join("image.qcow2")).expect("it is there"), b"of yesterday");
}

const TREES: &str = "
outputs: [{ format: aki }, { format: raw }, { format: tar }, { format: squashfs }, { format: ari }]
steps: { configure: [
  { write: { path: /boot/vmlinuz-6.1.0-9-amd64, content: kernel } },
  { write: { path: /boot/initrd.img-6.1.0-9-amd64, content: initrd } },
  { write: { path: /boot/grub/grub.cfg, content: \"menuentry 'x' {\\nlinux /boot/vmlinuz-6.1.0-9-amd64 root=UUID=1 ro\\n}\\n\" } } ] }
";

#[test]
fn outputs_without_a_disk_are_made_of_what_was_taken_out_of_it() {
    let fixture = Fixture::new();
    let plan = fixture.plan(TREES);
    let disk = fixture.build(&plan).expect("it builds");
    let out = fixture.dir.path().join("out");
    let exported = to(&out, &plan, &disk, &Interrupt::new()).expect("it is exported");
    let files: Vec<_> = exported.artifacts.iter().map(|artifact| artifact.file.as_str()).collect();
    assert_eq!(files, ["image.vmlinuz", "image.raw", "image.tar", "image.squashfs", "image.initrd"]);
    for (file, content) in [("image.vmlinuz", "kernel"), ("image.initrd", "initrd")] {
        assert_eq!(std::fs::read_to_string(out.join(file)).expect("it is there"), content);
    }
    let said = |program: &str, args: &[&str]| {
        let output = std::process::Command::new(program).args(args).current_dir(&out).output().expect(program);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    said("sha256sum", &["--check", "--strict", "SHA256SUMS"]);
    assert!(said("tar", &["tf", "image.tar"]).contains("boot/vmlinuz-6.1.0-9-amd64"));
    assert!(said("unsquashfs", &["-ll", "image.squashfs"]).contains("squashfs-root/boot/grub/grub.cfg"));
    let manifest = std::fs::read(out.join("manifest.json")).expect("it is there");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["boot"]["kernel"], "/boot/vmlinuz-6.1.0-9-amd64");
    assert_eq!(manifest["boot"]["args"], serde_json::json!(["root=UUID=1", "ro"]));
    fixture.assert_store_is_sound();

    // The same again launches nothing and makes the same bytes.
    fixture.world.reset();
    let before: Vec<_> = exported.artifacts.iter().map(|artifact| artifact.digests.sha256).collect();
    std::fs::remove_file(out.join("SHA256SUMS")).expect("it is there");
    let again = to(&out, &plan, &fixture.build(&plan).expect("it is there"), &Interrupt::new()).expect("exported");
    assert!(!again.unchanged);
    assert_eq!(again.artifacts.iter().map(|artifact| artifact.digests.sha256).collect::<Vec<_>>(), before);
    assert_eq!(fixture.world.launches(), 0);
}

#[test]
fn other_outputs_launch_one_guest_and_run_no_step() {
    let fixture = Fixture::new();
    let disk_only = fixture.plan(&TREES.replace(
        "{ format: aki }, { format: raw }, { format: tar }, { format: squashfs }, { format: ari }",
        "{ format: raw }",
    ));
    fixture.build(&disk_only).expect("it builds");
    fixture.world.reset();
    let plan = fixture.plan(TREES);
    let disk = fixture.build(&plan).expect("it is taken");
    assert_eq!((fixture.world.launches(), fixture.world.runs().len()), (1, 0));
    assert_eq!(disk.layer.key, fixture.build(&disk_only).expect("it is there").layer.key, "outputs are in no key");
    assert_eq!(fixture.world.launches(), 1);
    fixture.assert_store_is_sound();
    let out = fixture.dir.path().join("out");
    assert_eq!(to(&out, &plan, &disk, &Interrupt::new()).expect("it is exported").artifacts.len(), 5);

    // What is damaged beside the disk is found; what is gone is taken again.
    let tree = disk.layer.disk.with_file_name("tree.tar");
    let content = std::fs::read(&tree).expect("it is kept");
    std::fs::write(&tree, vec![0; content.len()]).expect("writable");
    let findings = fixture.store().verify(&Interrupt::new(), &mut |_, _| {}).expect("readable");
    assert!(findings.iter().any(|finding| finding.to_string().contains("tree.tar")), "{findings:?}");
    std::fs::remove_file(&tree).expect("it is there");
    fixture.build(&plan).expect("it is taken again");
    assert_eq!((fixture.world.launches(), std::fs::read(&tree).expect("it is back") == content), (2, true));
}

#[test]
fn an_image_without_a_kernel_has_no_kernel_to_export() {
    let fixture = Fixture::new();
    let plan = fixture.plan("outputs: [{ format: aki }]\nsteps: { configure: [{ hostname: web }] }");
    let disk = fixture.build(&plan).expect("it builds");
    let out = fixture.dir.path().join("out");
    let error = to(&out, &plan, &disk, &Interrupt::new()).expect_err("no kernel");
    assert!(error.to_string().contains("the image has no kernel in /boot"), "{error}");
    let plan = fixture.plan("outputs: [{ format: ami }]\nsteps: { configure: [{ hostname: web }] }");
    let error = to(&out, &plan, &disk, &Interrupt::new()).expect_err("no partition");
    assert!(error.to_string().contains("not directly on a partition"), "{error}");
}
