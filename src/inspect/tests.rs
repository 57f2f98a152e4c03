//! Tests of a whole image, in a guest in memory.

use std::path::Path;

use super::*;
use crate::guest::fake::{Content, FakeWorld, Node, Tree, set_files};
use crate::guest::{Devices, Guest as _, Inspection, Mount};
use crate::recipe::Firmware;

fn world() -> FakeWorld {
    let world = FakeWorld::new();
    world.set_inspection(Inspection {
        distro: "debian".to_owned(),
        ids: vec!["debian".to_owned()],
        product: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        version: "12".to_owned(),
        codename: Some("bookworm".to_owned()),
        arch: "x86_64".to_owned(),
        mounts: vec![Mount::partition(3, "/")],
        root_filesystem: "ext4".to_owned(),
        firmware: vec![Firmware::Bios],
        storage: Default::default(),
    });
    world.set_devices(Devices { first_sectors: b"..GRUB..".to_vec(), ..Devices::default() });
    world
}

fn disk(dir: &Path, files: &[(&str, &str)]) -> std::path::PathBuf {
    let mut tree = Tree::new();
    let node = |content| Node { content, mode: 0o644, owner: (0, 0) };
    for (path, content) in files {
        for (at, _) in path.match_indices('/').skip(1) {
            tree.insert(path[..at].to_owned(), node(Content::Directory));
        }
        let content = match content.strip_prefix("-> ") {
            Some(target) => Content::Symlink(target.to_owned()),
            None => Content::File(content.as_bytes().to_vec()),
        };
        tree.insert((*path).to_owned(), node(content));
    }
    let disk = dir.join("disk");
    std::fs::write(&disk, "").expect("writable");
    set_files(&disk, &tree).expect("writable");
    disk
}

fn inspected(world: &FakeWorld, files: &[(&str, &str)]) -> System {
    let dir = tempfile::tempdir().expect("a directory");
    let mut guest = world.launch();
    guest.attach(&disk(dir.path(), files)).expect("attached");
    system(&mut guest).expect("inspected")
}

#[test]
fn all_parts_come_together() {
    let found = inspected(
        &world(),
        &[
            ("/boot/vmlinuz-6.1.0-9-amd64", "k"),
            ("/boot/vmlinuz-6.1.0-10-amd64", "k"),
            ("/boot/initrd.img-6.1.0-10-amd64", "i"),
            ("/boot/grub/grub.cfg", "menuentry 'D' {\nlinux /boot/vmlinuz-6.1.0-10-amd64 ro\n}\n"),
            ("/etc/passwd", "root:x:0:0::/root:/bin/bash\ndebian:x:1000:1000::/home/debian:/bin/bash\n"),
            ("/etc/shadow", "root:*:1::::::\ndebian:!:1::::::\n"),
            ("/etc/sudoers.d/90-debian", "debian ALL=(ALL) NOPASSWD:ALL\n"),
            ("/home/debian/.ssh/authorized_keys", "ssh-ed25519 AAAA x\n"),
            ("/etc/systemd/system/multi-user.target.wants/ssh.service", "-> /lib/systemd/system/ssh.service"),
            ("/lib/systemd/system/ssh.service", "[Install]\nWantedBy=multi-user.target\n"),
            ("/etc/systemd/system/apt-daily.timer", "-> /dev/null"),
            ("/etc/cloud/cloud.cfg", "system_info:\n  default_user:\n    name: debian\n"),
            ("/etc/cloud/cloud.cfg.d/90_dpkg.cfg", "datasource_list: [ NoCloud ]\n"),
            ("/var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"),
        ],
    );
    assert_eq!(found.notes, Vec::<String>::new());
    assert_eq!(found.os.as_ref().map(|os| os.distro.as_str()), Some("debian"));
    let releases: Vec<_> = found.boot.kernels.iter().map(|kernel| kernel.release.as_str()).collect();
    assert_eq!(releases, ["6.1.0-10-amd64", "6.1.0-9-amd64"]);
    assert_eq!(found.boot.kernels[0].initrd.as_deref(), Some("/boot/initrd.img-6.1.0-10-amd64"));
    assert_eq!(found.boot.kernels[1].initrd, None);
    assert_eq!(found.boot.default.as_ref().map(|entry| entry.args.join(" ")).as_deref(), Some("ro"));
    assert_eq!(found.boot.loaders[0].name, "grub");
    assert_eq!(found.users[1].logins, [Login::SshKey]);
    assert_eq!((found.users[0].logins.len(), found.users[1].sudo), (0, Sudo::NoPassword));
    let units: Vec<_> = found.services.iter().map(|service| (service.unit.as_str(), service.state)).collect();
    assert_eq!(units, [("apt-daily.timer", ServiceState::Masked), ("ssh.service", ServiceState::Enabled)]);
    let cloud_init = found.cloud_init.clone().expect("it is installed");
    assert_eq!((cloud_init.datasources.as_slice(), cloud_init.enabled), (&["NoCloud".to_owned()][..], true));
    assert_eq!(cloud_init.default_user.as_deref(), Some("debian"));
    assert_eq!(found.packages.len(), 1);
    // The comparison of two images reads the written facts again.
    let json = serde_json::to_string(&found).expect("JSON");
    assert_eq!(serde_json::from_str::<System>(&json).expect("the same"), found);
}

/// The last file of cloud-init that has a value counts; one that is no YAML has none.
#[test]
fn files_of_cloud_init_outweigh_those_before_them() {
    let user = |name: &str| format!("system_info: {{ default_user: {{ name: {name} }} }}\n");
    let (main, second, broken) = (user("main") + "datasource_list: [Main]\n", user("second"), "datasource_list: [\n");
    let found = inspected(
        &world(),
        &[
            ("/etc/cloud/cloud.cfg", &main),
            ("/etc/cloud/cloud.cfg.d/10_first.cfg", &(user("first") + "datasource_list: [First]\n")),
            ("/etc/cloud/cloud.cfg.d/20_second.cfg", &second),
            ("/etc/cloud/cloud.cfg.d/30_broken.cfg", broken),
            ("/etc/cloud/cloud.cfg.d/40_other", "datasource_list: [Other]\n"),
        ],
    );
    let cloud_init = found.cloud_init.expect("it is installed");
    assert_eq!(cloud_init.datasources, ["First"]);
    assert_eq!(cloud_init.default_user.as_deref(), Some("second"));
    assert!(cloud_init.enabled);

    let found = inspected(&world(), &[("/etc/cloud/cloud.cfg", &main), ("/etc/cloud/cloud-init.disabled", "")]);
    assert!(!found.cloud_init.expect("it is installed").enabled);
    let found = inspected(&world(), &[("/etc/cloud/cloud.cfg.d/20_second.cfg", &second)]);
    assert_eq!(found.cloud_init, None);
}

#[test]
fn what_is_strange_becomes_a_note() {
    let found = inspected(
        &world(),
        &[("/etc/passwd/why", "a directory"), ("/etc/shadow", "-> /nowhere"), ("/boot/grub/grub.cfg", "\0\0{")],
    );
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    assert_eq!((found.users, found.boot.default), (Vec::new(), None));
}

#[test]
fn a_disk_without_a_system_has_partitions_still() {
    let world = FakeWorld::new();
    let table = PartitionTable { kind: "gpt".to_owned(), uuid: None, partitions: Vec::new() };
    world.set_devices(Devices { partition_table: Some(table), ..Devices::default() });
    let found = inspected(&world, &[]);
    assert_eq!((found.os, found.partition_table.map(|table| table.kind).as_deref()), (None, Some("gpt")));
    assert!(found.notes[0].contains("no operating system"), "{:?}", found.notes);
}
