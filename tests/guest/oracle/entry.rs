//! Files as a case wants them: made on the host, or described by lines of shell.

use std::fmt::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, lchown, symlink};
use std::path::Path;

use super::draw::DEFAULT;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

/// Length of a file that has holes, and where it has data.
const LENGTH: u64 = 1 << 20;
const DATA: u64 = 512 << 10;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Dir,
    File(Vec<u8>),
    /// A large file of zeros with a little data in the middle. Are the zeros holes?
    Zeros {
        holes: bool,
    },
    Link(String),
    /// Another name of the file with this path.
    Same(String),
    Pipe,
}

/// A file of a tree. An empty path is the tree itself.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) what: What,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) time: i64,
    /// Extended attributes. None of the trees has both a capability and an access control list at one file.
    pub(super) attributes: Vec<(&'static str, Vec<u8>)>,
}

/// How an action brings a tree into an image; what is `None` is as in the tree.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    pub(super) mode: Option<u32>,
    pub(super) owner: Option<String>,
    pub(super) time: Option<i64>,
    /// Whether zeros become holes.
    pub(super) holes: bool,
}

/// Makes a tree below a directory, parents first.
pub(super) fn make(entries: &[Entry], root: &Path) {
    for entry in entries {
        let path = place(root, &entry.path);
        match &entry.what {
            What::Dir => std::fs::create_dir_all(&path).unwrap(),
            What::File(content) => std::fs::write(&path, content).unwrap(),
            What::Zeros { holes } => {
                let file = std::fs::File::create(&path).unwrap();
                file.set_len(LENGTH).unwrap();
                if !holes {
                    file.write_all_at(&vec![0; usize::try_from(LENGTH).unwrap()], 0).unwrap();
                }
                file.write_all_at(b"data", DATA).unwrap();
            }
            What::Link(target) => symlink(target, &path).unwrap(),
            What::Same(first) => std::fs::hard_link(place(root, first), &path).unwrap(),
            What::Pipe => {
                rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
            }
        }
        if matches!(entry.what, What::Same(_)) {
            continue;
        }
        lchown(&path, Some(entry.owner.0), Some(entry.owner.1)).unwrap();
        if !matches!(entry.what, What::Link(_)) {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(entry.mode)).unwrap();
            set(&path, entry, |name| name != DEFAULT);
        }
    }
    for entry in entries.iter().rev() {
        // At last: the kernel gives such a list to what is made in the directory.
        set(&place(root, &entry.path), entry, |name| name == DEFAULT);
        let time = Timespec { tv_sec: entry.time, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, place(root, &entry.path), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// Gives a file those of its attributes whose names are wanted.
fn set(path: &Path, entry: &Entry, wanted: impl Fn(&str) -> bool) {
    for (name, value) in entry.attributes.iter().filter(|(name, _)| wanted(name)) {
        rustix::fs::setxattr(path, *name, value, XattrFlags::empty())
            .unwrap_or_else(|error| panic!("{name} of {}: {error}", path.display()));
    }
}

fn place(root: &Path, path: &str) -> std::path::PathBuf {
    if path.is_empty() { root.to_owned() } else { root.join(path) }
}

/// Lines of shell that bring a tree to an absolute path of an image. The functions are those of `meaning.sh`.
pub(super) fn meaning(entries: &[Entry], to: &str, manner: &Manner) -> String {
    let at = |path: &str| quote(&if path.is_empty() { to.to_owned() } else { format!("{to}/{path}") });
    let (mut lines, mut times) = (String::new(), Vec::new());
    for (number, entry) in entries.iter().enumerate() {
        let path = at(&entry.path);
        let file = matches!(entry.what, What::File(_) | What::Zeros { .. });
        let mode = manner.mode.filter(|_| file).unwrap_or(entry.mode);
        let owner = manner.owner.clone().unwrap_or_else(|| format!("{}:{}", entry.owner.0, entry.owner.1));
        let time = manner.time.unwrap_or(entry.time);
        let _ = match &entry.what {
            What::Dir => writeln!(lines, "dir {path} {mode:05o} {owner}; new_{number}=$new"),
            What::File(content) => writeln!(lines, "printf {} | put {path} {mode:04o} {owner}", printf(content)),
            What::Zeros { holes } => {
                let fill = if *holes || manner.holes { "holes" } else { "dense" };
                writeln!(
                    lines,
                    "put {path} {mode:04o} {owner} </dev/null; zeros {fill} {LENGTH} {DATA} {path}; chmod {mode:04o} {path}"
                )
            }
            What::Link(target) => {
                writeln!(lines, "clear {path}; ln -s -- {} {path}; chown -h {owner} {path}", quote(target))
            }
            What::Same(first) => writeln!(lines, "clear {path}; ln {} {path}", at(first)),
            What::Pipe => {
                writeln!(lines, "clear {path}; mkfifo {path}; chown {owner} {path}; chmod {mode:04o} {path}")
            }
        };
        // A directory gets its attributes at last: a default list would be given to what is made in it.
        let dir = entry.what == What::Dir;
        let mut end = String::new();
        for (name, value) in &entry.attributes {
            let line = format!("attribute {path} {name} {}\n", hex::encode(value));
            if dir { end += &format!("[ -z \"$new_{number}\" ] || {line}") } else { lines += &line }
        }
        if manner.mode.is_some() && file {
            // `mode` is what the file has, whatever its access control list allowed.
            let _ = writeln!(lines, "chmod {mode:04o} {path}");
        }
        if !matches!(entry.what, What::Same(_)) {
            // One that is a link to a directory goes on behind it.
            times.push(format!("{end}touch {} -d @{time} {path}\n", if dir { "" } else { "-h" }));
        }
    }
    times.reverse();
    lines + &times.concat()
}

/// A word that a shell reads back as it is.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A format of printf(1) that prints these bytes.
pub(super) fn printf(bytes: &[u8]) -> String {
    let mut format = String::from("'");
    for byte in bytes {
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'=' | b'.' => write!(format, "{}", char::from(*byte)),
            _ => write!(format, "\\{byte:03o}"),
        };
    }
    format + "'"
}

/// An access control list as Linux keeps it: linux/posix_acl_xattr.h. It gives one user and the mask other rights.
pub(super) fn access_list(owner: u16, user: u16, group: u16, mask: u16, other: u16) -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, rights, id) in [
        (0x01u16, owner, NOBODY),
        (0x02, user, 1234),
        (0x04, group, NOBODY),
        (0x10, mask, NOBODY),
        (0x20, other, NOBODY),
    ] {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&rights.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    bytes
}

/// The capability `cap_net_raw`, permitted and effective: linux/capability.h, `struct vfs_cap_data`.
pub(super) fn capability() -> Vec<u8> {
    let words: [u32; 5] = [0x0200_0001, 1 << 13, 0, 0, 0];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
