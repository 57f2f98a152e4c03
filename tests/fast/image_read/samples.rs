//! A directory with one disk, which `qemu-img` writes in every way it knows.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith::image::read::{self, Options};
use goldsmith::image::{Extents, Source};

pub(crate) struct Samples {
    dir: tempfile::TempDir,
    /// The bytes of the disk.
    pub(crate) disk: Vec<u8>,
}

/// No multiple of any format's block.
pub(crate) const SIZE: usize = (13 << 20) + 5 * 512;

impl Samples {
    /// A disk with noise, text, holes and data at both of its ends.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut disk = vec![0; SIZE];
        let mut random = fastrand::Rng::with_seed(1);
        for range in [0..70_000, 3 << 20..(3 << 20) + 1_200_000, (8 << 20) + 4096..(8 << 20) + 8192] {
            random.fill(&mut disk[range]);
        }
        for (at, byte) in disk[6 << 20..7 << 20].iter_mut().enumerate() {
            *byte = b"goldsmith "[at % 10];
        }
        disk[SIZE - 700..].fill(0x5a);
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        let samples = Self { dir, disk };
        std::fs::write(samples.path("disk.raw"), &samples.disk).expect("a file");
        samples
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `qemu-img` with words that are separated by spaces.
    pub(crate) fn qemu_img(&self, words: &str) {
        let output = Command::new("qemu-img").args(words.split_whitespace()).current_dir(self.dir.path()).output();
        let output = output.expect("qemu-img");
        assert!(output.status.success(), "qemu-img {words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Converts the disk with some options.
    pub(crate) fn convert(&self, options: &str, name: &str) -> PathBuf {
        self.qemu_img(&format!("convert -f raw {options} disk.raw {name}"));
        self.path(name)
    }

    /// Moves the directory of a streamOptimized VMDK to a footer, where programs other than QEMU have it.
    pub(crate) fn add_footer(&self, name: &str) {
        let mut bytes = std::fs::read(self.path(name)).expect("a file");
        let header = bytes[..512].to_vec();
        bytes[56..64].fill(0xff);
        let marker = |count: u8, kind: u8| {
            let mut marker = [0; 512];
            (marker[0], marker[12]) = (count, kind);
            marker
        };
        // A footer marker of one sector, the footer, the end of the stream.
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes.extend([&marker(1, 3)[..], &header, &marker(0, 0)].concat());
        std::fs::write(self.path(name), bytes).expect("a file");
    }

    pub(crate) fn patch(&self, name: &str, at: u64, bytes: &[u8]) {
        let file = std::fs::File::options().write(true).open(self.path(name)).expect("a file");
        file.write_all_at(bytes, at).expect("write");
    }
}

/// All bytes of a disk, with zeros wherever it says to have no data.
pub(crate) fn content(source: &dyn Source, extents: &Extents) -> Vec<u8> {
    let mut disk = vec![0; usize::try_from(source.size()).expect("a small disk")];
    for range in extents.iter() {
        let range = range.start as usize..range.end as usize;
        source.read_at(range.start as u64, &mut disk[range]).expect("data");
    }
    disk
}

/// Opens a file that is whole.
pub(crate) fn open(path: &Path) -> read::Opened {
    read::open(path, &Options::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares a file's disk with the original, through its extents, in one go, and in odd pieces.
pub(crate) fn assert_same(samples: &Samples, path: &Path) {
    let source = open(path).source;
    let extents = source.extents().expect("extents");
    let name = path.display();
    assert_eq!(source.size(), SIZE as u64, "{name}");
    assert!(content(source.as_ref(), &extents) == samples.disk, "{name}: another disk by its extents");
    let everything: Extents = std::iter::once(0..source.size()).collect();
    assert!(content(source.as_ref(), &everything) == samples.disk, "{name}: another disk");
    let mut piece = vec![1; 77_777];
    for offset in (0..SIZE - piece.len()).step_by(75_001) {
        source.read_at(offset as u64, &mut piece).expect("a piece");
        assert!(piece == samples.disk[offset..offset + piece.len()], "{name}: another piece at {offset}");
    }
}
