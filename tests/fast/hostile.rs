//! Parsers of bytes that are not trusted, fed with thousands of changed inputs: no panic, no overflow, an answer in
//! time. The same inputs in every run. `make test-long` looks for more of them with the fuzzer.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;

#[path = "../support/hostile.rs"]
mod parsers;

/// How long one input may take in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest input that is made.
const LONGEST: usize = 64 << 10;

/// Bytes that parsers act on.
const WORDS: [&[u8]; 24] = [
    b"\n",
    b"\0",
    b"\r\n\r\n",
    b"{{",
    b"}}",
    b"${a}",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"'",
    b": ",
    b"- ",
    b"\\\n",
    b"#",
    b"<<: *a\n",
    b"&a ",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"\xff\xfe",
    b"\x1b[2J",
    b"../",
];

/// Changes an input a few times.
fn changed(seed: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.u8(1..=6) {
        let at = random.usize(..=bytes.len());
        let end = at + random.usize(..=(bytes.len() - at).min(64));
        match random.u8(..6) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, WORDS[random.usize(..WORDS.len())].iter().copied())),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            3 => {
                let again = bytes[at..end].repeat(random.usize(1..=200));
                bytes.splice(at..end, again);
            }
            4 => drop(bytes.splice(at..end, WORDS[random.usize(..WORDS.len())].iter().copied())),
            _ => bytes.truncate(at.max(bytes.len() / 2)),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn survives(parser: fn(&[u8]), seeds: &[&[u8]], rounds: usize) {
    let mut random = Rng::with_seed(1);
    for round in 0..rounds {
        let seed = seeds[round % seeds.len()];
        let input = if round < seeds.len() { seed.to_vec() } else { changed(seed, &mut random) };
        let begun = Instant::now();
        let shown = || input.escape_ascii().to_string();
        assert!(catch_unwind(AssertUnwindSafe(|| parser(&input))).is_ok(), "round {round} panics: {}", shown());
        assert!(begun.elapsed() < PATIENCE, "round {round} takes {:?}: {}", begun.elapsed(), shown());
    }
}

const MANIFEST: &[u8] = br#"{"format":1,"name":"gold","arch":"x86_64","layer":"0000000000000000000000000000000000000000000000000000000000000000",
"distro":{"name":"debian","release":"bookworm","version":"12","family":"debian"},"created":"2026-01-01T00:00:00Z",
"artifacts":[{"file":"a.qcow2","format":"qcow2","disk_format":"qcow2","size":2,"sha256":"0000000000000000000000000000000000000000000000000000000000000000"}],
"checks":[],"steps":[{"step":"a","layer":"00","seconds":1.5}],"packages":[{"name":"a","version":"1","arch":"all"}]}"#;

const CLOUDS: &[u8] =
    b"clouds:\n  one: &a\n    auth: { auth_url: 'https://one.example/v3', username: me, project-name: p }\n    \
regions: [east, { name: west }]\n    api_timeout: 3.5\n  two: *a\n\0clouds: { one: { auth: { password: x } } }\n";

const IMAGE: &[u8] =
    b"set a=\"x $b\"\nmenuentry 'x' --id y {\nlinux /vmlinuz-1 root=$a ${b}\ninitrd /i\n}\nsubmenu z {\n}\n\0\
saved_entry=y\nb=1\n\0title x\nlinux /v\noptions $b quiet\n\0DEFAULT a\nLABEL a\n LINUX v\n APPEND x\n\0\
root:x:0:0::/root:/bin/sh\nada:x:1:1::/home/ada:/bin/sh\n\0root:*:1::::::\nada:$6$a$b:1::::::\n\0sudo:x:27:ada,root\n\0\
%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n\0datasource_list: [ a,\n b ]\nsystem_info:\n  default_user:\n    name: ada\n\0\
Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n\0P:a\nV:1\nA:x\n\n\0\0";

#[test]
fn manifests() {
    survives(parsers::manifest, &[MANIFEST], 4000);
}

#[test]
fn cloud_configurations() {
    survives(parsers::clouds, &[CLOUDS], 800);
}

#[test]
fn recipes() {
    let valid = include_bytes!("../../recipes/debian-12.yaml");
    let templates = b"name: x\nparams:\n  a: { type: string, default: b }\nbase: { image: \"{{ params.a }}\" }\nsteps:\n  - run: \"{% for i in range(9) %}{{ i }}{% endfor %}\"\n";
    survives(parsers::recipe, &[valid, templates], 120);
}

#[test]
fn lists_of_checksums() {
    let plain = format!("{}  disk.qcow2\n{} *other\n", "0".repeat(64), "f".repeat(64));
    let tagged = format!("SHA256 (disk.qcow2) = {}\n", "a".repeat(64));
    survives(parsers::checksums, &[plain.as_bytes(), tagged.as_bytes()], 4000);
}

#[test]
fn root_trees() {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, target) in [
        (tar::EntryType::Directory, "usr/bin", None),
        (tar::EntryType::Symlink, "bin", Some("usr/bin")),
        (tar::EntryType::Regular, "bin/sh", None),
        (tar::EntryType::Link, "usr/bin/dash", Some("bin/sh")),
        (tar::EntryType::Regular, "usr/.wh.lib", None),
        (tar::EntryType::Regular, "etc/os-release", None),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(name).unwrap();
        target.iter().for_each(|target| header.set_link_name(target).unwrap());
        let data: &[u8] = if kind == tar::EntryType::Regular { b"\x7fELF ID=debian\nVERSION_ID=12\n" } else { b"" };
        header.set_size(data.len() as u64);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        builder.append(&header, data).unwrap();
    }
    survives(parsers::root_tree, &[&builder.into_inner().unwrap()], 300);
}

#[test]
fn output_of_guests() {
    survives(parsers::guest_output, &[b"one\r\n\x1b[31mred\x1b[m\n\n0123456789abcdef\nafter\n"], 4000);
}

#[test]
fn requests_for_metadata() {
    let both = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /openstack/latest HTTP/1.0\r\nHost: x\r\n\r\n";
    survives(parsers::metadata, &[both], 3000);
}

#[test]
fn answers_of_qemu() {
    let talk = b"{\"QMP\": {}}\n{\"return\": {}}\n{\"return\": {\"status\": \"running\"}}\n{\"event\": \"SHUTDOWN\"}\n";
    survives(parsers::qmp, &[talk], 3000);
}

#[test]
fn files_of_images() {
    survives(parsers::image_files, &[IMAGE, b"070701zzzz", &[0x1f, 0x8b, 8, 0]], 300);
}

/// Each parser is reached at all: what it is given first, it understands.
#[test]
fn the_first_inputs_are_understood() {
    use goldsmith::testing;
    assert!(serde_json::from_slice::<goldsmith::export::manifest::Summary>(MANIFEST).is_ok());
    assert_eq!(testing::guest_output(b"one\ntwo\n"), 2);
    assert_eq!(testing::requests(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n").unwrap(), 2);
    assert_eq!(
        testing::answers(b"{\"QMP\": {}}\n{\"return\": {}}\n{\"return\": {}}\n{\"event\": \"A\"}\n").unwrap(),
        2
    );
    assert!(testing::checksum(format!("{}  a\n", "0".repeat(64)).as_bytes(), "a"));
}
