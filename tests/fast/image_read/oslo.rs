//! What is said of files that Glance and Nova inspect, held to the library that they inspect with: oslo.utils.

use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith::image::accept::accept;

use super::samples::Samples;

/// Tells for each file: the formats that match, and whether the one that does is safe.
const ORACLE: &str = r#"
import json, sys
from oslo_utils.imageutils import format_inspector as fi
for path in sys.argv[1:]:
    with open(path, 'rb') as file:
        wrapper = fi.InspectWrapper(file)
        while wrapper.read(65536):
            pass
        wrapper.close()
    formats = wrapper.formats
    # Glance: a medium that boots is a medium.
    if sorted(map(str, formats)) == ['gpt', 'iso']:
        formats = [it for it in formats if str(it) == 'iso']
    try:
        [it.safety_check() for it in formats]
        safe = True
    except Exception as error:
        safe = str(error)
    print(json.dumps([sorted(map(str, formats)), safe]))
"#;

/// The Python with oslo.utils: in a virtual environment that is made once.
fn python() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oslo");
    let python = home.join("bin/python");
    let has_library = |python: &Path| {
        let check = Command::new(python).args(["-c", "from oslo_utils.imageutils import format_inspector"]).output();
        check.is_ok_and(|output| output.status.success())
    };
    if !has_library(&python) {
        let run = |program: &Path, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().expect("python3, of Debian's python3-venv");
            let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "oslo.utils cannot be installed (Debian's python3-venv is needed): {text}"
            );
        };
        run(Path::new("python3"), &["-m", "venv", home.to_str().expect("UTF-8")]);
        run(&python, &["-m", "pip", "install", "--quiet", "oslo.utils>=10", "cryptography"]);
    }
    python
}

/// Bytes that are changed: where, and into what.
type Patch<'a> = (u64, &'a [u8]);

/// Files of every format that the services know, whole and not, each with the name it has for Glance.
fn files(samples: &Samples) -> Vec<(String, &'static str)> {
    let mut files = Vec::new();
    let mut add = |name: String, claimed: &'static str| files.push((name, claimed));
    for (number, (options, claimed)) in [
        ("-O qcow2", "qcow2"),
        ("-c -O qcow2 -o compression_type=zstd", "qcow2"),
        ("-O qcow2 -o compat=0.10", "qcow2"),
        ("-O qcow2 -o extended_l2=on", "qcow2"),
        ("-O vmdk", "vmdk"),
        ("-O vmdk -o subformat=streamOptimized", "vmdk"),
        ("-O vpc", "vhd"),
        ("-O vpc -o subformat=fixed", "vhd"),
        ("-O vhdx", "vhdx"),
        ("-O vdi", "vdi"),
    ]
    .iter()
    .enumerate()
    {
        let name = format!("{number}.image");
        samples.convert(options, &name);
        add(name, claimed);
    }
    samples.qemu_img("create -q -u -f qcow2 -F raw -b disk.raw backed.qcow2 1M");
    add("backed.qcow2".to_owned(), "qcow2");
    samples.qemu_img("create -q -f qcow2 -o data_file=data.bin external.qcow2 1M");
    add("external.qcow2".to_owned(), "qcow2");

    let entry = |kind: u8, chs: [u8; 3], start: u8| {
        [&[0][..], &chs, &[kind, 0xff, 0xff, 0xff, start, 0, 0, 0, 0xff, 0x60, 0, 0]].concat()
    };
    let protective = entry(0xee, [0, 2, 0], 1);
    let hybrid = [protective.clone(), entry(0x83, [0, 2, 0], 34)].concat();
    let raw: [(&str, Vec<Patch<'_>>); 10] = [
        ("no-partition.raw", vec![]),
        ("gpt.raw", vec![(446, &protective)]),
        ("hybrid.raw", vec![(446, &hybrid)]),
        ("chs.raw", vec![(446, &[0, 0, 1, 0, 0xee, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])]),
        ("lba.raw", vec![(446, &[0, 0, 2, 0, 0xee, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0])]),
        ("flag.raw", vec![(446, &[7, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])]),
        ("active.raw", vec![(446, &[0x80, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])]),
        ("fat.raw", vec![(0x10, &[2]), (0x15, &[0xf8])]),
        ("unsigned.raw", vec![(510, &[0, 0])]),
        ("vdi-inside.raw", vec![(446, &protective), (64, &[0x7f, 0x10, 0xda, 0xbe])]),
    ];
    let patched = |name: &str, from: &str, patches: &[Patch<'_>]| {
        std::fs::copy(samples.path(from), samples.path(name)).expect("a copy");
        patches.iter().for_each(|(at, bytes)| samples.patch(name, *at, bytes));
    };
    for (name, patches) in &raw {
        // Noise in the boot code would be noise in the entries.
        patched(name, "disk.raw", &[(0, &[0; 510])]);
        patches.iter().for_each(|(at, bytes)| samples.patch(name, *at, bytes));
        add((*name).to_owned(), "raw");
    }
    samples.convert("-O vmdk -o subformat=streamOptimized", "footed.vmdk");
    samples.add_footer("footed.vmdk");
    add("footed.vmdk".to_owned(), "vmdk");
    let stream = std::fs::metadata(samples.path("footed.vmdk")).expect("a file").len();
    let others: [(&str, &str, &str, Vec<Patch<'_>>); 11] = [
        ("version.qcow2", "0.image", "qcow2", vec![(7, &[4])]),
        ("feature.qcow2", "0.image", "qcow2", vec![(72, &[1])]),
        ("version.vmdk", "4.image", "vmdk", vec![(4, &[9])]),
        ("place.vmdk", "4.image", "vmdk", vec![(28, &[2])]),
        ("flat.vmdk", "4.image", "vmdk", vec![(512, b"createType=\"monolithicFlat\"\nRW 1 FLAT \"x\" 0\n\0")]),
        ("path.vmdk", "4.image", "vmdk", vec![(512, b"createType=\"monolithicSparse\"\nRW 1 SPARSE \"/x\"\n\0")]),
        ("line.vmdk", "4.image", "vmdk", vec![(512, b"createType=\"monolithicSparse\"\nRW 1 SPARSE \"x\"\nodd\n\0")]),
        ("none.vmdk", "4.image", "vmdk", vec![(512, b"createType=\"monolithicSparse\"\n\0")]),
        ("footer.vmdk", "footed.vmdk", "vmdk", vec![(stream - 1024 + 4, &[2])]),
        ("marker.vmdk", "footed.vmdk", "vmdk", vec![(stream - 1536 + 12, &[1])]),
        ("end.vmdk", "footed.vmdk", "vmdk", vec![(stream - 100, &[1])]),
    ];
    for (name, from, claimed, patches) in &others {
        patched(name, from, patches);
        add((*name).to_owned(), claimed);
    }
    patched("medium.iso", "unsigned.raw", &[(0x8000, b"\x01CD001")]);
    add("medium.iso".to_owned(), "iso");
    patched("bootable.iso", "gpt.raw", &[(0x8000, b"\x01CD001")]);
    add("bootable.iso".to_owned(), "iso");
    files
}

#[test]
#[ignore = "installs oslo.utils from the package index"]
fn verdicts_are_those_of_oslo_utils() {
    let samples = Samples::new();
    let files = files(&samples);
    let mut command = Command::new(python());
    command.args(["-c", ORACLE]).args(files.iter().map(|(name, _)| samples.path(name)));
    let output = command.output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout).expect("UTF-8");
    let answers: Vec<(Vec<String>, serde_json::Value)> =
        answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), files.len());
    let mut wrong = Vec::new();
    for ((name, claimed), (formats, safe)) in files.iter().zip(&answers) {
        let is_claimed = formats == &[*claimed] || (*claimed == "raw" && formats == &["gpt"]);
        let expected = is_claimed && *safe == true;
        let [glance, nova] = accept(&samples.path(name)).expect("a file");
        assert_eq!(glance.disk_format, Some(*claimed), "{name}");
        if glance.accepted != expected {
            wrong.push(format!("{name}: {glance:?}, but {formats:?} {safe}"));
        }
        assert_eq!(nova.accepted, expected && *claimed != "vhd", "{name}: {nova:?}");
    }
    assert_eq!(wrong, Vec::<String>::new());
    // The files are not all of one kind.
    let taken = files.iter().filter(|(name, _)| accept(&samples.path(name)).expect("a file")[0].accepted).count();
    assert!((10..files.len() - 15).contains(&taken), "{taken} of {}", files.len());
}
