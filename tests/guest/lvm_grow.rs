//! The script of the element `lvm-grow` on a disk that has become larger, interrupted between each two of its steps.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use goldsmith::disk::qemu_img::QemuImg;
use goldsmith::guest::libguestfs::LibguestfsGuest;
use goldsmith::guest::{Guest as _, Mount};
use goldsmith::image::Format;

use super::calls::small_guest::*;
use super::disks::{VOLUMES, assert_odd_files, formed, plan, unpacked};

const SCRIPT: &str = include_str!("../../elements/lvm-grow/scripts/lvm-grow");

/// Runs the script, which is killed where this step begins; without one it runs to its end. Its exit status and what it printed.
fn run_until(guest: &LibguestfsGuest, step: Option<u32>) -> (i32, String) {
    let mut script = SCRIPT.to_owned();
    if let Some(step) = step {
        let marker = format!("# Step {step}:");
        assert_eq!(script.matches(&marker).count(), 1, "{marker}");
        script = script.replace(&marker, "kill -9 $$ #");
    }
    let script = script.replace('\'', "'\\''");
    let line = format!("sh -c '{script}' lvm-grow /sysroot >/tmp/said 2>&1; echo $?; cat /tmp/said");
    let said = guest.in_appliance(&line).unwrap();
    let (status, printed) = said.split_once('\n').unwrap();
    (status.parse().unwrap(), printed.to_owned())
}

/// What the script changes, as other programs see it.
fn state(guest: &LibguestfsGuest) -> String {
    let line = "exec 2>/dev/null; disk=$(lsblk -ndo PKNAME $(lvm pvs --noheadings -o pv_name | head -n 1)); sfdisk --dump /dev/$disk | grep start=; \
        lvm pvs --noheadings -o pv_name,vg_name,pv_size,pv_free; lvm lvs --noheadings -o lv_name,lv_size; \
        df -B1 --output=size /sysroot | tail -n 1";
    guest.in_appliance(line).unwrap()
}

/// Attaches the next state of a disk, as after a power failure, with a size in MiB.
fn attach(small: &SmallGuest, guest: &mut LibguestfsGuest, below: &str, name: &str, mib: u64, mounts: &[Mount]) {
    guest.unmount().unwrap();
    let disk = small.path(name);
    QemuImg::default().create_overlay(&disk, Path::new(below), Format::Qcow2, mib << 20).unwrap();
    guest.attach(&disk).unwrap();
    guest.mount(mounts).unwrap();
}

fn size_of_root(guest: &LibguestfsGuest) -> u64 {
    guest.in_appliance("df -B1 --output=size /sysroot | tail -n 1").unwrap().trim().parse().unwrap()
}

#[test]
#[ignore = "needs libguestfs"]
fn a_root_on_lvm_grows_though_power_fails_between_any_two_steps() {
    let small = SmallGuest::new();
    let layout = unpacked(&small, &plan(VOLUMES));
    let mounts = layout.mounts();
    let mut guest = small.launch().unwrap();
    formed(&small, &mut guest, &layout);
    let made = state(&guest);
    // On a disk of the same size it does nothing.
    let (status, printed) = run_until(&guest, None);
    assert_eq!((status, state(&guest)), (0, made.clone()), "{printed}");

    let before = size_of_root(&guest);
    let mut below = "1.qcow2".to_owned();
    for step in 1..=6 {
        let name = format!("step-{step}.qcow2");
        attach(&small, &mut guest, &below, &name, 1700, &mounts);
        below = name;
        let (status, printed) = run_until(&guest, Some(step));
        assert_eq!(status, 137, "killed before step {step}: {printed}");
        assert_odd_files(&mut guest);
    }
    attach(&small, &mut guest, &below, "whole.qcow2", 1700, &mounts);
    let (status, printed) = run_until(&guest, None);
    assert_eq!(status, 0, "{printed}");
    assert_odd_files(&mut guest);
    let grown = size_of_root(&guest);
    assert!(grown > before + (440 << 20), "{before} {grown}: {}", state(&guest));
    let done = state(&guest);
    assert_eq!(done.matches("start=").count(), 3, "{done}");
    assert!(done.contains("name=\"lvm-grow\""), "{done}");
    let (status, printed) = run_until(&guest, None);
    assert_eq!((status, state(&guest)), (0, done), "a second run does nothing: {printed}");

    // A disk that grows again has no further partition.
    attach(&small, &mut guest, "whole.qcow2", "again.qcow2", 2300, &mounts);
    let (status, printed) = run_until(&guest, None);
    assert_eq!(status, 0, "{printed}");
    let again = state(&guest);
    assert!(size_of_root(&guest) > grown + (560 << 20) && again.matches("start=").count() == 3, "{again}");
    assert_odd_files(&mut guest);
}
