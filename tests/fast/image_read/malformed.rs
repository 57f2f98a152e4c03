//! Images that are damaged, or made to do harm: each is refused with what is wrong, and nothing else happens.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;

use flate2::Compression;
use goldsmith::image::read::{Options, open_packed};
use goldsmith::image::unpack::Unpack;
use goldsmith::interrupt::Interrupt;

use super::samples::Samples;

/// What is said of a file that is read to its end, or as far as it goes.
fn verdict(samples: &Samples, name: &str) -> String {
    let path = samples.path(name);
    let directory = samples.path("");
    let unpack = Unpack { directory: &directory, max_size: None, interrupt: &Interrupt::new() };
    let said = match open_packed(&path, &Options::default(), &unpack, &mut |_, _| {}) {
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|it| format!(": {it}")).unwrap_or_default();
            let help = error.help().map(|help| format!("\n    {help}")).unwrap_or_default();
            format!("{error}{cause}{help}")
        }
        Ok(opened) => {
            let read = opened.source.extents().and_then(|extents| {
                let mut buffer = vec![0; 1 << 20];
                for range in extents.iter() {
                    for start in range.clone().step_by(buffer.len()) {
                        let length = (range.end - start).min(buffer.len() as u64) as usize;
                        opened.source.read_at(start, &mut buffer[..length])?;
                    }
                }
                Ok(())
            });
            format!("reading: {}", read.expect_err(name))
        }
    };
    format!("{name}\n  {}\n", said.replace(directory.to_str().expect("UTF-8"), "[dir]/"))
}

/// Files being damaged.
struct Yard {
    samples: Samples,
    told: String,
}

impl Yard {
    fn number(&self, file: &str, at: u64) -> u64 {
        let mut bytes = [0; 8];
        std::fs::File::open(self.samples.path(file))
            .and_then(|file| file.read_exact_at(&mut bytes, at))
            .expect("a number");
        u64::from_be_bytes(bytes)
    }

    /// Copies a file, changes it, and notes what is said of it.
    fn with(&mut self, from: &str, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.samples.path(from)).expect("a file");
        change(&mut bytes);
        self.of(name, &bytes);
    }

    fn of(&mut self, name: &str, bytes: &[u8]) {
        std::fs::write(self.samples.path(name), bytes).expect("a file");
        self.told.push_str(&verdict(&self.samples, name));
    }

    fn patched(&mut self, from: &str, name: &str, at: u64, patch: &[u8]) {
        self.with(from, name, |bytes| put(bytes, at, patch));
    }
}

fn put(bytes: &mut [u8], at: u64, patch: &[u8]) {
    bytes[at as usize..at as usize + patch.len()].copy_from_slice(patch);
}

fn yard() -> Yard {
    Yard { samples: Samples::new(), told: String::new() }
}

#[test]
fn qcow2() {
    let mut yard = yard();
    yard.samples.convert("-O qcow2", "plain");
    yard.samples.convert("-O qcow2 -o cluster_size=4096", "small");
    let (l1, l2) = (yard.number("plain", 40), yard.number("plain", yard.number("plain", 40)) & 0xff_ffff_ff00);
    let (small_l1, first) = (yard.number("small", 40), yard.number("small", yard.number("small", 40)));
    let be = |number: u64| number.to_be_bytes();
    yard.patched("plain", "l1-leads-to-itself", l1, &be(1 << 63 | l1));
    yard.patched("plain", "l1-leads-to-the-header", l1, &be(1 << 63 | 0x200));
    yard.patched("small", "two-entries-lead-to-one-table", small_l1 + 8, &be(first));
    let data = yard.number("plain", l2);
    yard.patched("plain", "two-blocks-at-one-place", l2 + 8, &be(data));
    yard.patched("plain", "data-beyond-the-end", l2, &be(1 << 63 | 1 << 40));
    yard.patched("plain", "data-between-clusters", l2, &be(1 << 63 | 0x50200));
    yard.patched("plain", "table-beyond-the-end", l1, &be(1 << 63 | 1 << 50));
    yard.patched("plain", "l1-beyond-the-end", 40, &be(1 << 40));
    yard.patched("plain", "l1-huge", 36, &[0xff; 4]);
    yard.patched("plain", "l1-short", 36, &[0; 4]);
    yard.patched("plain", "disk-huge", 24, &be(1 << 62));
    yard.patched("plain", "disk-of-nothing", 24, &be(0));
    yard.patched("plain", "refcounts-of-nonsense", 96, &[0, 0, 0, 40]);
    yard.patched("plain", "refcounts-beyond-the-end", 48, &be(1 << 48));
    yard.patched("plain", "clusters-huge", 20, &[0, 0, 0, 63]);
    yard.patched("plain", "version-9", 4, &[0, 0, 0, 9]);
    yard.patched("plain", "encrypted", 32, &[0, 0, 0, 2]);
    yard.patched("plain", "corrupt", 79, &[2]);
    yard.patched("plain", "data-elsewhere", 79, &[4]);
    yard.patched("plain", "extended", 79, &[16]);
    yard.patched("plain", "feature-of-the-future", 77, &[1]);
    yard.patched("plain", "codec-of-the-future", 104, &[9]);
    yard.samples.qemu_img("create -q -u -f qcow2 -F raw -b /etc/passwd passwd 1M");
    yard.with("passwd", "backed-by-passwd", |_| {});
    yard.with("plain", "cut", |bytes| bytes.truncate(bytes.len() / 2));
    yard.with("plain", "cut-in-its-header", |bytes| bytes.truncate(50));
    insta::assert_snapshot!(yard.told);
}

#[test]
fn qcow2_with_compressed_clusters() {
    let deflated = |length: u64| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::best());
        std::io::copy(&mut std::io::repeat(7).take(length), &mut encoder).expect("memory");
        encoder.finish().expect("memory")
    };
    let mut yard = yard();
    yard.samples.convert("-c -O qcow2", "deflate");
    yard.samples.convert("-c -O qcow2 -o compression_type=zstd", "zstd");
    for (from, short, long) in [
        ("deflate", deflated(100), deflated(70_000)),
        (
            "zstd",
            zstd::encode_all(&[7; 100][..], 1).expect("zstd"),
            zstd::encode_all(&[7; 70_000][..], 1).expect("zstd"),
        ),
    ] {
        // The first block is noise, and not compressed; this one is text.
        let l2 = (yard.number(from, yard.number(from, 40)) & 0xff_ffff_ff00) + (6 << 20) / 65536 * 8;
        let entry = yard.number(from, l2);
        let at = entry & ((1 << 54) - 1);
        yard.patched(from, &format!("{from}-too-short"), at, &short);
        yard.patched(from, &format!("{from}-too-long"), at, &long);
        yard.patched(from, &format!("{from}-noise"), at, &[0x5f; 400]);
        yard.patched(from, &format!("{from}-beyond-the-end"), l2, &(entry | 1 << 45).to_be_bytes());
    }
    insta::assert_snapshot!(yard.told);
}

#[test]
fn vmdk() {
    let mut yard = yard();
    yard.samples.convert("-O vmdk", "sparse");
    yard.samples.convert("-O vmdk -o subformat=streamOptimized", "stream");
    let descriptor = |kind: &str, parent: &str, extent: &str| {
        let text = format!(
            "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID={parent}\ncreateType=\"{kind}\"\n{extent}\n"
        );
        text.into_bytes()
    };
    let sparse = "RW 26629 SPARSE \"sparse\"";
    for (name, text) in [
        ("path-of-another-file", descriptor("monolithicSparse", "ffffffff", "RW 26629 SPARSE \"../../etc/passwd\"")),
        ("flat", descriptor("monolithicFlat", "ffffffff", "RW 26629 FLAT \"passwd\" 0")),
        ("flat-extent", descriptor("monolithicSparse", "ffffffff", "RW 26629 FLAT \"passwd\" 0")),
        ("several", descriptor("monolithicSparse", "ffffffff", &format!("{sparse}\n{sparse}"))),
        ("none", descriptor("monolithicSparse", "ffffffff", "")),
        ("stands-on-another", descriptor("monolithicSparse", "12345678", sparse)),
    ] {
        let padded = [text.as_slice(), &[0; 600]].concat();
        yard.patched("sparse", name, 512, &padded);
    }
    yard.of("descriptor-only", &descriptor("monolithicFlat", "ffffffff", "RW 26629 FLAT \"../../etc/passwd\" 0"));
    yard.patched("sparse", "no-descriptor", 28, &[0; 16]);
    yard.patched("sparse", "capacity-0", 12, &[0; 8]);
    yard.patched("sparse", "capacity-huge", 12, &[0xff; 8]);
    yard.patched("sparse", "grains-of-3-sectors", 20, &3_u64.to_le_bytes());
    yard.patched("sparse", "tables-of-nothing", 44, &[0; 4]);
    yard.patched("sparse", "directory-beyond-the-end", 56, &(1_u64 << 40).to_le_bytes());
    yard.patched("sparse", "version-9", 4, &[9]);
    let little = |yard: &Yard, file: &str, at: u64| yard.number(file, at).swap_bytes();
    let directory = little(&yard, "sparse", 56) * 512;
    let table = (little(&yard, "sparse", directory) & 0xffff_ffff) * 512;
    let first = little(&yard, "sparse", table) as u32;
    yard.patched("sparse", "table-beyond-the-end", directory, &[0xff; 4]);
    yard.patched("sparse", "grain-beyond-the-end", table, &[0xff; 4]);
    yard.patched("sparse", "two-grains-at-one-place", table + 4, &first.to_le_bytes());
    yard.with("sparse", "cut", |bytes| bytes.truncate(bytes.len() / 2));
    yard.samples.convert("-O vmdk -o subformat=streamOptimized", "footed");
    yard.samples.add_footer("footed");
    yard.with("footed", "without-footer", |bytes| bytes.truncate(bytes.len() - 1024));
    yard.with("footed", "footer-of-another", |bytes| {
        let at = bytes.len() - 1024 + 12;
        bytes[at] ^= 1;
    });
    let directory = little(&yard, "stream", 56) * 512;
    let table = (little(&yard, "stream", directory) & 0xffff_ffff) * 512;
    let first = little(&yard, "stream", table) as u32;
    yard.patched("stream", "grain-of-another-place", table + 4, &first.to_le_bytes());
    yard.patched("stream", "grain-too-long", u64::from(first) * 512 + 8, &[0xff; 4]);
    yard.patched("stream", "grain-of-noise", u64::from(first) * 512 + 12, &[0x5f; 100]);
    insta::assert_snapshot!(yard.told);
}

/// Makes the checksum over a part of a VHD right.
fn seal_vhd(bytes: &mut [u8], at: usize, length: usize, field: usize) {
    bytes[at + field..at + field + 4].fill(0);
    let sum = !bytes[at..at + length].iter().map(|byte| u32::from(*byte)).sum::<u32>();
    bytes[at + field..at + field + 4].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn vhd() {
    let mut yard = yard();
    yard.samples.convert("-O vpc -o force_size=on", "dynamic");
    yard.samples.convert("-O vpc -o force_size=on,subformat=fixed", "fixed");
    let table = yard.number("dynamic", 512 + 16);
    let block = yard.number("dynamic", table) >> 32;
    yard.patched("dynamic", "block-beyond-the-end", table, &0xffff_fff0_u32.to_be_bytes());
    yard.patched("dynamic", "two-blocks-at-one-place", table + 4, &(block as u32).to_be_bytes());
    let mut header = |name: &str, at: usize, patch: &[u8]| {
        yard.with("dynamic", name, |bytes| {
            put(bytes, 512 + at as u64, patch);
            seal_vhd(bytes, 512, 1024, 36);
        });
    };
    header("table-beyond-the-end", 16, &(1_u64 << 60).to_be_bytes());
    header("blocks-of-nothing", 32, &[0; 4]);
    header("blocks-huge", 32, &(1_u32 << 31).to_be_bytes());
    header("table-too-short", 28, &[0, 0, 0, 1]);
    yard.patched("dynamic", "header-damaged", 512 + 30, &[1]);
    let mut footer = |name: &str, at: usize, patch: &[u8]| {
        yard.with("dynamic", name, |bytes| {
            let end = bytes.len() - 512;
            put(bytes, (end + at) as u64, patch);
            seal_vhd(bytes, end, 512, 64);
        });
    };
    footer("differencing", 60, &[0, 0, 0, 4]);
    footer("type-9", 60, &[0, 0, 0, 9]);
    footer("disk-huge", 48, &[0x7f; 8]);
    footer("disk-of-nothing", 48, &[0; 8]);
    footer("header-beyond-the-end", 16, &[0x7f; 8]);
    yard.with("dynamic", "cut", |bytes| bytes.truncate(bytes.len() / 2));
    yard.with("dynamic", "cut-early", |bytes| bytes.truncate(100));
    yard.with("fixed", "fixed-cut", |bytes| drop(bytes.drain(1 << 20..2 << 20)));
    insta::assert_snapshot!(yard.told);
}

/// Makes the checksum over a part of a VHDX right.
fn seal_vhdx(bytes: &mut [u8], at: usize, length: usize) {
    bytes[at + 4..at + 8].fill(0);
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&bytes[at..at + length]);
    bytes[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn vhdx() {
    const HEADERS: [usize; 2] = [64 << 10, 128 << 10];
    const REGIONS: [usize; 2] = [192 << 10, 256 << 10];
    let mut yard = yard();
    yard.samples.convert("-O vhdx -o block_size=1M", "disk");
    yard.with("disk", "headers-damaged", |bytes| HEADERS.iter().for_each(|at| bytes[at + 100] ^= 1));
    yard.with("disk", "regions-damaged", |bytes| REGIONS.iter().for_each(|at| bytes[at + 1000] ^= 1));
    let mut header = |name: &str, at: usize, patch: &[u8]| {
        yard.with("disk", name, |bytes| {
            for header in HEADERS {
                put(bytes, (header + at) as u64, patch);
                seal_vhdx(bytes, header, 4 << 10);
            }
        });
    };
    header("log-pending", 48, &[1; 16]);
    header("version-2", 66, &[2]);
    let yard_path = yard.samples.path("disk");
    let mut region = |name: &str, at: usize, patch: &[u8]| {
        yard.with("disk", name, |bytes| {
            for table in REGIONS {
                put(bytes, (table + at) as u64, patch);
                seal_vhdx(bytes, table, 64 << 10);
            }
        });
    };
    let other = std::fs::read(yard_path).expect("a file")[REGIONS[0] + 48 + 16..][..8].to_vec();
    region("regions-overlap", 16 + 16, &other);
    region("region-without-end", 16 + 16, &u64::MAX.to_le_bytes());
    region("region-over-the-headers", 16 + 16, &0_u64.to_le_bytes());
    region("region-unknown", 16, &[9; 16]);
    region("no-regions", 8, &[0; 4]);
    let bytes = std::fs::read(yard.samples.path("disk")).expect("a file");
    let find = |id: &[u8]| bytes.windows(id.len()).position(|part| part == id).expect("it is there") as u64;
    let little = |at: u64| u64::from_le_bytes(bytes[at as usize..at as usize + 8].try_into().expect("eight bytes"));
    let table = little(find(&[0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6]) + 16);
    let metadata = find(b"metadata");
    let parameters = metadata + (little(find(&[0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa]) + 16) & 0xffff_ffff);
    let size = metadata + (little(find(&[0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd]) + 16) & 0xffff_ffff);
    yard.patched("disk", "block-beyond-the-end", table, &(1_u64 << 50 | 6).to_le_bytes());
    yard.patched("disk", "block-over-the-headers", table, &6_u64.to_le_bytes());
    yard.patched("disk", "block-half-there", table, &(little(table) | 7).to_le_bytes());
    yard.patched("disk", "two-blocks-at-one-place", table + 8, &little(table).to_le_bytes());
    yard.patched("disk", "metadata-gone", metadata, &[0; 8]);
    yard.patched("disk", "metadata-empty", metadata + 10, &[0; 2]);
    yard.patched("disk", "differencing", parameters + 4, &[2]);
    yard.patched("disk", "blocks-of-nothing", parameters, &[0; 4]);
    yard.patched("disk", "disk-huge", size, &(1_u64 << 60).to_le_bytes());
    yard.with("disk", "cut", |bytes| bytes.truncate(4 << 20));
    yard.with("disk", "cut-in-its-headers", |bytes| bytes.truncate(100 << 10));
    insta::assert_snapshot!(yard.told);
}

#[test]
fn vdi() {
    let mut yard = yard();
    yard.samples.convert("-O vdi", "disk");
    let map = u64::from(yard.number("disk", 0x154).swap_bytes() as u32);
    let word = |number: u32| number.to_le_bytes();
    yard.patched("disk", "two-blocks-at-one-place", map + 12, &word(0));
    yard.patched("disk", "block-beyond-the-end", map, &word(0x7fff_ffff));
    yard.patched("disk", "map-beyond-the-end", 0x154, &word(0xffff_0000));
    yard.patched("disk", "map-too-short", 0x180, &word(1));
    yard.patched("disk", "blocks-of-nothing", 0x178, &word(0));
    yard.patched("disk", "disk-huge", 0x170, &[0x7f; 8]);
    yard.patched("disk", "differencing", 0x4c, &word(4));
    yard.patched("disk", "with-a-parent", 0x1a8, &[1; 16]);
    yard.patched("disk", "type-9", 0x4c, &word(9));
    yard.patched("disk", "version-2", 0x44, &word(0x2_0000));
    yard.patched("disk", "sectors-of-nothing", 0x168, &word(0));
    yard.with("disk", "cut", |bytes| bytes.truncate(2 << 20));
    yard.with("disk", "cut-in-its-header", |bytes| bytes.truncate(200));
    insta::assert_snapshot!(yard.told);
}

#[test]
fn compressed_files() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    let mut yard = yard();
    let disk = yard.samples.disk.clone();
    let packed = gzip(&disk);
    yard.of("cut", &packed[..packed.len() / 2]);
    let damaged: Vec<u8> = packed.iter().enumerate().map(|(at, byte)| if at == 5000 { !byte } else { *byte }).collect();
    yard.of("damaged", &damaged);
    yard.of("twice", &gzip(&packed));
    yard.of("page", &gzip(b"<html>Not found</html>"));
    yard.of("empty", &gzip(b""));
    yard.of("bomb", &zstd::encode_all(std::io::repeat(b'x').take(80 << 20), 1).expect("zstd"));
    insta::assert_snapshot!(yard.told);
}
