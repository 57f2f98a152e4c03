//! What tests may rely on.

use super::super::{FileKind, Guest as _, GuestError};
use super::*;
use crate::guest::{Command, Mount};

fn root() -> [Mount; 1] {
    [Mount::partition(1, "/")]
}

#[test]
fn an_overlay_has_its_parents_files_in_every_world() {
    let dir = tempfile::tempdir().expect("a directory");
    let create = |name: &str, parent: Option<&str>| {
        let mut command = std::process::Command::new("qemu-img");
        command.current_dir(dir.path()).args(["create", "-q", "-f", "qcow2"]);
        match parent {
            Some(parent) => command.args(["-F", "qcow2", "-b", parent, name]),
            None => command.args([name, "1M"]),
        };
        crate::process::capture(&mut command).expect("qemu-img works");
        dir.path().join(name)
    };
    let (one, two) = (create("one", None), create("two", Some("one")));
    let world = FakeWorld::new();
    let mut guest = world.launch();
    guest.attach(&one).expect("attach");
    guest.mount(&root()).expect("mount");
    guest.mkdir("/etc").expect("mkdir");
    guest.write("/etc/motd", b"1").expect("write");
    guest.freeze(&two).expect("freeze");
    guest.write("/etc/motd", b"2").expect("write");
    Box::new(guest).shutdown().expect("shutdown");
    let three = create("three", Some("two"));
    for (disk, content) in [(&one, b"1"), (&two, b"2"), (&three, b"2")] {
        let mut guest = FakeWorld::new().launch();
        guest.attach(disk).expect("attach");
        assert_eq!(guest.read("/etc/motd", 9).expect("there"), content, "{}", disk.display());
    }
    crate::process::capture(std::process::Command::new("qemu-img").arg("check").arg(&two)).expect("still qcow2");
}

#[test]
fn programs_fail_on_demand_and_a_dead_guest_stays_dead() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = dir.path().join("disk");
    std::fs::write(&disk, "").expect("writable");
    let world = FakeWorld::new();
    world.fail_run(1, Failing::Status(7));
    world.fail_run(2, Failing::Died);
    let mut guest = world.launch();
    guest.attach(&disk).expect("attach");
    let command = Command { program: "/bin/true", ..Command::default() };
    assert!(guest.run(&command).is_err(), "nothing is mounted");
    guest.mount(&root()).expect("mount");
    assert_eq!(guest.run(&command).expect("runs").status, 0);
    assert_eq!(guest.run(&command).expect("runs").status, 7);
    assert!(matches!(guest.run(&command), Err(GuestError::Died(_))));
    assert!(matches!(guest.unmount(), Err(GuestError::Died(_))));
    assert_eq!((world.launches(), world.runs().len()), (1, 3));
}

#[test]
fn links_lead_where_they_would_in_an_image() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = dir.path().join("disk");
    std::fs::write(&disk, "").expect("writable");
    let mut guest = FakeWorld::new().launch();
    guest.attach(&disk).expect("attach");
    guest.mount(&root()).expect("mount");
    guest.mkdir("/usr/bin").expect("mkdir");
    guest.symlink("usr/bin", "/bin").expect("symlink");
    guest.write("/bin/sh", b"x").expect("write");
    assert_eq!(guest.glob("/usr/*/s?").expect("glob"), ["/usr/bin/sh"]);
    assert_eq!(guest.kind("/bin").expect("kind"), Some(FileKind::Symlink));
    assert!(guest.write("/none/file", b"").is_err());
    guest.rename("/usr", "/opt").expect("rename");
    assert_eq!(guest.kind("/opt/bin/sh").expect("kind"), Some(FileKind::File));
    guest.remove("/bin").expect("remove");
    assert_eq!(guest.kind("/opt/bin/sh").expect("kind"), Some(FileKind::File));
}

#[test]
fn a_tree_is_archived_as_a_real_guest_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = dir.path().join("disk");
    std::fs::write(&disk, "").expect("writable");
    let mut guest = FakeWorld::new().launch();
    guest.attach(&disk).expect("attach");
    let target = dir.path().join("tree.tar");
    assert!(guest.archive(&target).is_err(), "nothing is mounted");
    guest.mount(&root()).expect("mount");
    guest.mkdir("/run").expect("mkdir");
    guest.mkdir("/etc").expect("mkdir");
    guest.write("/etc/motd", b"hello").expect("write");
    guest.write("/run/gone", b"x").expect("write");
    guest.symlink("motd", "/etc/link").expect("symlink");
    let length = guest.archive(&target).expect("archive");
    assert_eq!(length, std::fs::metadata(&target).expect("there").len());
    let listed = crate::process::capture(std::process::Command::new("tar").arg("tf").arg(&target)).expect("tar");
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["./", "etc/", "etc/link", "etc/motd", "run/"]);
}
