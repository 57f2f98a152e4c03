//! VMDK, VHD, VHDX and VDI, and what is found out about files.

use goldsmith::image::Format;
use goldsmith::image::probe::{Kind, probe};

use super::samples::{SIZE, Samples, assert_same};

/// Every way in which QEMU writes a format: options, subformat.
const WAYS: [(&str, Format, &str); 10] = [
    ("-O vmdk", Format::Vmdk, "monolithicSparse"),
    ("-O vmdk -o subformat=streamOptimized", Format::Vmdk, "streamOptimized"),
    ("-O vmdk -o zeroed_grain=on", Format::Vmdk, "monolithicSparse"),
    ("-O vpc -o force_size=on", Format::Vhd, "dynamic"),
    ("-O vpc -o force_size=on,subformat=fixed", Format::Vhd, "fixed"),
    ("-O vhdx", Format::Vhdx, "dynamic"),
    ("-O vhdx -o block_size=2M", Format::Vhdx, "dynamic"),
    ("-O vhdx -o subformat=fixed", Format::Vhdx, "fixed"),
    ("-O vdi", Format::Vdi, "dynamic"),
    ("-O vdi -o static=on", Format::Vdi, "fixed"),
];

#[test]
fn every_kind_of_file_is_read_and_known() {
    let samples = Samples::new();
    for (number, (options, format, subformat)) in WAYS.iter().enumerate() {
        // A name that lies.
        let path = samples.convert(options, &format!("{number}.iso"));
        assert_same(&samples, &path);
        let probed = probe(&path).expect("a file");
        assert_eq!(probed.kind, Kind::Disk(*format), "{options}");
        assert_eq!(probed.features.subformat.as_deref(), Some(*subformat), "{options}");
        assert_eq!((probed.virtual_size, probed.fault), (Some(SIZE as u64), None), "{options}");
        assert_eq!(probed.features.marks, Vec::<&str>::new(), "{options}");
    }
}

#[test]
fn directories_at_the_end_are_found() {
    let samples = Samples::new();
    let path = samples.convert("-O vmdk -o subformat=streamOptimized", "footed.vmdk");
    samples.add_footer("footed.vmdk");
    assert_same(&samples, &path);
}

#[test]
fn headers_are_told() {
    let samples = Samples::new();
    let overlay = "-F raw -b /etc/passwd -o compression_type=zstd,cluster_size=4096 over.qcow2 1G";
    samples.qemu_img(&format!("create -q -u -f qcow2 {overlay}"));
    samples.qemu_img("create -q -f qcow2 -o data_file=data.raw,compat=1.1 external.qcow2 1M");
    samples.convert("-O vmdk -o subformat=streamOptimized,adapter_type=lsilogic", "stream.vmdk");
    samples.convert("-O vpc -o force_size=on", "disk.vhd");
    let told = ["over.qcow2", "external.qcow2", "stream.vmdk", "disk.vhd"].map(|name| {
        let features = probe(&samples.path(name)).expect("a file").features;
        format!("{name}: {}\n", serde_json::to_string_pretty(&features).expect("JSON"))
    });
    insta::assert_snapshot!(told.concat());
    let raw = probe(&samples.path("disk.raw")).expect("a file");
    assert_eq!((raw.kind, raw.virtual_size), (Kind::Disk(Format::Raw), Some(SIZE as u64)));
    assert!(raw.allocated > 0);
}
