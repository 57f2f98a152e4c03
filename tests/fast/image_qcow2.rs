//! qcow2 files as QEMU sees them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::image::digests::Kinds;
use goldsmith::image::read::raw::Raw;
use goldsmith::image::write::{Disk, Machine};
use goldsmith::image::{ClusterCodec, Compat, Encoding, Qcow2Encoding, Source as _, Written, pass};
use goldsmith::interrupt::Interrupt;

fn qemu_img(words: &[&str], files: &[&Path]) -> String {
    let output = Command::new("qemu-img").args(words).args(files).output().expect("qemu-img runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "qemu-img {words:?}: {text}");
    text
}

/// Bytes that no compression makes smaller, the same every time.
fn noise(length: usize) -> Vec<u8> {
    let mut noise = vec![0; length];
    fastrand::Rng::with_seed(1).fill(&mut noise);
    noise
}

/// A raw disk with data at some places.
fn disk(path: &Path, size: u64, data: &[(u64, &[u8])]) {
    let file = File::create(path).expect("file");
    file.set_len(size).expect("length");
    for (at, bytes) in data {
        file.write_all_at(bytes, *at).expect("write");
    }
}

fn write(from: &Path, to: &Path, encoding: &Encoding) -> Written {
    let raw = Raw::new(File::open(from).expect("disk")).expect("raw");
    let extents = raw.extents().expect("extents");
    let file =
        File::create_new(to).map(|_| File::options().read(true).write(true).open(to)).expect("new").expect("file");
    let described =
        Disk { size: raw.size(), extents: &extents, seed: &[7; 32], machine: Machine::default(), earlier: None };
    // The tests of the other formats look at these.
    let kinds = Kinds { sha512: false, md5: false };
    let sinks = vec![encoding.sink(&described, file, kinds).expect("sink")];
    pass::write(&raw, &extents, sinks, &Interrupt::new(), &mut |_| {}).expect("pass").remove(0)
}

#[test]
fn qemu_reads_the_same_disk_from_every_kind() {
    let dir = tempfile::tempdir().expect("directory");
    let noise = noise(3 << 20);
    let text = b"all work and no play ".repeat(60_000);
    let mixed: Vec<u8> = noise.chunks(5000).zip(text.chunks(5000)).flat_map(|(a, b)| [a, b].concat()).collect();
    type Data<'a> = Vec<(u64, &'a [u8])>;
    let disks: [(&str, u64, Data<'_>); 5] = [
        ("empty", 1 << 20, vec![]),
        ("end", (1 << 30) + 512, vec![((1 << 30) + 511, b"x")]),
        ("full", 3 << 20, vec![(0, &noise)]),
        ("mixed", 700 << 20, vec![(70_000, &mixed), (513 << 20, &text), (600 << 20, &noise[..300_000])]),
        // Numbers of its sectors have more than 32 bits.
        ("far", 17 << 37, vec![(4096, &text), ((17 << 37) - 8192, b"end")]),
    ];
    for (name, size, data) in &disks {
        let raw = dir.path().join(name);
        disk(&raw, *size, data);
        for codec in [None, Some(ClusterCodec::Zstd), Some(ClusterCodec::Zlib)] {
            for cluster_size in [4096, 65536, 2 << 20] {
                for compat in [Compat::V1_1, Compat::V0_10] {
                    if codec == Some(ClusterCodec::Zstd) && compat == Compat::V0_10 {
                        continue;
                    }
                    let encoding = Encoding::Qcow2(Qcow2Encoding { codec, cluster_size, compat });
                    let file = dir.path().join("file.qcow2");
                    let written = write(&raw, &file, &encoding);
                    assert_eq!(written.size, file.metadata().expect("file").len());
                    assert_eq!(written.digests.sha256, Sha256::of_file(&file).expect("file"), "{name} {encoding:?}");
                    qemu_img(&["check", "-q", "-f", "qcow2"], &[&file]);
                    qemu_img(&["compare", "-q", "-f", "qcow2", "-F", "raw"], &[&file, &raw]);
                    let info = qemu_img(&["info", "--output=json", "-f", "qcow2"], &[&file]);
                    assert!(info.contains(&format!("\"virtual-size\": {size},")), "{info}");
                    let again = dir.path().join("again.qcow2");
                    assert_eq!(write(&raw, &again, &encoding), written);
                    for path in [file, again] {
                        std::fs::remove_file(path).expect("remove");
                    }
                }
            }
        }
    }
}

#[test]
fn compression_is_about_as_good_as_that_of_qemu() {
    let dir = tempfile::tempdir().expect("directory");
    let raw = dir.path().join("raw");
    let program = std::fs::read(env!("CARGO_BIN_EXE_goldsmith")).expect("a program");
    disk(&raw, 256 << 20, &[(1 << 20, &program[..program.len().min(40 << 20)])]);
    for (codec, name) in [(ClusterCodec::Zstd, "zstd"), (ClusterCodec::Zlib, "zlib")] {
        let ours = dir.path().join(name);
        let encoding = Encoding::Qcow2(Qcow2Encoding { codec: Some(codec), cluster_size: 65536, compat: Compat::V1_1 });
        let written = write(&raw, &ours, &encoding);
        let theirs = dir.path().join("theirs");
        let option = format!("compression_type={name}");
        qemu_img(&["convert", "-f", "raw", "-O", "qcow2", "-c", "-o", &option], &[&raw, &theirs]);
        let size = theirs.metadata().expect("file").len();
        assert!(written.size <= size + size / 50, "{name}: {} bytes, and qemu-img's {size}", written.size);
    }
}
