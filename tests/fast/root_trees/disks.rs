//! Disks of trees, made by the real programs.

use std::path::Path;
use std::process::Command;

use goldsmith::base::{BootstrapError, TreeRequest, unpack};
use goldsmith::digest::Sha256;
use goldsmith::disk::DiskLayout;
use goldsmith::event::{Event, Reporter};
use goldsmith::interrupt::Interrupt;
use goldsmith::plan::DiskPlan;
use goldsmith::recipe::{Arch, Layout};
use goldsmith::tree::Source;
use goldsmith::units::ByteSize;
use tar::EntryType;

use super::entries::{LIMIT, archive, directory, entry, extended, file, link, symlink, system};

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: &Event) {}
}

/// Makes a disk of entries, and returns what `debugfs` says about it.
fn made(dir: &Path, entries: &[Vec<u8>], size: ByteSize) -> Result<impl Fn(&str) -> String + use<>, BootstrapError> {
    let source = Source::Archive { origin: "a.tar".to_owned(), file: archive(&dir.join("a.tar"), entries) };
    let disk = DiskPlan { size, layout: Layout::BiosUefi, ..DiskPlan::default() };
    let seed = Sha256::of(b"seed");
    let target = dir.join("disk.qcow2");
    let request = TreeRequest {
        source: &source,
        digest: Sha256::of(b"not asked of an archive"),
        arch: Arch::X86_64,
        kernel_arguments: true,
        disk: &disk,
        seed,
        target: &target,
        cache_dir: &dir.join("cache"),
    };
    unpack(&request, &Silent, &Interrupt::new())?;
    let raw = dir.join("disk.raw");
    let status = Command::new("qemu-img").args(["convert", "-O", "raw"]).args([&target, &raw]).status();
    assert!(status.expect("qemu-img is there").success());
    let layout = DiskLayout::new(&disk, Arch::X86_64, &seed).expect("a layout");
    let offset = layout.root().expect("a root").start;
    let device = format!("{}?offset={offset}", raw.display());
    Ok(move |ask: &str| {
        let output = Command::new("/usr/sbin/debugfs").args(["-R", ask, &device]).output().expect("debugfs is there");
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

#[test]
fn a_disk_has_the_files_of_the_tree() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("cache")).expect("a directory");
    let outside = dir.path().join("outside");
    std::fs::write(&outside, "untouched").expect("a file");
    // What capabilities of version 2 look like (linux/capability.h).
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let own = [
        extended("SCHILY.xattr.security.capability", &capability),
        entry(EntryType::Regular, b"usr/bin/ping", 0o755, b"ping"),
        extended("uid", b"3000"),
        entry(EntryType::Regular, b"usr/bin/su", 0o4755, b"su"),
        link("usr/bin/su2", "usr/bin/su"),
        // The disk's own files are none of the tree's, and links of the tree lead nowhere.
        symlink("etc/fstab", &outside.display().to_string()),
        symlink("etc/hosts", &outside.display().to_string()),
        symlink("etc/shadow", &outside.display().to_string()),
        symlink("etc/hostname", &outside.display().to_string()),
        symlink("etc/resolv.conf", &outside.display().to_string()),
        directory("boot/efi"),
        file("boot/efi/EFI", b"moves to its own partition"),
    ];
    let asked = made(dir.path(), &[system(), own.to_vec()].concat(), LIMIT).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(std::fs::read_to_string(&outside).expect("a file"), "untouched");
    for (ask, words) in [
        ("stat /usr/bin/su", &["Mode:  04755", "User:  3000", "Group:     2", "Links: 2"][..]),
        ("stat /usr/bin/su2", &["Mode:  04755", "Links: 2"]),
        ("ea_list /usr/bin/ping", &["security.capability"]),
        ("stat /dev/null", &["Type: character special"]),
        ("stat /bin", &["Fast link dest: \"usr/bin\""]),
        ("cat /etc/fstab", &[" / ext4 ", " /boot/efi vfat "]),
        ("cat /etc/kernel/cmdline", &["root=UUID="]),
        ("stat /etc/hosts", &["Fast link dest"]),
        ("stat /tmp", &["Mode:  01777"]),
        ("ls /boot/efi", &["."]),
        ("stat /etc/os-release", &["mtime: 0x5f5e1000"]),
    ] {
        let said = asked(ask);
        for word in words {
            assert!(said.contains(word), "{ask}: {word}: {said}");
        }
    }
    assert!(!asked("ls /boot/efi").contains("EFI"));
    assert!(asked("stat /etc/hostname").trim().is_empty() || asked("stat /etc/hostname").contains("not found"));
    assert_eq!(left(&dir.path().join("cache")), Vec::<String>::new());
}

#[test]
fn a_tree_that_cannot_be_unpacked_leaves_nothing() {
    for (entries, size, words) in [
        (vec![file("../evil", b"x")], LIMIT, "has `..` in its path"),
        (vec![file("large", &vec![7; 150 << 20])], ByteSize::mebibytes(360), "do not fit on the image's disk"),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("cache")).expect("a directory");
        let error = match made(dir.path(), &[system(), entries].concat(), size) {
            Ok(_) => panic!("{words}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(words), "{words}: {error}");
        assert_eq!(left(&dir.path().join("cache")), Vec::<String>::new(), "{words}");
        assert!(!dir.path().join("disk.qcow2").exists(), "{words}");
    }
}

/// Names of what is left in a directory and in its directories, without empty ones.
fn left(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(left(&path)),
            false => found.push(path.display().to_string()),
        }
    }
    found
}
