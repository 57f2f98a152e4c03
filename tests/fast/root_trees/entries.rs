//! Archives of tests, with any names, and what is read of them.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use goldsmith::interrupt::Interrupt;
use goldsmith::tree::{Source, Tree, TreeError};
use goldsmith::units::ByteSize;
use tar::{EntryType, Header};

/// The header of a program for x86-64: as much as tells the architecture.
pub(super) const PROGRAM: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0rest of it";

pub(super) const OS_RELEASE: &[u8] =
    b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";

/// Size of the disk.
pub(super) const LIMIT: ByteSize = ByteSize::mebibytes(400);

/// The bytes of an entry. `data` is the target of a link.
pub(super) fn entry(kind: EntryType, name: &[u8], mode: u32, data: &[u8]) -> Vec<u8> {
    let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(1);
    header.set_gid(2);
    header.set_mtime(1_600_000_000);
    header.set_size(if is_link { 0 } else { data.len() as u64 });
    if is_link {
        header.as_old_mut().linkname[..data.len()].copy_from_slice(data);
    }
    if matches!(kind, EntryType::Char | EntryType::Block) {
        header.set_device_major(1).and_then(|()| header.set_device_minor(3)).expect("ustar has devices");
    }
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    if !is_link {
        bytes.extend_from_slice(data);
    }
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub(super) fn file(name: &str, data: &[u8]) -> Vec<u8> {
    entry(EntryType::Regular, name.as_bytes(), 0o644, data)
}

pub(super) fn directory(name: &str) -> Vec<u8> {
    entry(EntryType::Directory, name.as_bytes(), 0o755, b"")
}

pub(super) fn symlink(name: &str, target: &str) -> Vec<u8> {
    entry(EntryType::Symlink, name.as_bytes(), 0o777, target.as_bytes())
}

pub(super) fn link(name: &str, target: &str) -> Vec<u8> {
    entry(EntryType::Link, name.as_bytes(), 0o644, target.as_bytes())
}

/// An extended header of the next entry.
pub(super) fn extended(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..).find(|length| length.to_string().len() + rest == *length).expect("a length");
    let record = [length.to_string().as_bytes(), b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    entry(EntryType::XHeader, b"PaxHeaders/x", 0o644, &record)
}

/// What every system has.
pub(super) fn system() -> Vec<Vec<u8>> {
    vec![
        directory("./"),
        directory("./usr/"),
        directory("./usr/bin/"),
        directory("./etc/"),
        symlink("./bin", "usr/bin"),
        entry(EntryType::Regular, b"./usr/bin/sh", 0o755, PROGRAM),
        file("./usr/lib/os-release", OS_RELEASE),
        symlink("./etc/os-release", "../usr/lib/os-release"),
    ]
}

/// Writes an archive.
pub(super) fn archive(path: &Path, entries: &[Vec<u8>]) -> PathBuf {
    let bytes = [entries.concat(), vec![0; 1024]].concat();
    std::fs::write(path, bytes).expect("an archive");
    path.to_owned()
}

/// Reads a tree of an archive with these entries besides those of a system.
pub(super) fn read(entries: &[Vec<u8>]) -> Result<Tree, TreeError> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = archive(&dir.path().join("a.tar"), &[system(), entries.to_vec()].concat());
    let source = Source::Archive { origin: "a.tar".to_owned(), file };
    source.read(LIMIT, &Interrupt::new())
}

/// The files of a tree as text: `KIND MODE PATH CONTENT`.
pub(super) fn listed(source: &Source) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("out.tar");
    let tree = source.read(LIMIT, &Interrupt::new()).unwrap_or_else(|error| panic!("{error}"));
    tree.write(source, LIMIT, &path, &Interrupt::new()).unwrap_or_else(|error| panic!("{error}"));
    let mut archive = tar::Archive::new(std::fs::File::open(path).expect("an archive"));
    let mut lines = Vec::new();
    for found in archive.entries().expect("entries") {
        let mut found = found.expect("an entry");
        let mut text = String::new();
        found.read_to_string(&mut text).expect("text");
        let header = found.header().clone();
        let link = found.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default();
        let path = String::from_utf8_lossy(&found.path_bytes()).into_owned();
        let (kind, mode) = (char::from(header.entry_type().as_byte()), header.mode().expect("a mode"));
        lines.push(format!("{kind} {mode:o} {path} {link}{text}").trim_end().to_owned());
    }
    lines
}

#[test]
fn hostile_entries_are_refused() {
    let long =
        |name: &str| [entry(EntryType::GNULongName, b"././@LongLink", 0o644, name.as_bytes()), file("x", b"")].concat();
    for (entries, words) in [
        (vec![file("../evil", b"x")], "`../evil` has `..` in its path"),
        (vec![file("a/../../evil", b"x")], "has `..` in its path"),
        (vec![file("/etc/passwd", b"x")], "`/etc/passwd` is an absolute path"),
        (vec![extended("path", b"../evil"), file("x", b"x")], "`../evil` has `..` in its path"),
        (vec![long("../evil")], "`../evil` has `..` in its path"),
        (vec![extended("path", b"a\0b"), file("x", b"x")], "has a zero byte"),
        (
            vec![symlink("out", "../.."), file("out/evil", b"x")],
            "`out/evil` lies behind a symbolic link that leads out of the tree",
        ),
        (vec![symlink("a", "usr/../../x"), file("a/evil", b"x")], "leads out of the tree"),
        (vec![symlink("a", "b"), symlink("b", "a"), file("a/x", b"x")], "lead in a circle"),
        (vec![file("a", b""), file("a/x", b"x")], "`a/x` lies in `a`, which is no directory"),
        (vec![link("passwd", "../../etc/passwd")], "is a hard link to `../../etc/passwd`, which has `..`"),
        (vec![link("passwd", "/etc/passwd")], "is a hard link to `/etc/passwd`, which is an absolute path"),
        (vec![symlink("out", "../.."), link("evil", "out/etc/passwd")], "leads out of the tree"),
        (vec![link("a", "nothing")], "is a hard link to `nothing`, which is not in the tree"),
        (vec![link("a", "usr")], "is a hard link to the directory `usr`"),
        (vec![symlink("./", "/")], "is no directory, as a root must be"),
        (vec![symlink("etc", "/etc")], "its /etc is no directory"),
        (vec![symlink("boot", "/boot")], "its /boot is no directory"),
        (vec![directory("boot"), symlink("boot/efi", "/boot")], "its /boot/efi is no directory"),
        (vec![symlink("boot/efi/x", "/etc/shadow")], "its /boot/efi/x is neither a file nor a directory"),
        (vec![entry(EntryType::Fifo, b"etc/hosts", 0o644, b"")], "its /etc/hosts is no file"),
        (vec![directory("etc/shadow")], "its /etc/shadow is no file"),
        (vec![symlink("dev", "/dev")], "its /dev is no directory"),
        (vec![entry(EntryType::GNUSparse, b"x", 0o644, b"")], "cannot be read as a tar archive"),
        (vec![extended("size", b"9000000000"), file("x", b"")], "cannot be read as a tar archive"),
        (vec![extended("uid", b"4294967296"), file("x", b"")], "cannot be read as a tar archive"),
        (vec![vec![1; 512]], "cannot be read as a tar archive"),
    ] {
        let tree = read(&entries);
        let facts =
            tree.and_then(|tree| tree.facts(&Source::Archive { origin: "a.tar".to_owned(), file: PathBuf::new() }));
        let error = facts.expect_err(words).to_string();
        assert!(error.contains(words), "{words}: {error}");
        assert!(error.contains("a.tar"), "the archive is named: {error}");
    }
}

#[test]
fn an_archive_that_grows_is_stopped() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("bomb.tar.gz");
    let mut packed =
        flate2::write::GzEncoder::new(std::fs::File::create(&path).expect("a file"), flate2::Compression::fast());
    let mut header = Header::new_ustar();
    header.set_path("zeros").expect("a name");
    header.set_size(8_000_000_000);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    packed.write_all(header.as_bytes()).expect("written");
    let zeros = vec![0; 1 << 20];
    for _ in 0..LIMIT.get() >> 20 {
        packed.write_all(&zeros).expect("written");
    }
    packed.finish().expect("packed");
    let source = Source::Archive { origin: "bomb.tar.gz".to_owned(), file: path };
    let error = source.read(LIMIT, &Interrupt::new()).expect_err("a bomb").to_string();
    assert_eq!(
        error,
        "bomb.tar.gz holds more than 400 MiB, the size of the disk: raise disk.size if the tree is so large"
    );
}

#[test]
fn what_an_archive_says_is_what_the_tree_has() {
    let dir = tempfile::tempdir().expect("a directory");
    let own = [
        // Into the tree, as a program in it would see it.
        file("bin/tool", b"tool"),
        symlink("sbin", "/usr/sbin"),
        file("sbin/daemon", b"daemon"),
        entry(EntryType::Regular, b"usr/bin/su", 0o4755, b"su"),
        link("usr/bin/su2", "bin/su"),
        entry(EntryType::Fifo, b"pipe", 0o600, b""),
        // Later entries win.
        file("twice", b"first"),
        file("twice", b"second"),
        // What a running system has in these is none of the image.
        entry(EntryType::Char, b"dev/null", 0o666, b""),
        file("dev/shm/x", b"x"),
        file("run/pid", b"1"),
        file("proc/cpuinfo", b"x"),
        file(".dockerenv", b""),
        extended("path", format!("deep/{}", "n".repeat(200)).as_bytes()),
        file("short", b"long name"),
    ];
    let path = archive(&dir.path().join("a.tar"), &[system(), own.to_vec()].concat());
    let source = Source::Archive { origin: "a.tar".to_owned(), file: path };
    let lines = listed(&source);
    let deep = format!("0 644 deep/{} long name", "n".repeat(200));
    for line in [
        "0 644 usr/bin/tool tool",
        "0 644 usr/sbin/daemon daemon",
        "0 4755 usr/bin/su su",
        "1 4755 usr/bin/su2 usr/bin/su",
        "6 600 pipe",
        "0 644 twice second",
        "2 777 bin usr/bin",
        "5 755 dev",
        "5 1777 tmp",
        deep.as_str(),
    ] {
        assert!(lines.iter().any(|it| it == line), "{line}: {lines:#?}");
    }
    for gone in ["dev/", "run/", "proc/", ".dockerenv", "first", "short", " bin/tool"] {
        assert!(!lines.iter().any(|line| line.contains(gone)), "{gone}: {lines:#?}");
    }
    let facts = source.read(LIMIT, &Interrupt::new()).and_then(|tree| tree.facts(&source)).expect("facts");
    assert_eq!(
        (facts.ids, facts.codename.as_deref(), facts.latest),
        (vec!["debian".to_owned()], Some("bookworm"), 1_600_000_000)
    );
    assert_eq!((facts.arch.map(|arch| arch.name()), facts.left.devices), (Some("x86_64"), 0));

    let facts = |entries: &[Vec<u8>]| {
        let source = Source::Archive { origin: "a.tar".to_owned(), file: PathBuf::new() };
        read(entries).and_then(|tree| tree.facts(&source))
    };
    assert_eq!(facts(&[entry(EntryType::Char, b"usr/null", 0o666, b"")]).expect("facts").left.devices, 1);
    let error = facts(&[file("./usr/bin/sh", b"#!/bin/no")]).expect_err("no architecture").to_string();
    assert!(error.contains("has no /bin/sh"), "{error}");
    let error = facts(&[file("./usr/lib/os-release", b"NAME=x\n")]).expect_err("no name").to_string();
    assert!(error.contains("has no `ID`"), "{error}");
}

#[test]
fn archives_are_read_however_they_are_packed() {
    let dir = tempfile::tempdir().expect("a directory");
    let plain = [system().concat(), vec![0; 1024]].concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).expect("packed");
    let mut xz = Vec::new();
    liblzma::read::XzEncoder::new(&plain[..], 1).read_to_end(&mut xz).expect("packed");
    let zstd = zstd::encode_all(&plain[..], 1).expect("packed");
    let read = |bytes: &[u8]| {
        let file = dir.path().join("a");
        std::fs::write(&file, bytes).expect("a file");
        let source = Source::Archive { origin: "a".to_owned(), file };
        source.read(LIMIT, &Interrupt::new()).and_then(|tree| tree.facts(&source))
    };
    for bytes in [plain.clone(), gzip.finish().expect("packed"), xz, zstd] {
        assert_eq!(read(&bytes).expect("it is read").ids, ["debian"]);
        let cut = &bytes[..bytes.len() / 2];
        assert!(matches!(read(cut), Err(TreeError::Archive { .. })), "a cut file is refused");
    }
    for (bytes, words) in [(&b"BZh91AY&SY"[..], "bzip2"), (b"", "no bytes")] {
        let error = read(bytes).expect_err(words);
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        assert!(cause.contains(words), "{cause}");
    }
}
