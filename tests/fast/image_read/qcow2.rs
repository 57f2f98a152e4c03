//! qcow2.

use goldsmith::image::read::{self, Backing, Options};

use super::samples::{SIZE, Samples, assert_same, content};

#[test]
fn every_kind_of_file_is_read() {
    let samples = Samples::new();
    for (number, options) in [
        "",
        "-c",
        "-c -o compression_type=zstd",
        "-o compat=0.10",
        "-c -o compat=0.10",
        "-o cluster_size=512",
        "-o cluster_size=2M",
        "-c -o cluster_size=4096,compression_type=zstd",
        "-c -o cluster_size=2M,compression_type=zstd",
        "-c -o cluster_size=2M",
        "-o preallocation=metadata",
        "-S 0",
    ]
    .iter()
    .enumerate()
    {
        let path = samples.convert(&format!("-O qcow2 {options}"), &format!("{number}.qcow2"));
        assert_same(&samples, &path);
    }
}

#[test]
fn what_is_not_allocated_is_no_data() {
    let samples = Samples::new();
    let source = super::samples::open(&samples.convert("-O qcow2", "plain.qcow2")).source;
    let total = source.extents().expect("extents").total();
    assert!((2_300_000..3_000_000).contains(&total), "{total}");
    assert!(!source.is_compressed());
    let packed = super::samples::open(&samples.convert("-c -O qcow2", "packed.qcow2")).source;
    assert_eq!(packed.extents().expect("extents").total(), total);
    assert!(packed.is_compressed());
}

/// A chain as the layer store has it: each file in a directory of its own, named relative to the next one.
fn chain(samples: &Samples) -> Vec<u8> {
    for name in ["images", "layers", "layers/one", "layers/two", "layers/three"] {
        std::fs::create_dir(samples.path(name)).expect("a directory");
    }
    std::fs::rename(samples.path("disk.raw"), samples.path("images/base")).expect("rename");
    let larger = SIZE + (1 << 20);
    samples.qemu_img(&format!("create -q -f qcow2 -F raw -b ../../images/base layers/one/disk.qcow2 {larger}"));
    samples.qemu_img(&format!("create -q -f qcow2 -F qcow2 -b ../one/disk.qcow2 layers/two/disk.qcow2 {larger}"));
    samples.qemu_img(&format!("create -q -f qcow2 -F qcow2 -b ../two/disk.qcow2 layers/three/disk.qcow2 {larger}"));
    let mut disk = samples.disk.clone();
    disk.resize(larger, 0);
    for (layer, at, byte) in [("one", 0, 7), ("two", 6 << 20, 8), ("three", SIZE, 9)] {
        let write = format!("write -P {byte} {at} 65536");
        let zero = "write -z 3M 65536";
        let file = samples.path(&format!("layers/{layer}/disk.qcow2"));
        let mut command = std::process::Command::new("qemu-io");
        command.args(["-f", "qcow2", "-c", &write, "-c", zero]).arg(file);
        assert!(command.output().expect("qemu-io").status.success());
        disk[at..at + 65536].fill(byte);
        disk[3 << 20..][..65536].fill(0);
    }
    disk
}

#[test]
fn a_chain_is_read_as_one_disk() {
    let samples = Samples::new();
    let disk = chain(&samples);
    let root = samples.path("");
    let within = Options { backing: Backing::Within(&root), format: None };
    let top = samples.path("layers/three/disk.qcow2");
    let source = read::open(&top, &within).expect("a chain").source;
    assert!(content(source.as_ref(), &source.extents().expect("extents")) == disk);
    let everything = std::iter::once(0..source.size()).collect();
    assert!(content(source.as_ref(), &everything) == disk);
}

#[test]
fn a_chain_that_leads_elsewhere_is_not_followed() {
    let samples = Samples::new();
    chain(&samples);
    let root = samples.path("");
    let top = samples.path("layers/three/disk.qcow2");
    let refused = |path: &std::path::Path, backing| {
        let error = read::open(path, &Options { backing, format: None }).expect_err("refused").to_string();
        error.replace(root.to_str().expect("UTF-8"), "[dir]/")
    };
    assert_eq!(
        refused(&top, Backing::Refuse),
        "[dir]/layers/three/disk.qcow2 cannot be used as a disk image: it is an overlay that needs a backing file, \
         `../two/disk.qcow2`"
    );
    let layers = samples.path("layers");
    assert!(refused(&top, Backing::Within(&layers)).contains("`../../images/base` is not below"));
    // A link below the directory that leads out of it.
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::remove_file(samples.path("images/base")).expect("remove");
    std::os::unix::fs::symlink(secret.path(), samples.path("images/base")).expect("a link");
    assert!(refused(&top, Backing::Within(&root)).contains("is not below"));
    // A layer that stands on itself.
    samples.qemu_img("create -q -u -f qcow2 -F qcow2 -b itself.qcow2 other.qcow2 1M");
    samples.qemu_img("create -q -u -f qcow2 -F qcow2 -b other.qcow2 itself.qcow2 1M");
    assert!(refused(&samples.path("itself.qcow2"), Backing::Within(&root)).contains("more than 256 layers"));
    samples.qemu_img("create -q -u -f qcow2 -b disk.raw untold.qcow2 1M -F raw");
    // The format's extension is the first one, behind the header of 112 bytes.
    samples.patch("untold.qcow2", 112, &[0; 8]);
    assert!(refused(&samples.path("untold.qcow2"), Backing::Within(&root)).contains("does not say which format"));
}
