//! Base images of formats that layers cannot stand on.

use goldsmith::digest::Sha256;
use goldsmith::event::Silent;
use goldsmith::fetch::Network;
use goldsmith::fetch::image::{CachedImage, ImageError, fetch};
use goldsmith::image::Format;
use goldsmith::interrupt::Interrupt;
use goldsmith::layer::Store;
use goldsmith::recipe::ImageSource;

use super::samples::{SIZE, Samples, assert_same};

fn fetched(samples: &Samples, name: &str, sha256: &Sha256) -> Result<CachedImage, ImageError> {
    let source = ImageSource { source: name.to_owned(), sha256: sha256.to_string(), ..ImageSource::default() };
    let (here, cache) = (samples.path(""), samples.path("cache"));
    goldsmith::layer::prepare(&cache).expect("a cache");
    fetch(&source, &(*sha256).into(), &here, &cache, false, &Network::default(), &Silent, &Interrupt::new())
}

fn digest(samples: &Samples, name: &str) -> Sha256 {
    Sha256::of(&std::fs::read(samples.path(name)).expect("a file"))
}

#[test]
fn every_readable_format_can_be_a_base() {
    let samples = Samples::new();
    for (name, options) in [
        ("disk.vmdk", "-O vmdk -o subformat=streamOptimized"),
        ("disk.vhd", "-O vpc -o force_size=on"),
        ("disk.vhdx", "-O vhdx"),
        ("disk.vdi", "-O vdi"),
    ] {
        samples.convert(options, name);
    }
    for (program, extension) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
        let packed = std::process::Command::new(program).args(["-q", "-k"]).arg(samples.path("disk.raw")).status();
        assert!(packed.expect("a program that compresses").success());
        assert!(samples.path(&format!("disk.raw.{extension}")).exists());
    }
    let names = ["disk.vmdk", "disk.vhd", "disk.vhdx", "disk.vdi", "disk.raw.gz", "disk.raw.xz", "disk.raw.zst"];
    for name in names {
        let sha256 = digest(&samples, name);
        let image = fetched(&samples, name, &sha256).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((image.format, image.virtual_size, image.sha256), (Format::Qcow2, SIZE as u64, sha256), "{name}");
        assert_same(&samples, &image.path);
        // The second time, the source is not needed.
        std::fs::remove_file(samples.path(name)).expect("remove");
        assert_eq!(fetched(&samples, name, &sha256).expect("cached"), image);
    }
    let store = Store::open(&samples.path("cache")).expect("a store");
    let findings = store.verify(&Interrupt::new(), &mut |_, _| {}).expect("readable");
    assert!(findings.is_empty(), "{findings:?}");
    let images: Vec<_> = std::fs::read_dir(samples.path("cache/images")).expect("a directory").flatten().collect();
    let parts = images.iter().filter(|entry| entry.file_name().to_string_lossy().ends_with(".part")).count();
    assert_eq!(parts, 0, "{images:?}");
}

#[test]
fn damage_to_a_converted_base_is_found() {
    let samples = Samples::new();
    samples.convert("-O vdi", "disk.vdi");
    let image = fetched(&samples, "disk.vdi", &digest(&samples, "disk.vdi")).expect("an image");
    let mut bytes = std::fs::read(&image.path).expect("a file");
    let last = bytes.len() - 1000;
    bytes[last] ^= 1;
    std::fs::remove_file(&image.path).expect("remove");
    std::fs::write(&image.path, bytes).expect("write");
    let mut store = Store::open(&samples.path("cache")).expect("a store");
    let findings = store.verify(&Interrupt::new(), &mut |_, _| {}).expect("readable");
    assert_eq!(findings.len(), 1, "{findings:?}");
    store.repair(&findings).expect("repaired");
    assert_same(&samples, &fetched(&samples, "disk.vdi", &image.sha256).expect("made again").path);
}

#[test]
fn what_cannot_be_read_is_no_base() {
    let samples = Samples::new();
    samples.convert("-O vdi", "disk.vdi");
    samples.patch("disk.vdi", 0x4c, &[4]);
    let error = fetched(&samples, "disk.vdi", &digest(&samples, "disk.vdi")).expect_err("a difference");
    assert_eq!(
        error.to_string(),
        "disk.vdi cannot be used as a disk image: it holds only what changed of another disk, its parent"
    );
    let other = Sha256::of(b"another file");
    assert!(matches!(fetched(&samples, "disk.vdi", &other), Err(ImageError::WrongDigest { .. })));
}
