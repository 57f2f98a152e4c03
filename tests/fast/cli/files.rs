//! Who may read what goldsmith writes, and what is on the disk when it says that it is done.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use super::sandbox::Sandbox;

fn disk(sandbox: &Sandbox, mode: u32) {
    let mut disk = vec![7; 1 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    sandbox.write("disk.raw", disk);
    std::fs::set_permissions(sandbox.path("disk.raw"), PermissionsExt::from_mode(mode)).expect("a mode");
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode() & 0o7777
}

/// Runs the program under an umask.
fn run(sandbox: &Sandbox, umask: u32, words: &str) {
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_goldsmith"));
    command.args(words.split_whitespace());
    // SAFETY: umask is a system call without memory effects, allowed between fork and exec.
    unsafe {
        command.pre_exec(move || {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask));
            Ok(())
        });
    }
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{words}: {output:?}");
}

#[test]
fn the_umask_says_who_may_read_a_new_file() {
    for (umask, file) in [(0o077, 0o600), (0o027, 0o640), (0o022, 0o644), (0o002, 0o664)] {
        let sandbox = Sandbox::new();
        disk(&sandbox, 0o600);
        for output in ["a.qcow2", "b.vmdk", "c.vhd", "d.raw"] {
            run(&sandbox, umask, &format!("convert disk.raw {output}"));
            assert_eq!(mode(&sandbox.path(output)), file, "{output} under {umask:o}");
        }
        run(&sandbox, umask, "cache ls");
        assert_eq!(mode(&sandbox.path("home/.cache/goldsmith")), 0o700, "the cache under {umask:o}");
    }
}

#[test]
fn a_file_that_is_replaced_is_as_readable_as_it_was() {
    let sandbox = Sandbox::new();
    disk(&sandbox, 0o644);
    sandbox.write("secret.qcow2", "old");
    std::fs::set_permissions(sandbox.path("secret.qcow2"), PermissionsExt::from_mode(0o600)).expect("a mode");
    run(&sandbox, 0o022, "convert disk.raw secret.qcow2 --force");
    assert_eq!(mode(&sandbox.path("secret.qcow2")), 0o600);
}

#[test]
fn what_is_published_can_be_read_by_everybody() {
    let sandbox = Sandbox::new();
    super::trees::built(&sandbox, "2026-11-21T10:00:00Z", b"disk");
    run(&sandbox, 0o077, "publish out/gold --directory tree");
    for (path, expected) in [
        ("tree/gold/20261121T100000Z", 0o755),
        ("tree/gold/20261121T100000Z/gold.qcow2", 0o644),
        ("tree/gold/20261121T100000Z/manifest.json", 0o644),
        ("tree/streams/v1/index.json", 0o644),
    ] {
        assert_eq!(mode(&sandbox.path(path)), expected, "{path}");
    }
}

/// System calls of a run that make files durable or give them names, in order, each with its path.
fn calls(sandbox: &Sandbox, words: &str) -> Vec<String> {
    let mut strace = sandbox.command("strace");
    strace.args([
        "-f",
        "-y",
        "-qq",
        "-e",
        "trace=fsync,fdatasync,rename,renameat,renameat2,linkat,link",
        "-o",
        "trace",
    ]);
    let output = strace.arg(env!("CARGO_BIN_EXE_goldsmith")).args(words.split_whitespace()).output();
    let output = output.expect("strace is installed, `.ci/setup` sees to it");
    assert!(output.status.success(), "{words}: {output:?}");
    let trace = std::fs::read_to_string(sandbox.path("trace")).expect("a trace");
    trace.lines().map(str::to_owned).collect()
}

/// Whether a call of this kind about this text comes after a place in the trace; its place.
fn after(calls: &[String], place: usize, kind: &str, text: &str) -> Option<usize> {
    let found = calls.iter().enumerate().skip(place);
    found.into_iter().find(|(_, call)| call.contains(kind) && call.contains(text)).map(|(place, _)| place)
}

#[test]
fn what_is_done_survives_a_loss_of_power() {
    let sandbox = Sandbox::new();
    disk(&sandbox, 0o644);
    super::trees::built(&sandbox, "2026-11-21T10:00:00Z", b"disk");
    let dir = |name: &str| format!("{}>", sandbox.path(name).canonicalize().expect("it is there").display());
    for (words, file, folder) in [
        ("convert disk.raw images/a.qcow2", "-a.qcow2", "images"),
        ("publish out/gold --directory tree", "gold.qcow2", "tree/gold"),
    ] {
        let calls = calls(&sandbox, words);
        let told = || format!("{words}: {calls:#?}");
        let synced = after(&calls, 0, "sync(", file).unwrap_or_else(|| panic!("the content of {}", told()));
        let named = if words.starts_with("convert") { file } else { "20261121T100000Z" };
        let renames = |call: &String| (call.contains("rename") || call.contains("link")) && call.contains(named);
        let renamed = calls.iter().enumerate().skip(synced).find(|(_, call)| renames(call));
        let (renamed, _) = renamed.unwrap_or_else(|| panic!("the name after the content of {}", told()));
        assert!(after(&calls, renamed, "fsync(", &dir(folder)).is_some(), "the directory after the name of {}", told());
    }
}

#[test]
fn children_do_not_see_credentials_of_the_environment() {
    let sandbox = Sandbox::new();
    sandbox.write("bin/qemu-img", "#!/bin/sh\nenv >>\"$HOME/seen\"\necho 'qemu-img version 8.0.0'\n");
    std::fs::set_permissions(sandbox.path("bin/qemu-img"), PermissionsExt::from_mode(0o755)).expect("a mode");
    let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").expect("a path"));
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_goldsmith"));
    command.arg("doctor").env("PATH", path).env("PLAIN", "shown");
    command.env("OS_PASSWORD", "hunter2").env("AWS_SECRET_ACCESS_KEY", "hunter2").env("REGISTRY_TOKEN", "hunter2");
    command.output().expect("it starts");
    let seen = std::fs::read_to_string(sandbox.path("home/seen")).expect("doctor runs qemu-img");
    assert!(seen.contains("PLAIN=shown") && !seen.contains("hunter2"), "{seen}");
}
