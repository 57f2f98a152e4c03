//! Builds that start from an image.

use std::process::Command;

use goldsmith::build::{self, OpenedImage};
use goldsmith::digest::Sha256;
use goldsmith::disk::qemu_img::QemuImg;
use goldsmith::guest::fake::{self, files};
use goldsmith::guest::{Inspection, Mount, Partition, PartitionTable, Storage};
use goldsmith::plan::{BasePlan, Plan};
use goldsmith::recipe::Firmware;

use super::fixture::{Answers, Fixture, base_tree, text};

const RECIPE: &str = "packages: [nginx]\nsteps: { configure: [{ write: { path: /etc/motd, content: new } }] }";

/// Puts an image into the store; a plan that starts from it, and what would be known of it.
fn prepare(fixture: &Fixture, size: u64) -> (Plan, OpenedImage) {
    let images = fixture.store().images_dir();
    let made = images.join("made");
    let status =
        Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&made).arg(size.to_string()).status();
    assert!(status.expect("qemu-img is there").success());
    let mut tree = base_tree();
    for dir in ["/var/cache", "/var/cache/apt", "/var/cache/apt/archives"] {
        tree.insert(dir.to_owned(), tree["/etc"].clone());
    }
    fake::set_files(&made, &tree).expect("writable");
    let sha256 = Sha256::of_file(&made).expect("readable");
    let file = format!("{sha256}.qcow2");
    std::fs::rename(&made, images.join(&file)).expect("renamed");

    let bootstrapped = fixture.plan(RECIPE);
    let text = format!(
        "name: image\nbase: {{ image: {{ source: base.qcow2, sha256: \"{sha256}\" }} }}\ndisk: {{ size: 1GiB }}\n{RECIPE}\n"
    );
    let options = goldsmith::recipe::LoadOptions::new(bootstrapped.arch);
    let path = fixture.dir.path().join("recipe.yaml");
    let system =
        goldsmith::recipe::System { distro: bootstrapped.distro.clone(), firmware: bootstrapped.disk.firmware.clone() };
    let loaded = goldsmith::recipe::load_str(&path, &text, &options, Some(&system));
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
    let base = BasePlan::Image { source: "base.qcow2".to_owned(), sha256, refreshed: None };
    let composition = loaded.composition.expect("the distribution is known");
    let plan = goldsmith::plan::resolve(&loaded.recipe, composition, base, Vec::new());
    let inspection = Inspection {
        distro: "debian".to_owned(),
        ids: vec!["debian".to_owned()],
        product: "Debian".to_owned(),
        version: "12.0".to_owned(),
        codename: Some("bookworm".to_owned()),
        arch: "x86_64".to_owned(),
        mounts: vec![Mount::partition(3, "/"), Mount::partition(2, "/boot/efi")],
        root_filesystem: "ext4".to_owned(),
        firmware: vec![Firmware::Bios],
        storage: Storage { table: Some(table()), ..Storage::default() },
    };
    (plan, OpenedImage { file, virtual_size: size, inspection })
}

/// The root partition is the last.
fn table() -> PartitionTable {
    let partition = |number: u32, start: u64, size: u64| Partition {
        number,
        start: start << 20,
        size: size << 20,
        kind: String::new(),
        purpose: None,
        uuid: None,
        name: None,
        active: false,
    };
    let partitions = vec![partition(1, 1, 1), partition(2, 2, 100), partition(3, 102, 409)];
    PartitionTable { kind: "gpt".to_owned(), uuid: None, partitions }
}

#[test]
fn an_image_is_grown_and_its_packages_come_first() {
    let fixture = Fixture::new();
    let (plan, image) = prepare(&fixture, 512 << 20);
    let workshop = fixture.workshop();
    let build = || {
        let built = build::build(&plan, Some(&image), fixture.session(&workshop), &mut Answers(vec![]));
        build::finalize(&plan, built.expect("it builds"), None).expect("it ends")
    };
    let disk = build();
    assert_eq!(text(&files(&disk.layer.disk), "/etc/motd"), "new");
    assert_eq!(fixture.world.launches(), 1);
    let calls = fixture.world.calls();
    let steps = "[MoveCopy, Partition { number: 3, end: 1072693248 }, FileSystem { on: Partition(3), kind: \"ext4\" }]";
    assert_eq!(calls[1..3], [format!("grow {steps}"), "mount / /boot/efi".to_owned()]);
    let runs = fixture.world.runs();
    assert!(String::from_utf8_lossy(&runs[0].scripts[0]).contains("INSTALL='nginx'"));
    assert!(runs[0].network);
    let base = workshop.store.find(&plan.steps[0].key).expect("readable").expect("it was made");
    let info = QemuImg::default().info(&base.disk).expect("qcow2");
    assert_eq!(info.backing_file, Some(format!("../../images/{}", image.file)));
    assert_eq!(info.virtual_size, 1 << 30);
    fixture.assert_store_is_sound();

    fixture.world.reset();
    build();
    assert_eq!(fixture.world.launches(), 0);
}

#[test]
fn an_image_of_the_right_size_is_not_grown() {
    let fixture = Fixture::new();
    let (plan, image) = prepare(&fixture, 1 << 30);
    let workshop = fixture.workshop();
    build::build(&plan, Some(&image), fixture.session(&workshop), &mut Answers(vec![])).expect("it builds");
    assert!(!fixture.world.calls().iter().any(|call| call.starts_with("grow")));
}

#[test]
fn what_does_not_grow_is_told_before_each_build() {
    let fixture = Fixture::new();
    let (plan, mut image) = prepare(&fixture, 512 << 20);
    let table = image.inspection.storage.table.as_mut().expect("a table");
    // Swap behind the root.
    table.partitions[1].start = 600 << 20;
    let warning = "warning: the root file system does not grow to all of `disk.size`: partition 2 lies behind partition 3, which it is on";
    for first in ["base base.qcow2 started", "base base.qcow2 cached"] {
        let workshop = fixture.workshop();
        build::build(&plan, Some(&image), fixture.session(&workshop), &mut Answers(vec![])).expect("it builds");
        assert_eq!(fixture.events.steps()[..2], [warning, first]);
    }
    assert_eq!(fixture.world.calls()[1], "grow [MoveCopy]", "the copy of the GPT belongs at the end of the disk");
}
