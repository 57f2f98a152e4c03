//! Parsers of bytes that are not trusted, each fed with some bytes to its end. The fuzz targets and `tests/hostile.rs`
//! share them: what one of them finds, the other can try again.

#![allow(unreachable_pub, reason = "the fuzz targets see it from outside")]

use std::path::Path;

use goldsmith::export::manifest::Summary;
use goldsmith::guest::{Devices, Entry, FileKind};
use goldsmith::inspect::{Tree, initramfs, of_tree};
use goldsmith::interrupt::Interrupt;
use goldsmith::openstack::config::{CloudConfig, Places};
use goldsmith::recipe::{Arch, Firmware, LoadOptions, load_str};
use goldsmith::testing;
use goldsmith::tree::Source;
use goldsmith::units::ByteSize;
use goldsmith::verify::report::BuildInfo;

/// Files of an image of which [`image_files`] makes contents.
const FILES: [&str; 13] = [
    "/boot/grub/grub.cfg",
    "/boot/grub/grubenv",
    "/boot/loader/entries/a.conf",
    "/boot/extlinux.conf",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/sudoers",
    "/etc/cloud/cloud.cfg",
    "/var/lib/dpkg/status",
    "/lib/apk/db/installed",
    "/boot/vmlinuz-1",
    "/boot/initrd.img-1",
];

/// What `verify`, `run` and `publish` read of a manifest.
pub fn manifest(bytes: &[u8]) {
    let _ = serde_json::from_slice::<Summary>(bytes);
    let _ = BuildInfo::of_manifest(bytes);
}

/// `clouds.yaml`, and behind a zero `secure.yaml`.
pub fn clouds(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, content) in ["clouds.yaml", "secure.yaml"].into_iter().zip(&mut parts) {
        std::fs::write(dir.path().join(name), content).expect("a file");
    }
    let dirs = vec![dir.path().to_owned()];
    for cloud in [None, Some("one".to_owned())] {
        let _ = CloudConfig::find(&Places { cloud, dirs: dirs.clone(), ..Places::default() });
    }
}

/// A recipe with its templates.
pub fn recipe(bytes: &[u8]) {
    let options = LoadOptions {
        rules: goldsmith::verify::rules().map(|rule| rule.id).collect(),
        ..LoadOptions::new(Arch::X86_64)
    };
    let text = String::from_utf8_lossy(bytes);
    if let Err(found) = load_str(Path::new("recipe.yaml"), &text, &options, None) {
        let _ = found.to_string();
    }
}

/// A list of checksums.
pub fn checksums(bytes: &[u8]) {
    let _ = testing::checksum(bytes, "disk.qcow2");
}

/// A root tree of two layers, which are the same archive. Headers get a checksum that fits, so that more than that is tried.
pub fn root_tree(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    for header in bytes.chunks_exact_mut(512).filter(|header| &header[257..262] == b"ustar") {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("layer");
    std::fs::write(&file, bytes).expect("a file");
    let source = Source::Layers { origin: "x".to_owned(), files: vec![file.clone(), file] };
    let (limit, interrupt) = (ByteSize::mebibytes(1), Interrupt::new());
    if let Ok(tree) = source.read(limit, &interrupt) {
        let _ = tree.facts(&source);
        tree.write(&source, limit, &dir.path().join("out"), &interrupt).expect("what was read can be written");
    }
}

/// What a guest writes to the port for its output.
pub fn guest_output(bytes: &[u8]) {
    let _ = testing::guest_output(bytes);
}

/// What a machine asks the metadata service.
pub fn metadata(bytes: &[u8]) {
    let _ = testing::requests(bytes).expect("a pair of sockets");
}

/// What QEMU answers.
pub fn qmp(bytes: &[u8]) {
    let _ = testing::answers(bytes).expect("a pair of sockets");
}

/// Configuration files of an image: one behind the other, with zeros between them. All of it is an initial RAM disk too.
pub fn image_files(bytes: &[u8]) {
    let _ = initramfs::names(bytes);
    let contents: Vec<_> = FILES.into_iter().zip(bytes.split(|byte| *byte == 0)).collect();
    let entry = |(path, content): &(&str, &[u8])| Entry {
        path: (*path).into(),
        kind: FileKind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: content.len() as u64,
        stored: content.len() as u64,
        target: None,
    };
    let entries = contents.iter().map(entry).collect();
    let tree = Tree::new(entries, contents.into_iter().map(|(path, content)| (path.to_owned(), content.to_vec())));
    let _ = of_tree(&tree, &Devices::default(), &[Firmware::Bios, Firmware::Uefi]);
}
