//! Finds the files that recipes and elements load into images, and refuses files outside of their folder.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use include_dir::{Dir, DirEntry};

use super::tree::{self, Fault};
use crate::digest::Sha256;
use crate::vocabulary::{Asset, AssetKind, Origin};

/// The folder that a recipe's or element's files lie in. Nothing outside it is read.
#[derive(Debug, Clone)]
pub(crate) enum Folder {
    /// In the program.
    Embedded(&'static Dir<'static>),
    /// On the host.
    Host(PathBuf),
}

/// The files that an action brings.
#[derive(Debug, PartialEq)]
pub(crate) struct LoadedSource {
    /// Path without `./` and `/` at its ends, and without links.
    pub(crate) path: String,
    /// Whether the path is a directory.
    pub(crate) directory: bool,
    /// The file or directory itself, and everything in it, by path. All paths begin with `path`.
    pub(crate) files: BTreeMap<String, Asset>,
}

impl Folder {
    /// Reads the file or directory at a relative path, with all below it.
    pub(crate) fn load(&self, source: &str) -> Result<LoadedSource, Fault> {
        let path = normal(source)?;
        let (path, files) = match self {
            Self::Embedded(root) => (path.clone(), embedded(root, &path)?),
            Self::Host(root) => tree::load(root, &path)?,
        };
        let directory = files.get(&path).is_some_and(|asset| asset.kind == AssetKind::Directory);
        Ok(LoadedSource { path, directory, files })
    }
}

/// Normalises a relative path, which must stay in its folder.
fn normal(source: &str) -> Result<String, Fault> {
    let outside = |why: &str| Err(Fault::outside(&format!("`{source}` {why}")));
    let mut parts = Vec::new();
    for component in Path::new(source).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir => return outside("leaves its folder by `..`"),
            Component::RootDir | Component::Prefix(_) => return outside("is an absolute path"),
        }
    }
    if parts.is_empty() { outside("names no file") } else { Ok(parts.join("/")) }
}

fn embedded(root: &'static Dir<'static>, path: &str) -> Result<BTreeMap<String, Asset>, Fault> {
    // Paths of embedded entries begin at the root of the library.
    let prefix = root.path();
    let relative = |entry: &Path| entry.strip_prefix(prefix).unwrap_or(entry).to_string_lossy().into_owned();
    let entry = walk(root).into_iter().find(|entry| relative(entry.path()) == path);
    let Some(entry) = entry else {
        let known = walk(root).into_iter().filter_map(DirEntry::as_file).map(|file| relative(file.path()));
        return Err(Fault::missing(path, known));
    };
    let below = entry.as_dir().map(walk).unwrap_or_default();
    Ok(std::iter::once(entry).chain(below).map(|entry| (relative(entry.path()), embedded_asset(entry))).collect())
}

fn walk(dir: &'static Dir<'static>) -> Vec<&'static DirEntry<'static>> {
    let mut all = Vec::new();
    for entry in dir.entries() {
        all.push(entry);
        if let DirEntry::Dir(dir) = entry {
            all.extend(walk(dir));
        }
    }
    all
}

/// Makes an asset of an embedded entry. Embedding loses modes, so `#!` at the beginning marks a script.
fn embedded_asset(entry: &'static DirEntry<'static>) -> Asset {
    let (kind, mode) = match entry {
        DirEntry::Dir(_) => (AssetKind::Directory, 0o755),
        DirEntry::File(file) => {
            let content = file.contents();
            let kind = AssetKind::File { sha256: Sha256::of(content), origin: Origin::Embedded(content) };
            (kind, if content.starts_with(b"#!") { 0o755 } else { 0o644 })
        }
    };
    Asset { kind, mode, xattrs: BTreeMap::new() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const FILES: [(&str, u32); 6] = [
        ("files", 0o755),
        ("files/a", 0o640),
        ("files/b", 0o2750),
        ("files/b/x", 0o600),
        ("files/empty", 0o700),
        ("files/up", 0o777),
    ];

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(at("in/files/b")).expect("folders");
        for (path, text) in [("secret", "s"), ("in/run.sh", "#!"), ("in/files/b/x", "x"), ("in/files/a", "a")] {
            std::fs::write(at(path), text).expect("a file");
        }
        std::fs::create_dir(at("in/files/empty")).expect("a folder");
        symlink("../../secret", at("in/files/up")).expect("a link");
        std::fs::set_permissions(at("in/run.sh"), PermissionsExt::from_mode(0o700)).expect("a mode");
        for (path, mode) in &FILES[..5] {
            std::fs::set_permissions(at("in").join(path), PermissionsExt::from_mode(*mode)).expect("a mode");
        }
        for (target, link) in
            [("../secret", "in/out"), ("run.sh", "in/link"), ("files", "in/dir"), ("nowhere", "in/dead")]
        {
            symlink(target, at(link)).expect("a link");
        }
        folder
    }

    fn load(path: &str) -> Result<Vec<(String, u32)>, String> {
        let folder = folder();
        match Folder::Host(folder.path().join("in")).load(path) {
            Ok(brought) => Ok(brought.files.into_iter().map(|(path, asset)| (path, asset.mode)).collect()),
            Err(fault) => Err(format!("{} {}", fault.message, fault.help.unwrap_or_default())),
        }
    }

    #[test]
    fn files_and_directories_are_brought() {
        let file = |path: &str, mode| (path.to_owned(), mode);
        for (path, files) in [
            ("run.sh", vec![file("run.sh", 0o700)]),
            ("./files//a", vec![file("files/a", 0o640)]),
            ("files/", FILES.map(|(path, mode)| file(path, mode)).to_vec()),
            ("link", vec![file("run.sh", 0o700)]),
            ("dir", FILES.map(|(path, mode)| file(path, mode)).to_vec()),
            ("files/b", vec![file("files/b", 0o2750), file("files/b/x", 0o600)]),
        ] {
            assert_eq!(load(path), Ok(files), "{path}");
        }
    }

    #[test]
    fn embedded_files_are_brought_alike() {
        static FIXTURES: Dir<'static> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/tests/recipes/valid");
        let folder = Folder::Embedded(FIXTURES.get_dir("files").expect("it is there"));
        let load = |path: &str| {
            let brought = folder.load(path).map_err(|fault| fault.help)?;
            Ok(brought.files.into_iter().map(|(path, asset)| (path, asset.mode)).collect::<Vec<_>>())
        };
        let file = |path: &str, mode| (path.to_owned(), mode);
        assert_eq!(load("./hello.sh"), Ok(vec![file("hello.sh", 0o755)]));
        assert_eq!(
            load("etc/"),
            Ok(vec![
                file("etc", 0o755),
                file("etc/a.conf", 0o644),
                file("etc/sub", 0o755),
                file("etc/sub/b.conf", 0o644)
            ])
        );
        assert_eq!(load("etc/b.conf"), Err(Some("did you mean `etc/a.conf`?".to_owned())));
    }

    #[test]
    fn nothing_outside_the_folder_is_read() {
        for (path, words) in [
            ("/etc/passwd", "absolute"),
            ("../secret", "leaves its folder by `..`"),
            ("files/../../secret", "leaves its folder by `..`"),
            ("out", "symbolic link that leaves its folder"),
            (".", "names no file"),
            ("", "names no file"),
            ("dead", "there is no file `dead`"),
            ("files/q", "there is no file `files/q` did you mean `files/a`?"),
            ("run.sh/x", "there is no file"),
        ] {
            let fault = load(path).expect_err(path);
            assert!(fault.contains(words), "{path}: {fault}");
        }
    }

    fn kinds(folder: &tempfile::TempDir) -> Result<Vec<(String, AssetKind)>, Fault> {
        let brought = Folder::Host(folder.path().join("in")).load("files")?;
        Ok(brought.files.into_iter().map(|(path, asset)| (path, asset.kind)).collect())
    }

    #[test]
    fn links_are_links_wherever_they_lead_and_names_of_one_file_are_that() {
        let folder = folder();
        let at = |path: &str| folder.path().join("in/files").join(path);
        std::fs::hard_link(at("a"), at("b/a")).expect("a second name");
        std::fs::hard_link(folder.path().join("secret"), at("elsewhere")).expect("a name outside does not count");
        let found: BTreeMap<_, _> = kinds(&folder).expect("all of it can be brought").into_iter().collect();
        assert_eq!(found["files/up"], AssetKind::Symlink { target: "../../secret".to_owned() });
        assert_eq!(found["files/b/a"], AssetKind::Hardlink { first: "files/a".to_owned() });
        assert!(matches!(found["files/elsewhere"], AssetKind::File { .. }));
        assert_eq!((found.len(), &found["files/empty"]), (8, &AssetKind::Directory));
    }

    #[test]
    fn what_cannot_be_brought_is_named() {
        let pipe = |path: &Path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        };
        let large = |path: &Path| {
            std::fs::File::create(path).and_then(|file| file.set_len(17 << 30)).expect("a file of holes");
        };
        let foreign = |path: &Path| {
            use std::os::unix::ffi::OsStrExt as _;
            let name = std::ffi::OsStr::from_bytes(b"odd\xff");
            std::fs::write(path.with_file_name(name), "").expect("a file");
        };
        let socket = |path: &Path| drop(std::os::unix::net::UnixListener::bind(path).expect("a socket"));
        type Make<'a> = &'a dyn Fn(&Path);
        let cases: [(Make<'_>, &str); 4] = [
            (&pipe, "files/odd is a device, a socket or a pipe"),
            (&socket, "files/odd is a device, a socket or a pipe"),
            (&large, "files/odd there are more than 16 GiB in it"),
            (&foreign, "is not UTF-8"),
        ];
        for (make, words) in cases {
            let folder = folder();
            make(&folder.path().join("in/files/odd"));
            let fault = kinds(&folder).expect_err(words);
            assert!(fault.message.contains(words), "{}", fault.message);
        }
    }

    #[test]
    fn extended_attributes_are_brought() {
        let folder = folder();
        let path = folder.path().join("in/files/a");
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(&path, "user.gold", b"kept", flags) == Err(rustix::io::Errno::OPNOTSUPP) {
            return; // nothing to load here
        }
        let brought = Folder::Host(folder.path().join("in")).load("files").expect("it is there");
        assert_eq!(brought.files["files/a"].xattrs, BTreeMap::from([("user.gold".to_owned(), b"kept".to_vec())]));
    }
}
