//! The real guest, on a small disk made from programs of the host.
//!
//! Launches take seconds, so what can share one does. Tests that launch take a lock: the guests are emulated
//! where there is no KVM, and two at once would only wait for each other.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod network;
pub(crate) mod small_guest;

use goldsmith::guest::grow::Step;
use goldsmith::guest::place::{Found, Last, find};
use goldsmith::guest::{Command, Emulator, FileKind, Guest, GuestError, Mount, MountSource, Terminal};
use goldsmith::recipe::verify::NetworkAccess;
use goldsmith::recipe::{Arch, Firmware};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use small_guest::*;

#[test]
#[ignore = "needs libguestfs"]
fn every_call_does_what_it_says() {
    let small_guest = SmallGuest::new();
    small_guest.disk();
    let mut guest = small_guest.launch().unwrap();
    let guest: &mut dyn Guest = &mut guest;
    assert!(matches!(guest.disk_device(), Err(GuestError::Call { .. })), "no disk is attached");
    guest.attach(&small_guest.path("1.qcow2")).unwrap();
    inspects(guest);
    guest.mount(&mounts()).unwrap();
    programs_run(guest, &small_guest);
    files_are_kept(guest, &small_guest);
    libraries_of_the_image_do_not_run_in_the_appliance(guest, &small_guest);
    trees_are_archived(guest, &small_guest);
    many_files_are_listed_and_read(guest);
    links_do_not_lead_out(guest);
    full_file_systems_are_named(guest);
    secrets_go_away(guest);
    network_is_there_when_asked_for(guest);
    layers_are_frozen(guest, &small_guest);
    disks_are_exchanged(guest, &small_guest);
    shell_is_a_terminal(guest);
    guest.trim().unwrap();
    guest.unmount().unwrap();
    guest.unmount().unwrap();
}

/// The image has no emulator: the guest's kernel starts that of the host.
#[test]
#[ignore = "needs libguestfs"]
fn programs_of_another_architecture_run() {
    let small_guest = SmallGuest::new();
    small_guest.disk();
    let emulator = Emulator::of(Arch::Aarch64).unwrap();
    let mut guest = small_guest.launch_as(NetworkAccess::User, emulator).unwrap();
    guest.attach(&small_guest.path("1.qcow2")).unwrap();
    guest.mount(&mounts()).unwrap();
    guest.write("/root/aarch64", &program_for_aarch64()).unwrap();
    guest.chmod(0o755, "/root/aarch64").unwrap();
    let timeout = Some(Duration::from_secs(120));
    let ended = guest.run(&Command { program: "/root/aarch64", timeout, ..Command::default() }).unwrap();
    assert_eq!((ended.status, ended.tail), (7, vec!["hello".to_owned()]));
}

/// A static program that prints `hello` and ends with exit status 7: head and one segment by elf(5), and
/// write(1, text, 6); exit(7).
fn program_for_aarch64() -> Vec<u8> {
    const ADDRESS: u64 = 0x40_0000;
    const HEADS: u64 = 64 + 56;
    let code: [u32; 8] = [
        0xd280_0020, // mov x0, #1
        0x1000_00e1, // adr x1, text
        0xd280_00c2, // mov x2, #6
        0xd280_0808, // mov x8, #64: write
        0xd400_0001, // svc #0
        0xd280_00e0, // mov x0, #7
        0xd280_0ba8, // mov x8, #93: exit
        0xd400_0001, // svc #0
    ];
    let mut body: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    body.extend_from_slice(b"hello\n");
    let length = HEADS + body.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2_u16, 0xb7].iter().flat_map(|half| half.to_le_bytes()));
    file.extend(1_u32.to_le_bytes());
    file.extend([ADDRESS + HEADS, 64, 0].iter().flat_map(|word: &u64| word.to_le_bytes()));
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 0, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    file.extend([1_u32, 5].iter().flat_map(|half| half.to_le_bytes()));
    file.extend([0, ADDRESS, ADDRESS, length, length, 0x1_0000].iter().flat_map(|word: &u64| word.to_le_bytes()));
    [file, body].concat()
}

fn inspects(guest: &mut dyn Guest) {
    let found = guest.inspect().unwrap();
    assert_eq!((found.distro.as_str(), found.version.as_str(), found.arch.as_str()), ("debian", "12", "x86_64"));
    assert_eq!(found.ids, ["debian", "one", "two"]);
    assert_eq!((found.codename.as_deref(), found.product.as_str()), (Some("bookworm"), "Debian of the tests"));
    assert_eq!(found.root_filesystem, "ext4");
    assert_eq!(found.firmware, [Firmware::Uefi]);
    let mount = |partition, path: &str| Mount::partition(partition, path);
    assert_eq!(found.mounts, [mount(2, "/"), mount(1, "/boot/efi")]);
}

fn programs_run(guest: &mut dyn Guest, small_guest: &SmallGuest) {
    // Environment, directory, input, umask and output are those of a build, whoever starts it.
    let said = lines(guest, "env -u _ -u SHLVL | sort; cat; umask; pwd; echo err >/dev/stderr; echo >&2 \"$GREETING\"");
    for expected in ["HOME=/root", "TERM=dumb", "LANG=C.UTF-8", "0022", "/", "err", "it's a 'test'"] {
        assert!(said.iter().any(|line| line == expected), "{expected}: {said:?}");
    }
    assert!(!said.iter().any(|line| line.starts_with("LIBGUESTFS") || line.starts_with("XDG")), "{said:?}");
    for (line, status) in
        [("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("exit 125", 125), ("exec /no", 127)]
    {
        assert_eq!(sh(guest, line, false).unwrap().status, status, "{line}");
    }
    // What a program leaves running, in its group or not, ends with it; so does what it has mounted.
    let left = "sleep 999 & (setsid sleep 998 &) ; exec 7>/busy; sleep 997 & mount -t tmpfs none /tmp; touch /tmp/x; echo done";
    assert_eq!(lines(guest, left), ["done"]);
    assert_eq!(sh(guest, "kill -9 0; sleep 9", false).unwrap().status, 137);
    assert_eq!(
        lines(guest, "ls /tmp; ls -d /proc/[0-9]* | while read p; do cat $p/comm; done; echo end").last().unwrap(),
        "end"
    );
    assert!(
        lines(guest, "cat /proc/*/cmdline | tr '\\0' ' ' 2>/dev/null; true").iter().all(|line| !line.contains("99"))
    );
    // A chroot is seen as one, as systemctl does it.
    assert_eq!(lines(guest, "[ /proc/1/root -ef / ] || echo chroot"), ["chroot"]);
    // Output comes whole, in order and without what would upset a terminal; the tail is short.
    small_guest.reporter.0.lock().unwrap().clear();
    let ended = sh(guest, "for i in {1..2000}; do echo line $i; done; printf 'no\\xffend\\e[31m'", false).unwrap();
    assert_eq!((ended.status, ended.tail.len(), ended.tail[29].as_str()), (0, 30, "no\u{fffd}end"));
    assert_eq!(small_guest.reporter.0.lock().unwrap().len(), 2001);
    let flood = sh(guest, "dd if=/dev/zero bs=1M count=16 2>/dev/null", false).unwrap();
    assert_eq!(flood.tail.len(), 1);
    let missing = guest.run(&Command { program: "/no/such", ..Command::default() }).unwrap();
    assert_eq!(missing.status, 127, "{missing:?}");
}

fn files_are_kept(guest: &mut dyn Guest, small_guest: &SmallGuest) {
    assert_eq!(guest.kind("/etc/new").unwrap(), None);
    guest.write("/etc/new", b"one\0\xff").unwrap();
    guest.chown(7, 8, "/etc/new").unwrap();
    guest.chmod(0o4710, "/etc/new").unwrap();
    guest.write("/etc/new", b"two").unwrap();
    assert_eq!(guest.read("/etc/new", 3).unwrap(), b"two");
    assert!(matches!(guest.read("/etc/new", 2), Err(GuestError::Call { .. })), "longer than allowed");
    assert_eq!(lines(guest, "stat -c '%a %u:%g' /etc/new"), ["4710 7:8"]);
    guest.mkdir("/a/b/c").unwrap();
    guest.mkdir("/a/b/c").unwrap();
    guest.rename("/etc/new", "/a/b/c/moved").unwrap();
    guest.rename("/a/b/c/moved", "/boot/efi/moved").unwrap();
    assert_eq!(guest.read("/boot/efi/moved", 9).unwrap(), b"two");
    let large = vec![7; 5 << 20];
    guest.write("/a/large", &large).unwrap();
    assert_eq!(guest.read("/a/large", 6 << 20).unwrap(), large);
    guest.download("/a/large", &small_guest.path("large")).unwrap();
    assert_eq!(std::fs::read(small_guest.path("large")).unwrap(), large);
    guest.upload(&small_guest.path("large"), "/a/again").unwrap();
    guest.symlink("nowhere", "/a/link").unwrap();
    guest.symlink("/etc/os-release", "/a/link").unwrap();
    guest.symlink("-x", "/a/b").unwrap();
    for (path, kind) in [
        ("/a/link", FileKind::Symlink),
        ("/a/b", FileKind::Symlink),
        ("/a", FileKind::Directory),
        ("/a/large", FileKind::File),
        ("/dev/../bin/sh", FileKind::File),
    ] {
        assert_eq!(guest.kind(path).unwrap(), Some(kind), "{path}");
    }
    assert_eq!(guest.glob("/a/*").unwrap(), ["/a/again", "/a/b", "/a/large", "/a/link"]);
    assert_eq!(guest.glob("/none/*").unwrap(), Vec::<String>::new());
    assert!(guest.read("/a", 9).is_err(), "a directory is not read");
    assert!(guest.download("/nothing", &small_guest.path("nothing")).is_err());
    for (option, compression) in
        [("--gzip", Some("gzip")), ("--xz", Some("xz")), ("--zstd", Some("zstd")), ("-p", None)]
    {
        let archive = small_guest.path("archive.tar");
        run(tool("tar").current_dir(small_guest.dir.path()).args(["-c", option, "-f"]).arg(&archive).arg("large"));
        guest.remove("/a/large").unwrap();
        guest.unpack(&archive, compression, "/a").unwrap();
        assert_eq!(guest.kind("/a/large").unwrap(), Some(FileKind::File), "{option}");
    }
    std::fs::write(small_guest.path("broken.tar"), "no archive").unwrap();
    for (archive, compression) in
        [("broken.tar", None), ("broken.tar", Some("gzip")), ("archive.tar", Some("lz4")), ("none", None)]
    {
        let result = guest.unpack(&small_guest.path(archive), compression, "/a");
        assert!(matches!(result, Err(GuestError::Call { .. })), "{archive} {compression:?}: {result:?}");
    }
    guest.remove("/a").unwrap();
    guest.remove("/a").unwrap();
    guest.remove("/a/b").unwrap();
    assert_eq!(guest.kind("/a").unwrap(), None);
}

/// tar has the image as its root. The image names a library for every program, and one for names of accounts; the archive
/// has an ACL with a name.
fn libraries_of_the_image_do_not_run_in_the_appliance(guest: &mut dyn Guest, small_guest: &SmallGuest) {
    let (source, library, archive) =
        (small_guest.path("ran.c"), small_guest.path("ran.so"), small_guest.path("acl.tar"));
    let text =
        "#include <fcntl.h>\n__attribute__((constructor)) static void f(void) { open(\"/ran\", O_CREAT, 0600); }\n";
    std::fs::write(&source, text).unwrap();
    run(tool("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source));
    let mut tar = tar::Builder::new(std::fs::File::create(&archive).unwrap());
    let acl = &b"user::rw-\nuser:joe:rw-\ngroup::r--\nmask::rw-\nother::r--\n"[..];
    tar.append_pax_extensions([("SCHILY.acl.access", acl)]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    header.set_mode(0o644);
    tar.append_data(&mut header, "unpacked", &[][..]).unwrap();
    tar.into_inner().unwrap();

    guest.upload(&library, "/lib/libnss_ran.so.2").unwrap();
    for (path, content) in [
        ("/etc/ld.so.preload", "/lib/libnss_ran.so.2\n"),
        ("/etc/nsswitch.conf", "passwd: ran files\n"),
        ("/etc/passwd", "joe:x:7:7::/:/bin/sh\n"),
    ] {
        guest.write(path, content.as_bytes()).unwrap();
    }
    guest.unpack(&archive, None, "/").unwrap();
    assert_eq!(guest.kind("/unpacked").unwrap(), Some(FileKind::File));
    assert_eq!(guest.kind("/ran").unwrap(), None, "tar has run a library of the image");
    // Programs of the image do run it, before and after.
    assert_eq!(lines(guest, "ls /ran"), ["/ran"]);
    for path in ["/etc/ld.so.preload", "/etc/nsswitch.conf", "/etc/passwd", "/lib/libnss_ran.so.2", "/ran", "/unpacked"]
    {
        guest.remove(path).unwrap();
    }
}

fn trees_are_archived(guest: &mut dyn Guest, small_guest: &SmallGuest) {
    let archive = small_guest.path("tree.tar");
    let long = "a-name-of-seventy-characters-".repeat(7);
    guest.mkdir("/tar/empty").unwrap();
    guest.write(&format!("/tar/{long}"), b"long").unwrap();
    guest.write("/tar/file", &vec![7; 100_000]).unwrap();
    guest.chown(70_000, 8, "/tar/file").unwrap();
    guest.chmod(0o4711, "/tar/file").unwrap();
    guest.symlink("/nowhere", "/tar/link").unwrap();
    guest.write("/boot/efi/on-another-file-system", b"x").unwrap();
    guest.write("/run/gone", b"x").unwrap();
    guest.write("/proc/gone", b"x").unwrap();
    let length = guest.archive(&archive).unwrap();
    let bytes = std::fs::read(&archive).unwrap();
    assert_eq!(length, bytes.len() as u64);
    let mut entries = BTreeMap::new();
    for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().strip_prefix(".").unwrap().display().to_string();
        let name = name.trim_end_matches('/').to_owned();
        let mut attributes = BTreeMap::new();
        for extension in entry.pax_extensions().unwrap().into_iter().flatten() {
            let extension = extension.unwrap();
            attributes.insert(extension.key().unwrap().to_owned(), extension.value_bytes().to_vec());
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let link = entry.link_name().unwrap().map(|link| link.display().to_string());
        entries.insert(name, (entry.header().clone(), content, link, attributes));
    }
    let names: Vec<_> = entries.keys().map(String::as_str).collect();
    for present in ["tar/empty", "boot/efi/on-another-file-system", "proc", "run", &format!("tar/{long}")] {
        assert!(names.contains(&present), "{present}: {names:?}");
    }
    assert!(names.iter().all(|name| !name.contains("gone") && !name.contains("lost+found")), "{names:?}");
    let (header, content, ..) = &entries["tar/file"];
    assert_eq!((header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0o4711, 70_000, 8));
    assert_eq!(content, &vec![7; 100_000]);
    assert_eq!(entries["tar/link"].2.as_deref(), Some("/nowhere"));
    assert_eq!(entries[MARKED].3.get("SCHILY.xattr.user.goldsmith").map(Vec::as_slice), Some(&b"kept"[..]));
    // The same tree gives the same bytes, also in place of a longer file.
    std::fs::write(&archive, vec![1; bytes.len() + 1]).unwrap();
    guest.archive(&archive).unwrap();
    assert!(std::fs::read(&archive).unwrap() == bytes, "the second archive differs");
    // Holes are not stored by the host, but a file of nothing else is more than an archive may have.
    assert!(sh(guest, "dd if=/dev/zero of=/tar/holes bs=1 count=1 seek=3T 2>/dev/null", false).unwrap().status == 0);
    let error = guest.archive(&archive).unwrap_err();
    assert!(error.to_string().contains("mostly holes"), "{error}");
    guest.remove("/tar").unwrap();
    guest.remove("/proc/gone").unwrap();
    guest.remove("/boot/efi/on-another-file-system").unwrap();
}

/// `/out` is an absolute link. Seen from outside the image it would lead into the appliance.
fn many_files_are_listed_and_read(guest: &mut dyn Guest) {
    guest.mkdir("/many").unwrap();
    guest.write("/many/it's a\nname", b"one").unwrap();
    guest.write("/many/-x", b"two").unwrap();
    guest.write("/many/empty", b"").unwrap();
    guest.write("/many/large", &vec![7; 3_000_000]).unwrap();
    guest.write(&format!("/many/{}", "long".repeat(60)), b"long").unwrap();
    guest.symlink("/etc/os-release", "/many/link").unwrap();
    guest.chown(70_000, 8, "/many/-x").unwrap();
    guest.chmod(0o4751, "/many/-x").unwrap();
    guest.write("/boot/efi/other", b"efi").unwrap();
    guest.write("/proc/gone", b"x").unwrap();
    let odd = r"ln /many/large /many/second; : >$'/many/bad\xff'; mkfifo /many/pipe; ln -s / /many/root";
    assert_eq!(sh(guest, odd, false).unwrap().status, 0);
    let listed = guest.list(&[]).unwrap();
    let find = |path: &str| listed.iter().find(|entry| &*entry.path == path).unwrap_or_else(|| panic!("{path}"));
    let x = find("/many/-x");
    assert_eq!((x.mode, x.uid, x.gid, x.size, x.kind), (0o4751, 70_000, 8, 3, FileKind::File));
    assert_eq!(find("/many/link").target.as_deref(), Some("/etc/os-release"));
    assert_eq!(find("/many/pipe").kind, FileKind::Special);
    assert_eq!(find("/").kind, FileKind::Directory);
    let large = find("/many/large").stored + find("/many/second").stored;
    assert!((3_000_000..3_100_000).contains(&large), "it is stored once: {large}");
    assert_eq!(find("/boot/efi/other").size, 3);
    assert!(listed.iter().any(|entry| &*entry.path == "/many/bad\u{fffd}"));
    assert!(listed.iter().all(|entry| &*entry.path != "/proc/gone" && !entry.path.starts_with("/many/root/")));
    // A listing of some directories is a part of the whole.
    let boot = guest.list(&["boot", "nothing"]).unwrap();
    assert!(boot.iter().all(|entry| entry.path.starts_with("/boot") && listed.contains(entry)), "{boot:?}");
    assert!(boot.iter().any(|entry| &*entry.path == "/boot/efi/other"));
    // Everything that can be read is, links and what has no proper name is left out.
    let many: Vec<_> = listed.iter().filter(|entry| entry.path.starts_with("/many/")).collect();
    let read: BTreeMap<_, _> = guest.contents(&many).unwrap().into_iter().collect();
    for (path, content) in [("/many/it's a\nname", &b"one"[..]), ("/many/-x", b"two"), ("/many/empty", b"")] {
        assert_eq!(read[path], content, "{path}");
    }
    assert_eq!((read["/many/large"].len(), read["/many/second"].len()), (3_000_000, 3_000_000));
    assert_eq!(read.len(), 6, "{:?}", read.keys());
    // What has gone meanwhile is no error, and no path is followed out of the image.
    guest.remove("/many").unwrap();
    guest.symlink("/etc", "/many").unwrap();
    assert_eq!(guest.contents(&many).unwrap(), []);
    let outside = goldsmith::guest::Entry { path: "/../etc/passwd".into(), ..find("/many/-x").clone() };
    assert_eq!(guest.contents(&[&outside]).unwrap(), []);
    for path in ["/many", "/proc/gone", "/boot/efi/other"] {
        guest.remove(path).unwrap();
    }
}

fn links_do_not_lead_out(guest: &mut dyn Guest) {
    guest.mkdir("/inside").unwrap();
    guest.symlink("/inside", "/out").unwrap();
    guest.write("/out/file", b"x").unwrap();
    guest.rename("/out/file", "/out/renamed").unwrap();
    guest.symlink("x", "/out/link").unwrap();
    guest.mkdir("/out/dir").unwrap();
    assert_eq!(guest.glob("/inside/*").unwrap(), ["/inside/dir", "/inside/link", "/inside/renamed"]);
    guest.remove("/out/renamed").unwrap();
    guest.remove("/out/../inside/dir").unwrap();
    assert_eq!(guest.glob("/inside/*").unwrap(), ["/inside/link"]);
    assert!(guest.remove("/inside/..").is_err());
    assert!(guest.remove("/").is_err());
    assert!(guest.mkdir("/out").is_err(), "as in the guest of the tests");
    let there = |path: &str, kind| Found::There { path: path.to_owned(), kind };
    let mut leads = |path: &str, last| find(guest, path, last);
    assert_eq!(leads("/out", Last::Followed).unwrap(), there("/inside", FileKind::Directory));
    assert_eq!(leads("/out/../out", Last::Kept).unwrap(), there("/out", FileKind::Symlink));
    assert_eq!(leads("/out/a/b", Last::Kept).unwrap(), Found::Missing { path: "/inside/a/b".to_owned() });
    assert!(matches!(leads("/out/link/b", Last::Kept).unwrap(), Found::Nowhere(why) if why.contains("`/inside/link`")));
    guest.symlink("circle", "/inside/circle").unwrap();
    let error = find(guest, "/out/circle/x", Last::Kept).unwrap_err().to_string();
    assert!(error.contains("`/inside/circle`"), "{error}");
    guest.remove("/inside").unwrap();
    guest.remove("/out").unwrap();
}

fn full_file_systems_are_named(guest: &mut dyn Guest) {
    let before = guest.free_space("/").unwrap();
    assert!(!before.is_exhausted() && before.total > 100 << 20, "{before:?}");
    let failed = sh(guest, "dd if=/dev/zero of=/full bs=1M", false).unwrap();
    assert_ne!(failed.status, 0);
    assert!(guest.free_space("/").unwrap().is_exhausted());
    let error = guest.write("/more", &vec![1; 3 << 20]).unwrap_err();
    assert!(matches!(error, GuestError::NoSpace { missing: Some(1..), .. }), "{error:?}");
    guest.remove("/full").unwrap();
    guest.remove("/more").unwrap();
}

fn secrets_go_away(guest: &mut dyn Guest) {
    let files = [("token".to_owned(), b"hunter2".to_vec())];
    guest.secrets(&files, "/run/secrets").unwrap();
    assert_eq!(
        lines(guest, "stat -c %a /run/secrets /run/secrets/token; cat /run/secrets/token"),
        ["700", "400", "hunter2"]
    );
    guest.secrets(&[], "/run/secrets").unwrap();
    guest.secrets(&[], "/run/secrets").unwrap();
    assert_eq!(guest.kind("/run/secrets").unwrap(), None);
    for bad in ["/etc/secrets", "/run/", "/run/../etc", "/run/a/b"] {
        assert!(guest.secrets(&files, bad).is_err(), "{bad}");
    }
}

/// Host name of the first mirror in the machine's apt configuration.
fn mirror() -> Option<String> {
    let script =
        "cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null";
    let sources = String::from_utf8(tool("sh").args(["-c", script]).output().ok()?.stdout).ok()?;
    let lines = sources.lines().filter(|line| !line.trim_start().starts_with('#'));
    let url = lines.flat_map(str::split_whitespace).find_map(|word| word.strip_prefix("http://"))?;
    url.split(['/', ':']).next().map(str::to_owned)
}

fn network_is_there_when_asked_for(guest: &mut dyn Guest) {
    let Some(host) = mirror() else { return };
    let ask = format!(
        "exec 5<>/dev/tcp/{host}/80 && printf 'HEAD / HTTP/1.0\\r\\nHost: {host}\\r\\n\\r\\n' >&5 && read -t 60 -u 5 first && echo $first"
    );
    let address = "169.254.2.3/53"; // the guest's resolver, which needs no name
    let link = format!("timeout() {{ ( sleep 3; kill $$ ) & }}; timeout; exec 5<>/dev/tcp/{address}");
    let with = sh(guest, &ask, true).unwrap();
    assert_eq!(with.status, 0, "{with:?}");
    assert!(with.tail.iter().any(|line| line.starts_with("HTTP/1")), "{with:?}");
    assert_ne!(sh(guest, &link, false).unwrap().status, 0, "the link is down");
    assert_eq!(guest.read("/etc/resolv.conf", 100).unwrap(), b"# of the image\n", "the image has its own again");
    // A program that brings its own resolver keeps it, and an image without one has none afterwards.
    sh(guest, "echo mine >/etc/resolv.conf", true).unwrap();
    assert_eq!(guest.read("/etc/resolv.conf", 100).unwrap(), b"mine\n");
    guest.remove("/etc/resolv.conf").unwrap();
    sh(guest, "true", true).unwrap();
    assert_eq!(guest.glob("/etc/resolv*").unwrap(), Vec::<String>::new());
    guest.symlink("../run/none", "/etc/resolv.conf").unwrap();
    sh(guest, "true", true).unwrap();
    assert_eq!(guest.kind("/etc/resolv.conf").unwrap(), Some(FileKind::Symlink));
}

fn layers_are_frozen(guest: &mut dyn Guest, small_guest: &SmallGuest) {
    guest.write("/marker", b"1").unwrap();
    guest.write("/boot/efi/marker", b"1").unwrap();
    guest.freeze(&small_guest.overlay("1.qcow2", "2.qcow2")).unwrap();
    guest.write("/marker", b"2").unwrap();
    small_guest.assert_clean("1.qcow2");
    guest.freeze(&small_guest.overlay("2.qcow2", "3.qcow2")).unwrap();
    small_guest.assert_clean("2.qcow2");
    assert_eq!(guest.read("/marker", 9).unwrap(), b"2");
    assert!(guest.freeze(&small_guest.path("none.qcow2")).is_err());
    guest.write("/marker", b"after a failure the disk can be written").unwrap();
}

fn disks_are_exchanged(guest: &mut dyn Guest, small_guest: &SmallGuest) {
    guest.unmount().unwrap();
    assert!(guest.attach(&small_guest.path("none.qcow2")).is_err());
    for (layer, marker) in [("1.qcow2", b"1"), ("2.qcow2", b"2")] {
        guest.attach(&small_guest.overlay(layer, &format!("x{layer}"))).unwrap();
        guest.mount(&mounts()).unwrap();
        assert_eq!(guest.read("/marker", 99).unwrap(), marker, "{layer}");
        guest.unmount().unwrap();
    }
    small_guest.assert_clean("x2.qcow2");
    // Larger than its base: the last partition takes the room, and only that can.
    run(tool("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"])
        .arg(small_guest.path("2.qcow2"))
        .arg(small_guest.path("y.qcow2"))
        .arg("1G"));
    guest.attach(&small_guest.path("y.qcow2")).unwrap();
    let absent = Step::Partition { number: 9, end: 800 << 20 };
    assert!(matches!(guest.grow(&[absent]), Err(GuestError::Call { .. })));
    let steps = [
        Step::MoveCopy,
        Step::Partition { number: ROOT, end: 1023 << 20 },
        Step::FileSystem { on: MountSource::Partition(ROOT), kind: "ext4".to_owned() },
    ];
    guest.grow(&steps).unwrap();
    guest.grow(&steps).unwrap();
    let absent = [Mount::partition(7, "/")];
    assert!(matches!(guest.mount(&absent), Err(GuestError::Call { .. })));
    guest.mount(&mounts()).unwrap();
    assert!(guest.free_space("/").unwrap().total > 800 << 20);
}

fn shell_is_a_terminal(guest: &mut dyn Guest) {
    let (mut person, theirs) = UnixStream::pair().unwrap();
    let mut terminal = Terminal::of(theirs.as_fd(), theirs.as_fd(), "vt100").unwrap();
    drop(theirs);
    (terminal.columns, terminal.rows) = (101, 33);
    let mut reader = person.try_clone().unwrap();
    let watching = std::thread::spawn(move || {
        let (mut shown, mut buffer, mut typed) = (String::new(), [0; 1024], false);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => return shown,
                read => shown.push_str(&String::from_utf8_lossy(&buffer[..read])),
            }
            // As a person does: look for the prompt before typing.
            if !typed && shown.contains("# ") {
                typed = true;
                let line = b"stty size; echo $TERM; [ -t 0 ] && echo is-a-$((40+2))-tty; ls -d /boot/efi; exit 5\r";
                person.write_all(line).unwrap();
            }
        }
    });
    assert_eq!(guest.shell("-- welcome --", terminal).unwrap(), 5);
    let shown = watching.join().unwrap();
    for expected in ["-- welcome --", "33 101", "vt100", "is-a-42-tty", "/boot/efi"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

/// Runs something that never ends and meanwhile, on another thread, what is to end it.
fn ended_by(small_guest: &SmallGuest, timeout: Duration, end: impl FnOnce() + Send) -> (GuestError, Duration) {
    let mut guest = small_guest.launch().unwrap();
    guest.attach(&small_guest.overlay("base.qcow2", "kill.qcow2")).unwrap();
    guest.mount(&mounts()).unwrap();
    let reporter = Arc::clone(&small_guest.reporter);
    reporter.0.lock().unwrap().clear();
    let args = ["-c".to_owned(), "echo begun; while :; do sleep 1; done".to_owned()];
    let command = Command { program: "/bin/bash", args: &args, timeout: Some(timeout), ..Command::default() };
    let (error, since) = std::thread::scope(|scope| {
        let ender = scope.spawn(move || {
            while reporter.0.lock().unwrap().is_empty() {
                std::thread::sleep(Duration::from_millis(20));
            }
            end();
            Instant::now()
        });
        let error = guest.run(&command).unwrap_err();
        (error, ender.join().unwrap())
    });
    // Every call after that says the same, at once.
    assert_eq!(
        guest.write("/x", b"").unwrap_err().to_string().split(" during").next(),
        error.to_string().split(" during").next()
    );
    drop(guest);
    let elapsed = since.elapsed();
    assert_nothing_left(small_guest);
    (error, elapsed)
}

#[test]
#[ignore = "needs libguestfs"]
fn nothing_is_left_of_a_guest_that_is_ended() {
    let small_guest = SmallGuest::new();
    small_guest.disk();
    let hour = Duration::from_secs(3600);
    let (error, _) = ended_by(&small_guest, Duration::from_secs(4), || {});
    assert!(matches!(error, GuestError::Deadline(limit) if limit.as_secs() == 4), "{error:?}");
    let qemu = || run(tool("kill").args(["-KILL", &qemu_of(&small_guest)]));
    let (error, _) = ended_by(&small_guest, hour, qemu);
    assert!(matches!(error, GuestError::Died(_)), "{error:?}");
    let (error, elapsed) = ended_by(&small_guest, hour, || small_guest.interrupt.raise());
    assert!(matches!(error, GuestError::Interrupted), "{error:?}");
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
}

#[test]
#[ignore = "needs libguestfs"]
fn a_launch_can_be_interrupted() {
    // A guest that resumes a state has started after about a second.
    for delay in [0, 100, 300, 2500] {
        let small_guest = SmallGuest::new();
        let interrupt = small_guest.interrupt.clone();
        let (result, launched, since) = std::thread::scope(|scope| {
            let raising = scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(delay));
                interrupt.raise();
                Instant::now()
            });
            (small_guest.launch(), Instant::now(), raising.join().unwrap())
        });
        if result.is_ok() && launched < since {
            continue;
        }
        let elapsed = since.elapsed();
        assert!(matches!(result, Err(GuestError::Interrupted)), "{delay} ms: {result:?}");
        assert!(elapsed < Duration::from_secs(2), "{delay} ms: {elapsed:?}");
        assert_nothing_left(&small_guest);
    }
}
