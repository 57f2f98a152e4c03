//! Reads configuration files of an image.

use crate::inspect::Tree;
use crate::text::shell;

/// Returns the file that a boot loader's configuration names. Its paths are those of the file system with /boot, which may be one
/// of its own, or a btrfs, where they begin with the subvolume: `/@/boot/vmlinuz`.
pub(super) fn boot_file(tree: &Tree, path: &str) -> Option<String> {
    let path = path.trim_start_matches("($root)").trim().trim_start_matches('/');
    let paths = ["", "/boot", "/boot/efi", "/efi"].into_iter().map(|base| format!("{base}/{path}"));
    let below_subvolume = path.find("/boot/").map(|at| path[at..].to_owned());
    paths.chain(below_subvolume).find(|path| tree.is_file(path))
}

/// Returns a value that an image states about itself: os-release(5).
pub(super) fn release(tree: &Tree, name: &str) -> Option<String> {
    shell::value(&tree.text("/etc/os-release"), name)
}

/// Returns the lines of configuration files without comments. The file's path precedes each line, as evidence shows it. An
/// iterator saves memory: all lines with their paths could exceed it.
pub(super) fn lines_of<'a>(tree: &'a Tree, patterns: &[&str]) -> impl Iterator<Item = (String, String)> + use<'a> {
    let paths: Vec<_> = patterns.iter().flat_map(|pattern| tree.glob(pattern)).collect();
    paths.into_iter().flat_map(move |path| {
        let (text, mut at) = (tree.text(&path), 0);
        std::iter::from_fn(move || {
            while at < text.len() {
                let rest = &text[at..];
                let end = rest.find('\n').unwrap_or(rest.len());
                at += end + 1;
                let line = rest[..end].trim();
                if !line.is_empty() && !line.starts_with(['#', ';']) {
                    return Some((path.clone(), line.to_owned()));
                }
            }
            None
        })
    })
}
