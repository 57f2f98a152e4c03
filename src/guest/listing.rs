//! Lists and reads many files of an image at once.
//!
//! Under emulation, starting a program takes tens of milliseconds, and so does a call of the guest. For hundreds of files, one
//! `find` and one `tar` of the appliance are faster. They write to a temporary disk, which the host reads.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use super::libguestfs::LibguestfsGuest;
use super::script::{ROOT, quote};
use super::{Entry, FileKind, GuestError, LIST_LIMIT, UNLABELLED_LIMIT};

/// Longest list, in bytes: enough for [`LIST_LIMIT`] files with paths of usual length.
const LISTING_MAX: u64 = 768 << 20;

/// Largest size of all paths and link targets, in bytes: they are kept in memory.
const NAMES_MAX: usize = 256 << 20;

/// The last record, which proves that the list is complete. Records of files begin with their kind.
const END: &[u8] = b"end";

/// Longest name that is accepted, in bytes. Linux refuses longer paths.
const NAME_LIMIT: u64 = 4096 + 256;

/// Largest script that names files, in bytes. The shell gets it as one argument, of at most 128 KiB.
const SCRIPT_LIMIT: usize = 100_000;

/// The list of files to read. It is in the appliance's own file system, which no image can access.
const NAMES: &str = "/tmp/goldsmith-names";

/// Implements [`super::Guest::list`].
pub(super) fn list(guest: &mut LibguestfsGuest, below: &[&str]) -> Result<Vec<Entry>, GuestError> {
    const CALL: &str = "list the files of the image";
    require_mount(guest, CALL)?;
    let script = |device: &str| list_script(device, below);
    let mut file = BufReader::with_capacity(1 << 20, written(guest, CALL, LISTING_MAX, &script)?);
    entries(&mut file, LIST_LIMIT, NAMES_MAX).map_err(|reason| refused(CALL, &reason))
}

/// Returns the files in a complete list, or the reason for an error.
fn entries(listing: &mut impl BufRead, count: usize, names: usize) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    let mut room = names;
    loop {
        let failed = |error: std::io::Error| error.to_string();
        let name = record(listing).map_err(failed)?;
        if name.as_deref() == Some(END) {
            entries.shrink_to_fit();
            return Ok(entries);
        }
        // After the written part, the disk has zeros.
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(format!("the list has no end: it is longer than {LISTING_MAX} bytes, or could not be written"));
        };
        let target = record(listing).map_err(failed)?.unwrap_or_default();
        if entries.len() == count {
            return Err(format!("there are more than {count} files, which is the limit for an image"));
        }
        let entry = entry(&name, &target, &mut seen);
        let length =
            entry.as_ref().map_or(0, |entry| entry.path.len() + entry.target.as_ref().map_or(0, |to| to.len()));
        room = room.checked_sub(length).ok_or_else(|| {
            format!("the paths have more than {names} bytes together, which is the limit for an image")
        })?;
        entries.extend(entry);
    }
}

/// Implements [`super::Guest::unlabelled`].
pub(super) fn unlabelled(guest: &mut LibguestfsGuest) -> Result<Option<Vec<String>>, GuestError> {
    const CALL: &str = "list the files without a label of SELinux";
    require_mount(guest, CALL)?;
    let printed = guest.appliance(CALL, &unlabelled_script())?;
    let mut lines = printed.lines();
    match lines.next() {
        Some("readable") => Ok(Some(lines.map(str::to_owned).collect())),
        _ => Ok(None),
    }
}

/// Returns a script that prints `readable` and then the path of every file without a label, unless `find` cannot read labels.
///
/// With SELinux, GNU find prints an empty label and complains about each file that has none. Without SELinux, it complains that
/// labels are not supported. A newline in a name becomes a question mark.
fn unlabelled_script() -> String {
    let transient = ["dev", "proc", "run", "sys"].map(|name| format!("-path './{name}/*'")).join(" -o ");
    let without = ["tmpfs", "vfat", "msdos", "iso9660", "ntfs"].map(|kind| format!("-fstype {kind}")).join(" -o ");
    format!(
        "cd {ROOT} && export LC_ALL=C
case $(find . -maxdepth 0 -printf %Z 2>&1) in '' | *'not supported'*) exit 0 ;; esac
echo readable
find . \\( {transient} -o {without} \\) -prune -o -printf '%Z|%p\\0' 2>/dev/null \
  | grep -z -m {UNLABELLED_LIMIT} '^|' | tr '\\n\\0' '?\\n' | cut -c 3- | sed 's,^$,/,'"
    )
}

/// Implements [`super::Guest::contents`].
pub(super) fn contents(guest: &mut LibguestfsGuest, files: &[&Entry]) -> Result<Vec<(String, Vec<u8>)>, GuestError> {
    const CALL: &str = "read files of the image";
    require_mount(guest, CALL)?;
    let names: Vec<_> = files
        .iter()
        .filter(|entry| entry.kind == FileKind::File && is_plain(&entry.path))
        .map(|entry| &entry.path)
        .collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    for script in name_scripts(names.iter().map(|name| &***name)) {
        guest.appliance(CALL, &script)?;
    }
    // Each member has a header, perhaps a second one for a long name, and padding to a block. tar pads its last record.
    let size = files.iter().map(|entry| entry.size.saturating_add(4096)).fold(1 << 20, u64::saturating_add);
    let script = |device: &str| {
        // A file that cannot be read is left out; the shell's status is that of `sync`.
        format!(
            "tar -c -f {device} -b 2048 -C {ROOT} --format=gnu --hard-dereference --no-recursion --ignore-failed-read \
             --null --verbatim-files-from -T {NAMES} >/dev/null 2>&1; rm -f {NAMES}; sync {device}"
        )
    };
    let archive = written(guest, CALL, size.next_multiple_of(1 << 20), &script)?;
    read_archive(archive).map_err(|error| refused(CALL, &error.to_string()))
}

fn require_mount(guest: &LibguestfsGuest, call: &str) -> Result<(), GuestError> {
    if guest.mounted.is_empty() { Err(refused(call, "nothing is mounted")) } else { Ok(()) }
}

fn refused(call: &str, message: &str) -> GuestError {
    GuestError::Call { call: call.to_owned(), message: message.to_owned() }
}

/// Returns the file that a script of the appliance has written to, as a disk of `size` bytes.
fn written(
    guest: &mut LibguestfsGuest,
    call: &str,
    size: u64,
    script: &dyn Fn(&str) -> String,
) -> Result<File, GuestError> {
    let failed = |error: std::io::Error| refused(call, &format!("no room for it on this machine: {error}"));
    let scratch = tempfile::NamedTempFile::new_in(&guest.socket_dir).map_err(failed)?;
    scratch.as_file().set_len(size).map_err(failed)?;
    guest.with_scratch(call, scratch.path(), |guest, device| guest.appliance(call, &script(device)).map(drop))?;
    scratch.reopen().map_err(failed)
}

/// Returns a script that prints, for every file, its properties and its path, a zero, the target of a link, a zero; then [`END`]
/// and a zero.
fn list_script(device: &str, below: &[&str]) -> String {
    let transient = ["dev", "proc", "run", "sys"].map(|name| format!("-path './{name}/*'")).join(" -o ");
    let starts = match below {
        [] => ".".to_owned(),
        below => below.iter().map(|name| quote(&format!("./{}", name.trim_matches('/')))).collect::<Vec<_>>().join(" "),
    };
    // A damaged or missing directory must not hide the others. But if `find` was killed, the list is incomplete.
    format!(
        "cd {ROOT} && {{ {{ find {starts} \\( {transient} \\) -prune \
         -o -printf '%y %m %U %G %s %b %n %D:%i %p\\0%l\\0'; [ $? -lt 128 ] && printf 'end\\0'; }} >{device} 2>/dev/null; cd /; sync {device}; }}"
    )
}

/// Returns scripts that write a list of names, each within the limit of an argument.
fn name_scripts<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scripts = vec![format!(": >{NAMES}; printf '%s\\0'")];
    for name in names {
        let word = quote(&format!(".{name}"));
        if let Some(script) = scripts.last_mut().filter(|script| script.len() + word.len() < SCRIPT_LIMIT) {
            script.push(' ');
            script.push_str(&word);
        } else {
            scripts.push(format!("printf '%s\\0' {word}"));
        }
    }
    for script in &mut scripts {
        script.push_str(&format!(" >>{NAMES}"));
    }
    scripts
}

/// Returns the bytes up to a zero; `None` at the end of the file.
fn record(reader: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.by_ref().take(2 * NAME_LIMIT).read_until(0, &mut bytes)?;
    if bytes.pop().is_some_and(|last| last == 0) { Ok(Some(bytes)) } else { Ok(None) }
}

/// Returns whether a path can come from a list, for a file with a name in UTF-8.
fn is_plain(path: &str) -> bool {
    path.len() > 1
        && path.starts_with('/')
        && !path.contains(['\0', '\u{fffd}'])
        && !path.split('/').any(|part| part == "..")
}

/// Parses a file in the output of `find`; `None` if it is invalid. `seen` has the files of earlier names.
fn entry(printed: &[u8], target: &[u8], seen: &mut HashSet<(u64, u64)>) -> Option<Entry> {
    let text = String::from_utf8_lossy(printed);
    let mut fields = text.splitn(9, ' ');
    let mut next = || fields.next();
    let (kind, mode) = (next()?, u32::from_str_radix(next()?, 8).ok()?);
    let (uid, gid, size) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
    let (blocks, names, inode, path): (u64, u64, _, _) =
        (next()?.parse().ok()?, next()?.parse().ok()?, next()?, next()?);
    let (device, inode) = inode.split_once(':')?;
    let inode = (device.parse().ok()?, inode.parse().ok()?);
    let path = path.strip_prefix('.')?;
    let kind = match kind {
        "f" => FileKind::File,
        "d" => FileKind::Directory,
        "l" => FileKind::Symlink,
        _ => FileKind::Special,
    };
    let first = kind == FileKind::Directory || names < 2 || seen.insert(inode);
    Some(Entry {
        path: if path.is_empty() { "/" } else { path }.into(),
        kind,
        mode,
        uid,
        gid,
        size,
        stored: if first { blocks.saturating_mul(512) } else { 0 },
        target: (kind == FileKind::Symlink).then(|| String::from_utf8_lossy(target).into()),
    })
}

/// Returns the regular files of an archive by their absolute paths.
fn read_archive(archive: impl Read) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for member in tar::Archive::new(archive).entries()? {
        let mut member = member?;
        let Ok(path) = String::from_utf8(member.path_bytes().into_owned()) else { continue };
        let Some(path) = path.strip_prefix('.').filter(|_| member.header().entry_type().is_file()) else { continue };
        let mut content = Vec::new();
        member.read_to_end(&mut content)?;
        files.push((path.to_owned(), content));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str) {
        crate::process::capture(std::process::Command::new("sh").args(["-n", "-c", script]))
            .unwrap_or_else(|error| panic!("{error}\n{script}"));
    }

    #[test]
    fn scripts_are_shell_and_not_too_long() {
        check(&list_script("/dev/sdz", &[]));
        check(&list_script("/dev/sdz", &["boot", "/it's/"]));
        let names: Vec<_> = (0..5000).map(|number| format!("/a directory/it's file {number}")).collect();
        let scripts = name_scripts(names.iter().map(String::as_str));
        assert!(
            scripts.len() > 1 && scripts.iter().all(|script| script.len() <= SCRIPT_LIMIT + 100),
            "{}",
            scripts.len()
        );
        scripts.iter().for_each(|script| check(script));
        // Together, the scripts write the complete list.
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("names");
        for script in scripts {
            let script = script.replace(NAMES, &file.display().to_string());
            crate::process::capture(std::process::Command::new("sh").args(["-c", &script])).expect("sh runs");
        }
        let written = std::fs::read_to_string(file).expect("the list");
        let expected: String = names.iter().map(|name| format!(".{name}\0")).collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn what_find_prints_is_read() {
        let mut seen = HashSet::new();
        let mut read = |printed: &[u8], target: &[u8]| entry(printed, target, &mut seen);
        let found = read(b"f 4755 0 7 12345 24 1 2049:12 ./usr/bin/two words\n", b"").expect("a file");
        assert_eq!((&*found.path, found.kind, found.mode), ("/usr/bin/two words\n", FileKind::File, 0o4755));
        assert_eq!((found.gid, found.size, found.stored, found.target), (7, 12345, 24 * 512, None));
        let link = read(b"l 777 0 0 7 0 1 2049:13 ./bin", b"usr/bin").expect("a link");
        assert_eq!((link.kind, link.target.as_deref()), (FileKind::Symlink, Some("usr/bin")));
        assert_eq!(read(b"d 755 0 0 4096 8 3 1:2 .", b"").map(|root| root.path.into_string()).as_deref(), Some("/"));
        // Another name of a file takes no more space.
        let first = read(b"f 644 0 0 9 8 2 1:5 ./a", b"").expect("a file");
        let second = read(b"f 644 0 0 9 8 2 1:5 ./b", b"").expect("a file");
        assert_eq!((first.stored, second.stored, second.size), (4096, 0, 9));
        for noise in [&b""[..], b"f", b"f 9 0 0 1 1 1 1:1 ./x", b"f 644 0 0 1 1 1 1:1 x", b"f 644 -1 0 1 1 1 1:1 ./x"] {
            assert_eq!(read(noise, b""), None, "{noise:?}");
        }
        assert!(
            is_plain("/a/b") && !is_plain("/a/../b") && !is_plain("/a\u{fffd}") && !is_plain("/") && !is_plain("a")
        );
    }

    /// Returns a list as the appliance writes it, on a larger disk.
    fn listing(files: usize) -> Vec<u8> {
        use std::io::Write as _;
        let mut listing = Vec::new();
        for number in 0..files {
            let (kind, target) = if number % 10 == 0 { ("l", "../share/target") } else { ("f", "") };
            let record = format!(
                "{kind} 644 0 0 {number} 8 1 2049:{number} ./usr/share/package-{}/directory/file-{number}\0{target}\0",
                number / 100
            );
            listing.write_all(record.as_bytes()).expect("memory");
        }
        listing
    }

    #[test]
    fn a_listing_is_whole_or_an_error_that_names_the_limit() {
        let read = |listing: &[u8], count, names| entries(&mut { listing }, count, names);
        let whole = [&listing(100)[..], b"end\0\0\0\0"].concat();
        assert_eq!(read(&whole, 100, 10_000).expect("it is whole").len(), 100);
        // The appliance had too little space, or was stopped.
        for cut in [listing(100), [&listing(100)[..], &[0; 100]].concat(), listing(100)[..500].to_vec(), Vec::new()] {
            assert!(read(&cut, 1000, 100_000).expect_err("it has no end").contains("longer than 805306368 bytes"));
        }
        assert!(read(&whole, 99, 10_000).expect_err("too many").contains("more than 99 files"));
        assert!(read(&whole, 100, 1000).expect_err("too long").contains("more than 1000 bytes together"));
        // A file may have the same name as the mark.
        let named = b"f 644 0 0 1 8 1 1:1 ./end\0\0end\0";
        assert_eq!(read(named, 9, 99).expect("it is whole").len(), 1);
    }

    /// Returns a value of `/proc/self/status` about this process's memory, in bytes.
    fn memory(what: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("a Linux system");
        let line = status.lines().find(|line| line.starts_with(what)).expect("it is told");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
    }

    #[test]
    fn the_list_of_many_files_takes_little_more_than_their_names() {
        const FILES: usize = 200_000;
        use std::io::Write as _;
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&listing(FILES)).and_then(|()| file.write_all(b"end\0")).expect("room");
        std::io::Seek::rewind(&mut file).expect("a file");
        let before = memory("VmRSS");
        let tree = entries(&mut BufReader::new(file), LIST_LIMIT, NAMES_MAX).expect("it is whole");
        let grown = memory("VmRSS").saturating_sub(before);
        assert_eq!(tree.len(), FILES);
        assert!(grown < FILES as u64 * 256, "{grown}");
    }
}
