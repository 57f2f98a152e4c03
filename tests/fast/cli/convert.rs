//! `goldsmith convert`.

use std::os::unix::fs::MetadataExt as _;

use goldsmith::digest::Sha256;
use goldsmith::image::Format;

use super::sandbox::{Ran, Sandbox, assert_session, names};

/// A disk of 3 MiB with a boot record and some data.
fn disk(sandbox: &Sandbox) -> Vec<u8> {
    let mut disk = vec![0; 3 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    for (at, byte) in disk[70_000..900_000].iter_mut().enumerate() {
        *byte = (at * at / 7) as u8;
    }
    sandbox.write("disk.raw", &disk);
    disk
}

/// Compares two files' disks.
fn assert_same(sandbox: &Sandbox, format: &str, file: &str) {
    let mut command = sandbox.command("qemu-img");
    let output = command.args(["compare", "-f", "raw", "-F", format, "disk.raw", file]).output().expect("qemu-img");
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_format_is_made_of_every_other() {
    let sandbox = Sandbox::new();
    disk(&sandbox);
    let targets = [
        ("a.qcow2", "qcow2", ""),
        ("b.qcow2", "qcow2", "--compat 0.10 --cluster-size 4KiB --compression none"),
        ("c.vmdk", "vmdk", ""),
        ("d.vmdk", "vmdk", "--subformat monolithicSparse --adapter ide --tools-version 10272"),
        ("e.vhd", "vpc", ""),
        ("f.vhd", "vpc", "--subformat fixed"),
        ("g.vhdx", "vhdx", ""),
        ("h.vdi", "vdi", ""),
        ("i.raw", "raw", ""),
    ];
    for (file, format, options) in targets {
        let ran = sandbox.run(&format!("convert disk.raw {file} --force {options}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_same(&sandbox, format, file);
        // And back, from a name that says nothing.
        std::fs::rename(sandbox.path(file), sandbox.path("image")).expect("rename");
        let ran = sandbox.run("convert image back.raw --force");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_same(&sandbox, "raw", "back.raw");
    }
    let left = names(&sandbox.path(""));
    assert!(left.iter().all(|name| !name.starts_with(".goldsmith")), "{left:?}");
}

#[test]
fn files_that_are_compressed_as_a_whole_are_read() {
    let sandbox = Sandbox::new();
    disk(&sandbox);
    let mut command = sandbox.command("qemu-img");
    assert!(command.args(["convert", "-O", "vdi", "disk.raw", "disk.vdi"]).status().expect("qemu-img").success());
    for (program, extension) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
        let mut command = sandbox.command(program);
        let packed = command.args(["-q", "-k", "disk.vdi", "disk.raw"]).status();
        assert!(packed.expect("a program that compresses").success());
        for from in ["vdi", "raw"] {
            let ran = sandbox.run(&format!("convert disk.{from}.{extension} out.qcow2 --force --from {from}"));
            assert_eq!(ran.code, Some(0), "{ran:?}");
            assert_same(&sandbox, "qcow2", "out.qcow2");
        }
    }
}

#[test]
fn results_are_told_and_are_what_they_say() {
    let sandbox = Sandbox::new();
    disk(&sandbox);
    let ran = sandbox.run("convert disk.raw a.vmdk --sha512 --md5 --json");
    let told = ran.last_json();
    let file = std::fs::read(sandbox.path("a.vmdk")).expect("a file");
    assert_eq!(told["sha256"], Sha256::of(&file).to_string());
    assert_eq!((&told["size"], &told["virtual-size"]), (&file.len().into(), &(3 << 20).into()));
    assert_eq!((told["from"].as_str(), told["format"].as_str()), (Some("raw"), Some("vmdk")));
    for (program, key) in [("sha512sum", "sha512"), ("md5sum", "md5")] {
        let output = sandbox.command(program).arg("a.vmdk").output().expect("coreutils");
        let digest = String::from_utf8_lossy(&output.stdout).split(' ').next().map(str::to_owned);
        assert_eq!(told[key].as_str(), digest.as_deref());
    }
    let text = sandbox.run("convert disk.raw b.vmdk --md5");
    let digest = Sha256::of(&std::fs::read(sandbox.path("b.vmdk")).expect("a file"));
    assert!(text.stdout.starts_with("b.vmdk  ") && text.stdout.contains(&format!("\nsha256  {digest}\nmd5     ")));
    assert_eq!(sandbox.path("b.vmdk").metadata().expect("a file").mode() & 0o777, 0o644);
}

#[test]
fn what_cannot_be_converted_is_told() {
    let sandbox = Sandbox::new();
    disk(&sandbox);
    sandbox.write("there.qcow2", "something");
    sandbox.write("page.raw", "<html><body>Not found</body></html>");
    sandbox.write("noise.img", [7; 5000]);
    let mut command = sandbox.command("qemu-img");
    assert!(command.args(["create", "-q", "-f", "qcow2", "disk.qcow2", "1G"]).status().expect("qemu-img").success());
    std::os::unix::fs::symlink("disk.raw", sandbox.path("link.raw")).expect("a link");
    assert_session!(
        sandbox,
        sandbox.session(&[
            "convert disk.raw there.qcow2",
            "convert disk.raw disk.raw --force",
            "convert disk.raw link.raw --force",
            "convert disk.raw home --to qcow2 --force",
            "convert none.raw a.qcow2",
            "convert home a.qcow2",
            "convert disk.raw nowhere/a.qcow2",
            "convert disk.raw a",
            "convert disk.raw a.iso",
            "convert disk.raw a.img",
            "convert disk.raw a --to docker",
            "convert disk.raw a.tar",
            "convert disk.raw a.vdi --compression zstd",
            "convert disk.raw a.qcow2 --cluster-size 5KiB",
            "convert disk.raw a.qcow2 --compression best",
            "convert disk.qcow2 a.vmdk --from raw",
            "convert disk.raw a.vmdk --from qcow2",
            "convert page.raw a.qcow2",
            "convert noise.img a.qcow2",
            "convert noise.img a.qcow2 --from raw",
            "convert noise.img a.qcow2 --from tar",
        ])
    );
    let disks: Vec<_> = Format::all().filter(|format| format.is_disk()).map(Format::name).collect();
    let told = sandbox.session(&["convert disk.raw a --to nonsense"]);
    assert!(
        told.contains(&format!("invalid value 'nonsense' for '--to <FORMAT>': formats are {}\n", disks.join(", "))),
        "{told}"
    );
    assert_eq!(std::fs::read(sandbox.path("there.qcow2")).expect("a file"), b"something");
    assert!(!names(&sandbox.path("")).iter().any(|name| name.starts_with("a") || name.starts_with(".goldsmith")));
}

#[test]
fn an_interrupted_conversion_leaves_nothing() {
    let sandbox = Sandbox::new();
    let mut noise = vec![0_u8; 96 << 20];
    fastrand::Rng::with_seed(1).fill(&mut noise);
    sandbox.write("big.raw", &noise);
    let before = names(&sandbox.path(""));
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_goldsmith"));
    command.args(["convert", "big.raw", "big.qcow2", "--from", "raw", "--sha512"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().expect("the program starts");
    // As soon as the new file is begun.
    let begun = || names(&sandbox.path("")).iter().any(|name| name.starts_with(".goldsmith-"));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !begun() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_raw(child.id().try_into().expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    let ran = Ran::from(child.wait_with_output().expect("an end"));
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert_eq!(names(&sandbox.path("")), before);
}

#[test]
fn a_small_file_does_not_keep_the_host_busy_for_days() {
    let sandbox = Sandbox::new();
    let mut qemu_img = sandbox.command("qemu-img");
    let made = qemu_img.args(["create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", "huge.qcow2", "40T"]).status();
    assert!(made.expect("qemu-img").success());
    for output in ["huge.raw", "huge.raw.zst"] {
        let begun = std::time::Instant::now();
        let ran = sandbox.run(&format!("convert huge.qcow2 {output}"));
        assert_eq!(ran.code, Some(10), "{ran:?}");
        assert!(ran.stderr.contains("40 TiB") && ran.stderr.contains("--max-size"), "{ran:?}");
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
        assert!(!sandbox.path(output).exists());
    }
    sandbox.write("small.qcow2", "");
    let made = sandbox.command("qemu-img").args(["create", "-q", "-f", "qcow2", "small.qcow2", "2M"]).status();
    assert!(made.expect("qemu-img").success());
    let ran = sandbox.run("convert small.qcow2 small.raw --max-size 1MiB");
    assert!(ran.code == Some(10) && ran.stderr.contains("the limit is 1 MiB"), "{ran:?}");
    assert_eq!(sandbox.run("convert small.qcow2 small.raw --max-size 2MiB").code, Some(0));
}

#[test]
fn a_bare_file_system_is_converted_as_the_hint_says() {
    let sandbox = Sandbox::new();
    sandbox.write("root.img", vec![7; 1 << 20]);
    let refused = sandbox.run("convert root.img root.qcow2");
    assert_eq!(refused.code, Some(10), "{}", refused.stderr);
    let hint = refused.stderr.split('`').find(|word| word.starts_with("--from")).expect("a hint").to_owned();
    let done = sandbox.run(&format!("convert root.img root.qcow2 {hint}"));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    sandbox.write("text.qcow2", "not found");
    assert!(!sandbox.run("convert --from qcow2 text.qcow2 a.raw").stderr.contains("--from raw"));
}
