//! Every format that is written is the same disk when QEMU reads it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::image::digests::Kinds;
use goldsmith::image::read::raw::Raw;
use goldsmith::image::read::{self, Options};
use goldsmith::image::write::{Disk, Machine};
use goldsmith::image::{
    Adapter, Codec, Encoding, Extents, Format, Output, Source as _, VhdEncoding, VmdkEncoding, VmdkOptions, Written,
    pass,
};
use goldsmith::interrupt::Interrupt;
use goldsmith::recipe::Firmware;
use sha2::Digest as _;

const MIB: u64 = 1 << 20;

const VMDK: VmdkOptions = VmdkOptions { adapter: Adapter::Lsilogic, tools_version: i32::MAX as u32 };

/// A disk as a raw file, sparse, of so many bytes with data at some ranges. The data is neither zero nor repetitive.
fn disk(directory: &Path, size: u64, data: &[(u64, u64)]) -> Raw {
    let path = directory.join("disk.raw");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).expect("a file");
    file.set_len(size).expect("room");
    let mut random = fastrand::Rng::with_seed(size);
    for (start, end) in data {
        // Two bits of each byte are random, so that it can be compressed.
        let bytes: Vec<u8> = (*start..*end).map(|_| random.u8(..8) | 1).collect();
        file.write_all_at(&bytes, *start).expect("room");
    }
    Raw::new(file).expect("a disk")
}

fn write(disk: &Raw, extents: &Extents, encoding: &Encoding, path: &Path) -> Written {
    write_for(Machine { name: "image", ..Machine::default() }, disk, extents, encoding, path)
}

fn write_for(machine: Machine<'_>, disk: &Raw, extents: &Extents, encoding: &Encoding, path: &Path) -> Written {
    let file = File::options().read(true).write(true).create_new(true).open(path).expect("a file");
    let shape = Disk { size: disk.size(), extents, seed: &[7; 32], machine, earlier: None };
    let sink = encoding.sink(&shape, file, Kinds { sha512: true, md5: true }).expect("a sink");
    pass::write(disk, extents, vec![sink], &Interrupt::new(), &mut |_| {}).expect("written").remove(0)
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Writes a disk twice and has QEMU look at it.
fn holds(format: Format, encoding: &Encoding, size: u64, data: &[(u64, u64)]) -> u64 {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = disk(directory.path(), size, data);
    let extents = disk.extents().expect("extents");
    let out = directory.path().join("out");
    let written = write(&disk, &extents, encoding, &out);

    let file = std::fs::read(&out).expect("the file");
    assert_eq!(file.len() as u64, written.size);
    assert_eq!(hex::encode(sha2::Sha256::digest(&file)), written.digests.sha256.to_string());
    assert_eq!(Some(hex::encode(sha2::Sha512::digest(&file))), written.digests.sha512);
    let again = write(&disk, &extents, encoding, &directory.path().join("again"));
    assert_eq!(again, written, "the same disk must give the same file");

    if let Some(driver) = format.traits().qemu {
        let raw = directory.path().join("disk.raw");
        let mut compare = Command::new("qemu-img");
        run(compare.args(["compare", "-f", driver, "-F", "raw"]).args([&out, &raw]));
        let info = run(Command::new("qemu-img").args(["info", "--output=json", "-f", driver]).arg(&out));
        let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
        assert_eq!(info["virtual-size"], encoding.stored_size(size));
        let mut check = Command::new("qemu-img");
        let checked = check.args(["check", "-f", driver]).arg(&out).output().expect("qemu-img");
        // 63: the driver has no check.
        assert!(matches!(checked.status.code(), Some(0 | 63)), "{checked:?}");
    }
    if format.is_readable() {
        let options = Options { format: Some(format), ..Options::default() };
        let read = read::open(&out, &options).expect("it is readable").source;
        assert_eq!(read.size(), encoding.stored_size(size), "{format}");
        let data: Vec<_> = read.extents().expect("extents").iter().chain(extents.iter()).cloned().collect();
        for range in data.into_iter().map(|range| range.start..range.end.min(size)).filter(|range| !range.is_empty()) {
            let [mut there, mut here] = [(); 2].map(|()| vec![0; (range.end - range.start) as usize]);
            read.read_at(range.start, &mut there).expect("data");
            disk.read_at(range.start, &mut here).expect("data");
            assert!(there == here, "{format}: another disk at {range:?}");
        }
    }
    written.size
}

/// Disks of several kinds: empty, a byte at the end, of odd size, large with little data, and full.
fn holds_all(format: Format, encoding: &Encoding) {
    holds(format, encoding, 3 * MIB, &[]);
    holds(format, encoding, 64 * MIB, &[(64 * MIB - 1, 64 * MIB)]);
    holds(
        format,
        encoding,
        5 * MIB + 512 * 77,
        &[(3, 70_000), (2 * MIB - 1, 2 * MIB + 1), (5 * MIB + 5, 5 * MIB + 512 * 77)],
    );
    holds(format, encoding, 6 * MIB, &[(0, 6 * MIB)]);
    holds(format, encoding, 512, &[(0, 512)]);
    // QEMU's reader of VHDX does not tell where data is, so that comparing 5 GiB takes 20 seconds. A file with all zeros is hashed
    // with them.
    let large = match format {
        _ if encoding.has_zeros() => 60 * MIB,
        Format::Vhdx => 500 * MIB,
        _ => 5 << 30,
    };
    let step = large / 40 / 512 * 512;
    let scattered: Vec<_> = (0..40).map(|n| (n * step + n * 4567, n * step + n * 5000 + 1)).collect();
    let size = holds(format, encoding, large, &scattered);
    assert!(encoding.has_zeros() || size < 90 * MIB, "{size}");
}

/// Every format of whole disks that QEMU or Goldsmith reads, with its default options. The other options have tests of their own.
#[test]
fn every_format_of_disks_holds_the_disk() {
    let formats: Vec<_> = Format::all()
        .filter(|format| format.is_disk() && (format.traits().qemu.is_some() || format.is_readable()))
        .collect();
    assert!(formats.len() >= 6, "{formats:?}");
    // Its tests are in `image_qcow2`, with every size of its clusters.
    for format in formats.into_iter().filter(|format| *format != Format::Qcow2) {
        let encoding = Output::new(format).encoding().expect("the default options fit");
        holds_all(format, &encoding);
    }
}

#[test]
fn fixed_vhd_files_hold_the_disk() {
    let encoding = Encoding::Vhd(VhdEncoding::Fixed);
    assert_eq!(encoding.stored_size(5 * MIB + 512), 6 * MIB);
    for (size, data) in
        [(3 * MIB, (0, 0)), (5 * MIB + 512 * 77, (5 * MIB, 5 * MIB + 512 * 77)), (6 * MIB, (0, 6 * MIB))]
    {
        assert_eq!(holds(Format::Vhd, &encoding, size, &[data]), size.next_multiple_of(MIB) + 512);
    }
}

#[test]
fn vmdk_files_of_plain_grains_hold_the_disk() {
    holds_all(Format::Vmdk, &Encoding::Vmdk(VmdkEncoding::Sparse(VMDK)));
}

/// Compressed raw disks, as the programs that unpack them see them.
#[test]
fn compressed_raw_files_unpack_to_the_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let size = 65 * MIB + 512 * 77;
    let data = [(5, 70_000), (2 * MIB - 1, 4 * MIB + 1), (40 * MIB, 40 * MIB + 1), (size - 9, size)];
    let disk = disk(directory.path(), size, &data);
    let extents = disk.extents().expect("extents");
    let raw = std::fs::read(directory.path().join("disk.raw")).expect("the disk");
    for (codec, program, module) in
        [(Codec::Zstd, "zstd", None), (Codec::Gzip, "gzip", Some("gzip")), (Codec::Xz, "xz", Some("lzma"))]
    {
        let path = directory.path().join(format!("out.{}", codec.extension()));
        let written = write(&disk, &extents, &Encoding::Raw(Some(codec)), &path);
        assert_eq!(Sha256::of_file(&path).expect("the file"), written.digests.sha256);
        assert!(written.size < 5 * MIB, "{codec:?}: {}", written.size);
        let again = directory.path().join("again");
        assert_eq!(write(&disk, &extents, &Encoding::Raw(Some(codec)), &again), written);
        std::fs::remove_file(again).expect("a file");

        run(Command::new(program).arg("-t").arg(&path));
        let unpacked = Command::new(program).arg("-dc").arg(&path).output().expect("the program is installed");
        assert!(unpacked.stdout == raw, "{codec:?}: {} bytes of {size}", unpacked.stdout.len());
        if let Some(module) = module {
            let script = "import hashlib, importlib, sys\n\
                          file = importlib.import_module(sys.argv[1]).open(sys.argv[2])\n\
                          print(hashlib.sha256(file.read()).hexdigest())";
            let digest = run(Command::new("python3").args(["-c", script, module]).arg(&path));
            assert_eq!(digest.trim(), Sha256::of(&raw).to_string(), "{codec:?}");
        }
    }
}

/// What programs for tar, XML and VMDK see in an OVA.
#[test]
fn ova_files_are_packages_of_a_machine_and_its_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = disk(directory.path(), 70 * MIB, &[(0, 70_000), (69 * MIB, 70 * MIB)]);
    let extents = disk.extents().expect("extents");
    let path = directory.path().join("image.ova");
    let encoding = Encoding::Ova(VmdkOptions { adapter: Adapter::Pvscsi, ..VMDK });
    let machine = Machine { name: "my image", arch: "x86_64", firmware: Some(Firmware::Uefi) };
    let written = write_for(machine, &disk, &extents, &encoding, &path);
    assert_eq!(Sha256::of_file(&path).expect("the file"), written.digests.sha256);
    assert_eq!(path.metadata().expect("the file").len(), written.size);
    let again = write_for(machine, &disk, &extents, &encoding, &directory.path().join("again"));
    assert_eq!(again, written);

    let names = run(Command::new("tar").arg("-tf").arg(&path));
    assert_eq!(names, "my_image.ovf\nmy_image-disk1.vmdk\nmy_image.mf\n");
    run(Command::new("tar").arg("-C").arg(directory.path()).arg("-xf").arg(&path));
    let sums = std::fs::read_to_string(directory.path().join("my_image.mf")).expect("the manifest");
    for name in ["my_image.ovf", "my_image-disk1.vmdk"] {
        let sum = Sha256::of_file(&directory.path().join(name)).expect("a member");
        assert!(sums.contains(&format!("SHA256({name})= {sum}\n")), "{sums}");
    }
    let vmdk = directory.path().join("my_image-disk1.vmdk");
    let raw = directory.path().join("disk.raw");
    run(Command::new("qemu-img").args(["compare", "-f", "vmdk", "-F", "raw"]).args([&vmdk, &raw]));

    let script = r#"
import sys, xml.etree.ElementTree as tree
ovf = "{http://schemas.dmtf.org/ovf/envelope/1}"
rasd = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
vmw = "{http://www.vmware.com/schema/ovf}"
root = tree.parse(sys.argv[1]).getroot()
file, disk = next(root.iter(ovf + "File")), next(root.iter(ovf + "Disk"))
print(file.get(ovf + "href"), file.get(ovf + "size"), disk.get(ovf + "capacity"))
print([item.findtext(rasd + "ResourceType") for item in root.iter(ovf + "Item")])
print([item.findtext(rasd + "ResourceSubType") for item in root.iter(ovf + "Item")])
print([(config.get(vmw + "key"), config.get(vmw + "value")) for config in root.iter(vmw + "Config")])
"#;
    let seen = run(Command::new("python3").args(["-c", script]).arg(directory.path().join("my_image.ovf")));
    let length = vmdk.metadata().expect("the disk").len();
    let expected = [
        format!("my_image-disk1.vmdk {length} {}", 70 * MIB),
        "['3', '4', '6', '17', '10']".to_owned(),
        "[None, None, 'VirtualSCSI', None, 'VmxNet3']".to_owned(),
        "[('firmware', 'efi')]".to_owned(),
    ];
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected);
}
