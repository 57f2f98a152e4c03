//! Files that recipes and elements bring.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use include_dir::{Dir, DirEntry};

use crate::digest::Sha256;
use crate::vocabulary::{Asset, Origin};
use crate::yaml::near;

/// Most files of one directory that an action brings.
const MAX_FILES: usize = 20_000;
/// Deepest directory below the one that an action brings.
const MAX_DEPTH: usize = 32;

/// The folder that a recipe's or element's files lie in. Nothing outside it is read.
#[derive(Debug, Clone)]
pub(crate) enum Folder {
    /// In the program.
    Embedded(&'static Dir<'static>),
    /// On the host.
    Host(PathBuf),
}

/// Why a file cannot be brought.
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
}

/// What an action brings.
#[derive(Debug, PartialEq)]
pub(crate) struct Brought {
    /// The path without `./` and `/` at its ends.
    pub(crate) path: String,
    /// Whether it is a directory.
    pub(crate) directory: bool,
    /// Files by path; those of a directory begin with the directory's path.
    pub(crate) files: BTreeMap<String, Asset>,
}

impl Folder {
    /// The file at a relative path, or every file below it.
    pub(crate) fn bring(&self, source: &str) -> Result<Brought, Fault> {
        let path = normal(source)?;
        let mut files = BTreeMap::new();
        let directory = match self {
            Self::Embedded(root) => embedded(root, &path, &mut files)?,
            Self::Host(root) => host(root, &path, &mut files)?,
        };
        if files.is_empty() {
            return Err(Fault::new(format!("directory `{path}` has no files")));
        }
        Ok(Brought { path, directory, files })
    }
}

/// A relative path that stays below where it starts.
fn normal(source: &str) -> Result<String, Fault> {
    let outside = |why: &str| {
        Err(Fault {
            message: format!("`{source}` {why}"),
            help: Some("only files in the folder of the recipe or element can be used: copy it there".to_owned()),
        })
    };
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

fn missing(path: &str, siblings: impl IntoIterator<Item = String>) -> Fault {
    let mut siblings: Vec<String> = siblings.into_iter().collect();
    siblings.sort();
    Fault {
        message: format!("there is no file `{path}`"),
        help: near(path, siblings).map(|near| format!("did you mean `{near}`?")),
    }
}

fn embedded(root: &'static Dir<'static>, path: &str, files: &mut BTreeMap<String, Asset>) -> Result<bool, Fault> {
    // Paths of embedded entries begin at the root of the library.
    let prefix = root.path();
    let relative = |entry: &Path| entry.strip_prefix(prefix).unwrap_or(entry).to_string_lossy().into_owned();
    let entry = walk(root).into_iter().find(|entry| relative(entry.path()) == path);
    let all: Vec<&'static include_dir::File<'static>> = match entry {
        Some(DirEntry::File(file)) => {
            files.insert(path.to_owned(), embedded_asset(file.contents()));
            return Ok(false);
        }
        Some(DirEntry::Dir(dir)) => walk(dir).into_iter().filter_map(DirEntry::as_file).collect(),
        None => {
            let known = walk(root).into_iter().filter_map(DirEntry::as_file).map(|file| relative(file.path()));
            return Err(missing(path, known));
        }
    };
    for file in all {
        files.insert(relative(file.path()), embedded_asset(file.contents()));
    }
    Ok(true)
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

/// Embedding loses modes, so a script is known by its first line.
fn embedded_asset(content: &'static [u8]) -> Asset {
    let mode = if content.starts_with(b"#!") { 0o755 } else { 0o644 };
    Asset { sha256: Sha256::of(content), mode, origin: Origin::Embedded(content) }
}

fn host(root: &Path, path: &str, files: &mut BTreeMap<String, Asset>) -> Result<bool, Fault> {
    let place = root.join(path);
    let root = root.canonicalize().map_err(|error| Fault::io(root, &error))?;
    let real = match inside(&root, &place) {
        Err(None) => {
            let parent = Path::new(path).parent().unwrap_or(Path::new(""));
            let siblings = std::fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
            let name = |entry: std::fs::DirEntry| parent.join(entry.file_name()).to_string_lossy().into_owned();
            return Err(missing(path, siblings.map(name)));
        }
        Err(Some(fault)) => return Err(fault),
        Ok(real) => real,
    };
    if real.is_dir() {
        host_dir(&root, &place, path, 0, files)?;
        return Ok(true);
    }
    files.insert(path.to_owned(), host_asset(&real)?);
    Ok(false)
}

/// Where a path leads, all symbolic links followed. `Err(None)`: nowhere.
fn inside(root: &Path, place: &Path) -> Result<PathBuf, Option<Fault>> {
    let real = place.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => None,
        _ => Some(Fault::io(place, &error)),
    })?;
    if real.starts_with(root) {
        return Ok(real);
    }
    Err(Some(Fault {
        message: format!("{} is a symbolic link that leaves its folder", place.display()),
        help: Some("only files in the folder of the recipe or element can be used: copy it there".to_owned()),
    }))
}

fn host_dir(
    root: &Path,
    place: &Path,
    path: &str,
    depth: usize,
    files: &mut BTreeMap<String, Asset>,
) -> Result<(), Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::new(format!("`{path}` lies deeper than {MAX_DEPTH} directories")));
    }
    for entry in std::fs::read_dir(place).map_err(|error| Fault::io(place, &error))? {
        let entry = entry.map_err(|error| Fault::io(place, &error))?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(Fault::new(format!("the name of {} is not UTF-8", entry.path().display())));
        };
        let below = format!("{path}/{name}");
        let real = inside(root, &entry.path())
            .map_err(|fault| fault.unwrap_or_else(|| Fault::new(format!("`{below}` leads nowhere"))))?;
        let kind = entry.file_type().map_err(|error| Fault::io(&entry.path(), &error))?;
        if real.is_dir() && kind.is_symlink() {
            return Err(Fault::new(format!("`{below}` is a symbolic link to a directory: copy the directory instead")));
        }
        if real.is_dir() {
            host_dir(root, &entry.path(), &below, depth + 1, files)?;
        } else {
            files.insert(below, host_asset(&real)?);
        }
        if files.len() > MAX_FILES {
            return Err(Fault::new(format!("there are more than {MAX_FILES} files below it")));
        }
    }
    Ok(())
}

fn host_asset(path: &Path) -> Result<Asset, Fault> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = path.metadata().map_err(|error| Fault::io(path, &error))?;
    if !meta.is_file() {
        return Err(Fault::new(format!("{} is no regular file", path.display())));
    }
    let mode = if meta.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
    let sha256 = Sha256::of_file(path).map_err(|error| Fault::io(path, &error.source))?;
    Ok(Asset { sha256, mode, origin: Origin::File(path.to_owned()) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(at("in/files/b")).expect("folders");
        for (path, text) in [("secret", "s"), ("in/run.sh", "#!"), ("in/files/b/x", "x"), ("in/files/a", "a")] {
            std::fs::write(at(path), text).expect("a file");
        }
        std::fs::set_permissions(at("in/run.sh"), PermissionsExt::from_mode(0o700)).expect("a mode");
        for (target, link) in
            [("../secret", "in/out"), ("run.sh", "in/link"), ("files", "in/dir"), ("nowhere", "in/dead")]
        {
            symlink(target, at(link)).expect("a link");
        }
        folder
    }

    fn bring(path: &str) -> Result<Vec<(String, u32)>, String> {
        let folder = folder();
        match Folder::Host(folder.path().join("in")).bring(path) {
            Ok(brought) => Ok(brought.files.into_iter().map(|(path, asset)| (path, asset.mode)).collect()),
            Err(fault) => Err(format!("{} {}", fault.message, fault.help.unwrap_or_default())),
        }
    }

    #[test]
    fn files_and_directories_are_brought() {
        let file = |path: &str, mode| (path.to_owned(), mode);
        for (path, files) in [
            ("run.sh", vec![file("run.sh", 0o755)]),
            ("./files//a", vec![file("files/a", 0o644)]),
            ("files/", vec![file("files/a", 0o644), file("files/b/x", 0o644)]),
            ("link", vec![file("link", 0o755)]),
        ] {
            assert_eq!(bring(path), Ok(files), "{path}");
        }
    }

    #[test]
    fn embedded_files_are_brought_alike() {
        static FIXTURES: Dir<'static> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/tests/recipes/valid");
        let folder = Folder::Embedded(FIXTURES.get_dir("files").expect("it is there"));
        let bring = |path: &str| {
            let brought = folder.bring(path).map_err(|fault| fault.help)?;
            Ok(brought.files.into_iter().map(|(path, asset)| (path, asset.mode)).collect::<Vec<_>>())
        };
        let file = |path: &str, mode| (path.to_owned(), mode);
        assert_eq!(bring("./hello.sh"), Ok(vec![file("hello.sh", 0o755)]));
        assert_eq!(bring("etc/"), Ok(vec![file("etc/a.conf", 0o644), file("etc/sub/b.conf", 0o644)]));
        assert_eq!(bring("etc/b.conf"), Err(Some("did you mean `etc/a.conf`?".to_owned())));
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
            let fault = bring(path).expect_err(path);
            assert!(fault.contains(words), "{path}: {fault}");
        }
    }

    #[test]
    fn a_directory_with_a_way_out_is_refused() {
        let folder = folder();
        symlink("../../secret", folder.path().join("in/files/way-out")).expect("a link");
        let fault = Folder::Host(folder.path().join("in")).bring("files").expect_err("it has a way out");
        assert!(fault.message.contains("leaves its folder"), "{}", fault.message);
    }
}
