//! Reads files and directories of the host that actions load into an image, with modes and attributes. It follows no links in
//! them.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::digest::Sha256;
use crate::units::ByteSize;
use crate::vocabulary::{Asset, AssetKind, Origin};
use crate::yaml::near;

/// Most files and directories that one action brings.
const MAX_FILES: usize = 20_000;
/// Deepest directory below the one that an action brings.
const MAX_DEPTH: usize = 32;
/// Most bytes that one action brings, holes included: all of them are read to make the key of a layer.
const MAX_BYTES: u64 = 16 << 30;

/// Hint for a file that cannot be used.
const COPY_IT_THERE: &str = "only files in the folder of the recipe or element can be used: copy it there";

/// An error about a file that cannot be brought.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::new(format!("cannot read {}: {error}", path.display()))
    }

    /// Makes an error about a file outside the folder.
    pub(super) fn outside(what: &str) -> Self {
        Self { message: what.to_owned(), help: Some(COPY_IT_THERE.to_owned()) }
    }

    /// Makes an error about a missing file, with a similar name beside it.
    pub(super) fn missing(path: &str, siblings: impl IntoIterator<Item = String>) -> Self {
        let mut siblings: Vec<String> = siblings.into_iter().collect();
        siblings.sort();
        Self {
            message: format!("there is no file `{path}`"),
            help: near(path, siblings).map(|near| format!("did you mean `{near}`?")),
        }
    }
}

/// The state of reading a file or directory.
#[derive(Default)]
struct Walk {
    files: BTreeMap<String, Asset>,
    /// First name of each file that has several, by device and inode number.
    names: HashMap<(u64, u64), String>,
    bytes: u64,
}

/// Reads the file or directory at a relative path below a folder. Returns its real path too, because the name may be a link
/// within the folder.
pub(super) fn load(folder: &Path, path: &str) -> Result<(String, BTreeMap<String, Asset>), Fault> {
    let place = folder.join(path);
    let root = folder.canonicalize().map_err(|error| Fault::io(folder, &error))?;
    let real = match place.canonicalize() {
        Ok(real) => real,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            let parent = Path::new(path).parent().unwrap_or(Path::new(""));
            let siblings = std::fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
            let name = |entry: std::fs::DirEntry| parent.join(entry.file_name()).to_string_lossy().into_owned();
            return Err(Fault::missing(path, siblings.map(name)));
        }
        Err(error) => return Err(Fault::io(&place, &error)),
    };
    let Ok(inside) = real.strip_prefix(&root) else {
        return Err(Fault::outside(&format!("{} is a symbolic link that leaves its folder", place.display())));
    };
    let inside = match inside.to_str() {
        Some("") => return Err(Fault::outside(&format!("`{path}` is the folder itself"))),
        Some(inside) => inside.to_owned(),
        None => return Err(Fault::new(format!("the name of {} is not UTF-8", real.display()))),
    };
    let mut walk = Walk::default();
    walk.entry(&real, inside.clone(), 0)?;
    Ok((inside, walk.files))
}

impl Walk {
    /// Adds a file or directory of the host, with all below it.
    fn entry(&mut self, place: &Path, path: String, depth: usize) -> Result<(), Fault> {
        let meta = place.symlink_metadata().map_err(|error| Fault::io(place, &error))?;
        if self.files.len() >= MAX_FILES {
            return Err(Fault::new(format!("there are more than {MAX_FILES} files and directories in it")));
        }
        let mode = meta.permissions().mode() & 0o7777;
        let kind = meta.file_type();
        if kind.is_symlink() {
            let target = std::fs::read_link(place).map_err(|error| Fault::io(place, &error))?;
            let Some(target) = target.to_str().map(str::to_owned) else {
                return Err(Fault::new(format!("what the link {} leads to is not UTF-8", place.display())));
            };
            self.files
                .insert(path, Asset { kind: AssetKind::Symlink { target }, mode: 0o777, xattrs: BTreeMap::new() });
            Ok(())
        } else if kind.is_dir() {
            self.directory(place, path, mode, depth)
        } else if kind.is_file() {
            self.file(place, path, &meta)
        } else {
            let message = format!("{} is a device, a socket or a pipe", place.display());
            let help = "only files, directories and links can be brought: take it away, or make it by a script";
            Err(Fault { message, help: Some(help.to_owned()) })
        }
    }

    fn directory(&mut self, place: &Path, path: String, mode: u32, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::new(format!("`{path}` lies deeper than {MAX_DEPTH} directories")));
        }
        let xattrs = attributes(place)?;
        self.files.insert(path.clone(), Asset { kind: AssetKind::Directory, mode, xattrs });
        let mut names = Vec::new();
        for entry in std::fs::read_dir(place).map_err(|error| Fault::io(place, &error))? {
            let entry = entry.map_err(|error| Fault::io(place, &error))?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(Fault::new(format!("the name of {} is not UTF-8", entry.path().display())));
            };
            names.push(name);
            if names.len() > MAX_FILES {
                return Err(Fault::new(format!("there are more than {MAX_FILES} files and directories in it")));
            }
        }
        // The first of several names must not depend on the order in the file system.
        names.sort();
        for name in names {
            self.entry(&place.join(&name), format!("{path}/{name}"), depth + 1)?;
        }
        Ok(())
    }

    fn file(&mut self, place: &Path, path: String, meta: &Metadata) -> Result<(), Fault> {
        let mode = meta.permissions().mode() & 0o7777;
        if meta.nlink() > 1 {
            if let Some(first) = self.names.get(&(meta.dev(), meta.ino())) {
                let kind = AssetKind::Hardlink { first: first.clone() };
                self.files.insert(path, Asset { kind, mode, xattrs: BTreeMap::new() });
                return Ok(());
            }
            self.names.insert((meta.dev(), meta.ino()), path.clone());
        }
        self.bytes = self.bytes.saturating_add(meta.len());
        if self.bytes > MAX_BYTES {
            let most = ByteSize::bytes(MAX_BYTES);
            let message = format!("with {} there are more than {most} in it, holes included", place.display());
            return Err(Fault { message, help: Some("let a script fetch or make a file of this size".to_owned()) });
        }
        let file = open(place)?;
        let sha256 = Sha256::of_reader(file).map_err(|error| Fault::io(place, &error))?;
        let kind = AssetKind::File { sha256, origin: Origin::File(place.to_owned()) };
        self.files.insert(path, Asset { kind, mode, xattrs: attributes(place)? });
        Ok(())
    }
}

/// Opens a regular file. Refuses a link, which leads elsewhere, or a pipe, which blocks, if one has taken its place.
fn open(place: &Path) -> Result<File, Fault> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(place);
    let file = file.map_err(|error| Fault::io(place, &error))?;
    match file.metadata() {
        Ok(meta) if meta.is_file() => Ok(file),
        Ok(_) => Err(Fault::new(format!("{} is no regular file any more", place.display()))),
        Err(error) => Err(Fault::io(place, &error)),
    }
}

/// Returns the extended attributes that mean the same in an image as on the host. This excludes labels and signatures of the
/// host's own policies (xattr(7)).
fn attributes(place: &Path) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
    let failed = |error: Errno| Fault::io(place, &error.into());
    let mut names = vec![0; 64 << 10]; // the kernel's limits of both, XATTR_LIST_MAX and XATTR_SIZE_MAX
    let length = match rustix::fs::llistxattr(place, &mut names[..]) {
        Ok(length) => length,
        // The file system has none.
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(failed(error)),
    };
    let mut found = BTreeMap::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = std::str::from_utf8(name) else {
            return Err(Fault::new(format!("an attribute of {} has a name that is not UTF-8", place.display())));
        };
        // A tar file cannot store a name with `=`: the name would end there.
        if name.contains('=') {
            return Err(Fault::new(format!("the attribute `{name}` of {} has a `=` in its name", place.display())));
        }
        let plain = ["security.capability", "system.posix_acl_access", "system.posix_acl_default"];
        if name.starts_with("user.") || plain.contains(&name) {
            let mut value = vec![0; 64 << 10];
            let length = rustix::fs::lgetxattr(place, name, &mut value[..]).map_err(failed)?;
            value.truncate(length);
            found.insert(name.to_owned(), value);
        }
    }
    Ok(found)
}
