//! Builds that start from an image.

use std::process::Command;

use goldsmith::build::{self, OpenedImage};
use goldsmith::digest::Sha256;
use goldsmith::disk::qemu_img::QemuImg;
use goldsmith::guest::fake::{self, files};
use goldsmith::guest::{Inspection, Mount, MountSource};
use goldsmith::plan::{BasePlan, Plan};
use goldsmith::recipe::Firmware;

use super::bench::{Answers, Bench, base_tree, text};

const RECIPE: &str = "packages: [nginx]\nsteps: { configure: [{ write: { path: /etc/motd, content: new } }] }";

/// Puts an image into the store; a plan that starts from it, and what would be known of it.
fn prepare(bench: &Bench, size: u64) -> (Plan, OpenedImage) {
    let images = bench.store().images_dir();
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

    let bootstrapped = bench.plan(RECIPE);
    let text = format!(
        "name: image\nbase: {{ image: {{ source: base.qcow2, sha256: \"{sha256}\" }} }}\ndisk: {{ size: 1GiB }}\n{RECIPE}\n"
    );
    let options = goldsmith::recipe::LoadOptions {
        params: Default::default(),
        element_dirs: Vec::new(),
        distro_dirs: Vec::new(),
        host_arch: bootstrapped.arch,
        rules: Vec::new(),
    };
    let path = bench.dir.path().join("recipe.yaml");
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
        mounts: vec![
            Mount { source: MountSource::Partition(3), path: "/".to_owned() },
            Mount { source: MountSource::Partition(2), path: "/boot/efi".to_owned() },
        ],
        root_filesystem: "ext4".to_owned(),
        firmware: vec![Firmware::Bios],
    };
    (plan, OpenedImage { file, virtual_size: size, inspection })
}

#[test]
fn an_image_is_grown_and_its_packages_come_first() {
    let bench = Bench::new();
    let (plan, image) = prepare(&bench, 512 << 20);
    let workshop = bench.workshop();
    let build = || {
        let built = build::build(&plan, Some(&image), bench.session(&workshop), &mut Answers(vec![]));
        build::finalize(&plan, built.expect("it builds"), None).expect("it ends")
    };
    let disk = build();
    assert_eq!(text(&files(&disk.layer.disk), "/etc/motd"), "new");
    assert_eq!(bench.world.launches(), 1);
    let calls = bench.world.calls();
    assert_eq!(calls[1..3], ["grow 3", "mount / /boot/efi"]);
    let runs = bench.world.runs();
    assert!(String::from_utf8_lossy(&runs[0].scripts[0]).contains("INSTALL='nginx'"));
    assert!(runs[0].network);
    let base = workshop.store.find(&plan.steps[0].key).expect("readable").expect("it was made");
    let info = QemuImg::default().info(&base.disk).expect("qcow2");
    assert_eq!(info.backing_file, Some(format!("../../images/{}", image.file)));
    assert_eq!(info.virtual_size, 1 << 30);
    bench.assert_store_is_sound();

    bench.world.reset();
    build();
    assert_eq!(bench.world.launches(), 0);
}

#[test]
fn an_image_of_the_right_size_is_not_grown() {
    let bench = Bench::new();
    let (plan, image) = prepare(&bench, 1 << 30);
    let workshop = bench.workshop();
    build::build(&plan, Some(&image), bench.session(&workshop), &mut Answers(vec![])).expect("it builds");
    assert!(!bench.world.calls().iter().any(|call| call.starts_with("grow")));
}
