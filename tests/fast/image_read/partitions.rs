//! Partition tables, as sfdisk writes them.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use goldsmith::image::partitions::{self, Table, TableKind};
use goldsmith::image::read::{self, Options};
use goldsmith::image::{Format, Source};
use goldsmith::recipe::Firmware;

/// A disk of 64 MiB with the partitions that a script of sfdisk describes.
fn disk(script: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    file.as_file().set_len(64 << 20).expect("length");
    let mut command = Command::new("sfdisk");
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    command.args(["--quiet", "--no-reread", "--no-tell-kernel"]).arg(file.path()).env("PATH", path);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("sfdisk, of Debian's package fdisk");
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("a script");
    assert!(child.wait().expect("sfdisk").success());
    file
}

fn table(file: &tempfile::NamedTempFile) -> Table {
    let options = Options { format: Some(Format::Raw), ..Options::default() };
    let source: Box<dyn Source> = read::open(file.path(), &options).expect("a disk").source;
    partitions::read(source.as_ref()).expect("a table")
}

const GPT: &str = "label: gpt\nlabel-id: 11111111-2222-3333-4444-555555555555\n\
    start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, uuid=11111111-2222-3333-4444-000000000001\n\
    size=20480, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=11111111-2222-3333-4444-000000000002, name=EFI\n\
    type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=11111111-2222-3333-4444-000000000003, name=\"the root\"\n";

const MBR: &str = "label: dos\nlabel-id: 0x12345678\nstart=2048, size=20480, type=ef\n\
    size=40960, type=5\nstart=24576, size=2048, type=83\nstart=28672, size=4096, type=82\nsize=8192, type=83, bootable\n";

#[test]
fn tables_are_read() {
    let text = [GPT, MBR].map(|script| serde_json::to_string_pretty(&table(&disk(script))).expect("JSON"));
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn firmware_is_told_by_boot_code_and_partitions() {
    for (script, without, with) in [
        (GPT, vec![Firmware::Uefi], vec![Firmware::Bios, Firmware::Uefi]),
        (MBR, vec![Firmware::Uefi], vec![Firmware::Bios, Firmware::Uefi]),
        ("label: gpt\n", vec![], vec![]),
        ("label: dos\ntype=83\n", vec![], vec![Firmware::Bios]),
    ] {
        let file = disk(script);
        assert_eq!(table(&file).firmware(), without, "{script}");
        file.as_file().write_all_at(b"\xeb\x63\x90", 0).expect("write");
        assert_eq!(table(&file).firmware(), with, "{script}");
    }
}

/// extlinux puts its boot sector before an ext4 without partitions, whose own first 1024 bytes are free.
#[test]
fn a_disk_without_partitions_may_have_boot_code() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().set_len(64 << 20).expect("length");
    let write = |bytes: &[u8], at| file.as_file().write_all_at(bytes, at).expect("write");
    write(b"\xeb\x58\x90SYSLINUX", 0);
    write(b"\x09\xb4\x0e", 446);
    assert_eq!(table(&file).firmware(), [], "a BIOS starts no sector without its mark");
    write(b"\x55\xaa", 510);
    assert_eq!((table(&file).firmware(), table(&file).partitions.len()), (vec![Firmware::Bios], 0));
    write(b"FAT", 54);
    assert_eq!(table(&file).firmware(), [], "the stub of a FAT only prints that it is no system");
}

#[test]
fn the_copy_of_a_gpt_is_looked_at() {
    let faults = |file: &tempfile::NamedTempFile| {
        let options = Options { format: Some(Format::Raw), ..Options::default() };
        let source: Box<dyn Source> = read::open(file.path(), &options).expect("a disk").source;
        partitions::copy_faults(source.as_ref()).expect("it is read").join("; ")
    };
    assert_eq!((faults(&disk(GPT)), faults(&disk(MBR))), (String::new(), String::new()));
    let last = (64 << 20) / 512 - 1;
    let file = disk(GPT);
    file.as_file().set_len(65 << 20).expect("length");
    assert_eq!(faults(&file), format!("the copy of the GPT is at sector {last}, and the disk ends with sector 133119"));
    for (at, told) in [(40, "has no copy of the GPT's header"), (-512 * 32 + 3, "not like the first")] {
        let file = disk(GPT);
        let at = (last * 512_i64 + at).cast_unsigned();
        file.as_file().write_all_at(b"xyz", at).expect("write");
        assert!(faults(&file).contains(told), "{told}: {}", faults(&file));
    }
}

#[test]
fn damage_is_told_and_the_copy_used() {
    let file = disk(GPT);
    file.as_file().write_all_at(b"x", 512 + 40).expect("write");
    let found = table(&file);
    assert_eq!((found.kind, found.partitions.len()), (TableKind::Gpt, 3));
    assert_eq!(found.faults, ["the first GPT header is damaged; the one at the end of the disk is valid"]);

    let file = disk(GPT);
    file.as_file().write_all_at(&[0xff; 7], 1024 + 40).expect("write");
    let faults = table(&file).faults;
    assert_eq!(
        faults,
        [
            "the checksum of the GPT's entries is wrong",
            "partition 1 ends beyond the disk",
            "partitions 1 and 2 overlap"
        ]
    );

    let file = disk(GPT);
    file.as_file().write_all_at(&[0; 512], 512).expect("write");
    file.as_file().write_all_at(&[0; 512], (64 << 20) - 512).expect("write");
    assert_eq!(table(&file).faults, ["the boot record promises a GPT, and there is no valid one"]);
}

#[test]
fn a_list_of_logical_partitions_without_end_is_left() {
    let file = disk(MBR);
    let found = table(&file);
    // The second logical partition's record names the record of the first one as the next.
    let second = found.partitions.iter().find(|partition| partition.number == 6).expect("a logical partition");
    let mut entry = [0; 16];
    entry[4] = 5;
    entry[12] = 1;
    let record = second.start - 2048 * 512;
    let is_record = |at: u64| {
        let mut mark = [0; 2];
        file.as_file().read_exact_at(&mut mark, at + 510).expect("read");
        mark == [0x55, 0xaa]
    };
    assert!(is_record(record), "sfdisk puts the record 2048 sectors before its partition");
    file.as_file().write_all_at(&entry, record + 462).expect("write");
    assert_eq!(table(&file).faults, ["the list of logical partitions does not end"]);
}
