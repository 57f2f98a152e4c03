//! What `goldsmith run` refuses. No machine gets as far as booting.

use std::process::Stdio;

use super::sandbox::{Sandbox, assert_session};

/// A disk with a boot record and nothing else.
fn disk(sandbox: &Sandbox, name: &str) {
    let mut disk = vec![0; 1 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    sandbox.write(name, disk);
}

#[test]
fn what_cannot_be_booted_is_refused() {
    let sandbox = Sandbox::new();
    disk(&sandbox, "disk.raw");
    sandbox.write("text.raw", "not found\n");
    sandbox.write("empty.qcow2", "");
    sandbox.write("long", vec![b'x'; 50_000]);
    sandbox.write("full/notes.txt", "mine");
    sandbox.write("strange/machine.json", "{}");
    let mut qemu_img = sandbox.command("qemu-img");
    let overlay = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", "disk.raw", "overlay.qcow2"];
    assert!(qemu_img.args(overlay).status().expect("qemu-img").success());
    assert_session!(
        sandbox,
        sandbox.session(&[
            "run",
            "run nothing.qcow2",
            "run empty.qcow2",
            "run text.raw",
            "run images",
            "run overlay.qcow2",
            "run disk.raw --boot floppy",
            "run disk.raw --machine pc --boot secure-boot",
            "run disk.raw --memory 1MiB",
            "run disk.raw --cpus 0",
            "run disk.raw --disk 512KiB",
            "run disk.raw --hostname a_b",
            "run disk.raw --user a:b",
            "run disk.raw --user-data nothing",
            "run disk.raw --user-data long",
            "run disk.raw --keep full",
            "run disk.raw --keep strange",
            "--json run nothing.qcow2",
        ])
    );
}

#[test]
fn an_image_that_another_machine_writes_to_is_not_booted() {
    let sandbox = Sandbox::new();
    disk(&sandbox, "disk.raw");
    // It holds the lock of whoever writes, until its input ends.
    let mut qemu_io = sandbox.command("qemu-io");
    qemu_io.args(["-f", "raw"]).arg(sandbox.path("disk.raw")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = qemu_io.spawn().expect("qemu-io");
    let mut prompt = [0; 8];
    std::io::Read::read_exact(holder.stdout.as_mut().expect("a pipe"), &mut prompt).expect("its prompt");
    let text = sandbox.session(&[
        "run disk.raw --accel tcg --keep kept",
        // What was made before is there.
        "run disk.raw --accel tcg --keep kept --hostname other",
        "run ./images/../disk.raw --accel tcg --keep kept",
    ]);
    drop(holder.stdin.take());
    holder.wait().expect("it ends");
    assert_session!(sandbox, text);
    disk(&sandbox, "other.raw");
    let ran = sandbox.run("run other.raw --accel tcg --keep kept");
    assert!(ran.code == Some(2) && ran.stderr.contains("was made of"), "{ran:?}");
}
