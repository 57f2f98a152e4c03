//! Directories of the host as trees.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use goldsmith::interrupt::Interrupt;
use goldsmith::tree::{Source, TreeError};
use goldsmith::units::ByteSize;

use super::entries::{LIMIT, OS_RELEASE, PROGRAM, listed};

/// Makes the directory of a system.
fn made(dir: &Path) -> Source {
    for name in ["usr/bin", "usr/lib", "etc", "proc", "home"] {
        std::fs::create_dir_all(dir.join(name)).expect("a directory");
    }
    std::fs::write(dir.join("usr/bin/sh"), PROGRAM).expect("a file");
    std::fs::write(dir.join("usr/lib/os-release"), OS_RELEASE).expect("a file");
    std::fs::write(dir.join("proc/version"), "x").expect("a file");
    std::fs::write(dir.join("home/one"), "one").expect("a file");
    std::fs::hard_link(dir.join("home/one"), dir.join("home/two")).expect("a link");
    symlink("usr/bin", dir.join("bin")).expect("a link");
    symlink("/", dir.join("home/everything")).expect("a link");
    Source::Directory { origin: "root".to_owned(), path: dir.to_owned() }
}

#[test]
fn links_in_a_directory_are_not_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let source = made(dir.path());
    let lines = listed(&source);
    for line in ["0 644 home/one one", "1 644 home/two home/one", "2 777 home/everything /", "2 777 bin usr/bin"] {
        assert!(lines.iter().any(|it| it == line), "{line}: {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.contains("proc/") || line.contains("everything/")), "{lines:#?}");
    let link = dir.path().join("link");
    symlink(dir.path(), &link).expect("a link");
    let error = source.read(ByteSize::bytes(10), &Interrupt::new()).expect_err("too large");
    assert!(matches!(error, TreeError::TooLarge { .. }), "{error}");
}

#[test]
fn the_digest_tells_every_difference() {
    let dir = tempfile::tempdir().expect("a directory");
    let source = made(dir.path());
    let one = dir.path().join("home/one");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    let settle = || {
        for path in [dir.path().to_owned(), dir.path().join("home"), one.clone()] {
            std::fs::File::open(path).and_then(|file| file.set_modified(time)).expect("a time");
        }
    };
    settle();
    let digest = || source.read(LIMIT, &Interrupt::new()).expect("a tree").digest();
    let mut known = vec![digest()];
    assert_eq!(digest(), known[0], "the same content has the same digest");
    let changes: [(&str, &dyn Fn()); 6] = [
        ("bytes", &|| std::fs::write(&one, "two").expect("a file")),
        ("a mode", &|| std::fs::set_permissions(&one, std::fs::Permissions::from_mode(0o600)).expect("a mode")),
        ("a name", &|| {
            std::fs::rename(&one, dir.path().join("home/new"))
                .and_then(|()| std::fs::hard_link(dir.path().join("home/new"), &one))
                .expect("a name")
        }),
        ("two files for one", &|| {
            std::fs::remove_file(dir.path().join("home/two")).expect("removed");
            std::fs::copy(&one, dir.path().join("home/two")).expect("a copy");
            std::fs::File::open(dir.path().join("home/two")).and_then(|file| file.set_modified(time)).expect("a time");
        }),
        ("a link", &|| {
            std::fs::remove_file(dir.path().join("home/everything")).expect("removed");
            symlink("/etc", dir.path().join("home/everything")).expect("a link");
        }),
        ("a time", &|| {
            std::fs::File::open(&one).and_then(|file| file.set_modified(std::time::UNIX_EPOCH)).expect("a time")
        }),
    ];
    for (what, change) in changes {
        change();
        if what != "a time" {
            settle();
        }
        let now = digest();
        assert!(!known.contains(&now), "{what}");
        known.push(now);
    }
    std::fs::write(dir.path().join("proc/version"), "y").expect("a file");
    assert_eq!(known.last(), Some(&digest()), "what the image does not get does not count");
}

#[test]
fn a_directory_that_changes_during_a_build_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let source = made(dir.path());
    let tree = source.read(LIMIT, &Interrupt::new()).expect("a tree");
    std::fs::write(dir.path().join("home/one"), "two").expect("a file");
    let target = tempfile::tempdir().expect("a directory");
    let error = tree.write(&source, LIMIT, &target.path().join("out"), &Interrupt::new()).expect_err("changed");
    assert!(error.to_string().contains("home/one has changed during the build"), "{error}");
    std::fs::remove_file(dir.path().join("home/one")).expect("removed");
    symlink("/etc/hostname", dir.path().join("home/one")).expect("a link");
    let error = tree.write(&source, LIMIT, &target.path().join("out"), &Interrupt::new()).expect_err("a link");
    assert!(matches!(error, TreeError::Access(_)), "a link is not followed: {error}");
}
