//! Images of an architecture that is not the host's: built by programs of theirs, and booted.

use std::process::Command;

use goldsmith::interrupt::Interrupt;
use goldsmith::machine::{Machine, MachineConfig};
use goldsmith::recipe::Arch;
use goldsmith::recipe::verify::BootKind;

use crate::boots::{config, login_prompt};
use crate::record::record;
use crate::reports::Verified;
use crate::verified::Made;

/// The least that boots. Its packages, its kernel's initial RAM disk and its boot loader are made by programs for aarch64.
const RECIPE: &str = "name: aarch64
arch: aarch64
base: { bootstrap: { distro: debian, release: bookworm } }
disk: { size: 2GiB }
elements: [base-system, kernel, bootloader, uefi, serial-console]
outputs: [{ format: qcow2 }]
";

/// From packages to a login prompt on the serial port of a machine with UEFI.
#[test]
#[ignore = "boots a virtual machine of another architecture, and takes long"]
fn takes_long_an_image_for_aarch64_boots() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let image = crate::shared::image("aarch64", RECIPE);
    let config =
        MachineConfig { arch: Arch::Aarch64, boot: BootKind::Uefi, cpus: 2, ..config(work.path(), &image, "qcow2") };
    let mut machine = Machine::start(&config, &Interrupt::new()).expect("it starts");
    login_prompt("aarch64", &mut machine);
    assert!(machine.serial().text().contains("ttyAMA0"), "{}", machine.serial().text());
}

#[test]
#[ignore = "boots virtual machines of another architecture, and takes long"]
fn takes_long_debian_12_for_aarch64_passes_every_check() {
    cloud_image_passes("debian-12", "Debian 12, aarch64");
}

#[test]
#[ignore = "boots virtual machines of another architecture, and takes long"]
fn takes_long_debian_13_for_aarch64_passes_every_check() {
    cloud_image_passes("debian-13", "Debian 13, aarch64");
}

/// Builds a recipe of a cloud image for aarch64, and verifies the image as a build verifies it.
fn cloud_image_passes(name: &str, title: &str) {
    let work = tempfile::tempdir().expect("a temporary directory");
    let text = std::fs::read_to_string(format!("recipes/{name}.yaml")).expect("a recipe");
    let other = format!("{name}-aarch64");
    let recipe = text.replacen(&format!("name: {name}\n"), &format!("name: {other}\narch: aarch64\n"), 1);
    let recipe = recipe.replace("layout: bios+uefi", "layout: uefi");
    assert!(recipe.contains("arch: aarch64") && !recipe.contains("bios+uefi"), "{recipe}");
    let image = crate::shared::image(&other, &recipe);
    let report = work.path().join("report");
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.args(["verify", "--report"]).arg(&report).arg(&image).arg("--cache").arg(crate::shared::cache(&image));
    let output = goldsmith.output().expect("goldsmith runs");
    let verified = Verified::new(output, &report);
    verified.assert_passed();
    record(&other, title, Made::Packages, &image.with_file_name("manifest.json"), &verified);
}
