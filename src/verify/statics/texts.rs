//! Reads configuration files of an image.

use std::sync::Arc;

use crate::inspect::Tree;
use crate::text::shell;
use crate::yaml::{Key, Node, Source, Value, parse};

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

/// Files of cloud-init's configuration, in the order in which later ones replace values of earlier ones.
pub(super) const CLOUD: &[&str] = &["/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/*.cfg"];

/// Returns the value of a key that cloud-init uses, with the file and line that set it. The last file wins. With a section, the
/// key is in this mapping of the top level. A file that is no YAML has no values: cloud-init warns and goes on without it.
pub(super) fn cloud_setting(tree: &Tree, section: Option<&str>, key: &str) -> Option<(String, String, String)> {
    let mut found = None;
    for path in CLOUD.iter().flat_map(|pattern| tree.glob(pattern)) {
        let Some((source, root)) = yaml(tree, &path) else { continue };
        let within = section.map_or(Some(&root), |section| root.get(section));
        if let Some((key, value)) = within.and_then(|map| Some((map.key(key)?, map.get(key)?))) {
            found = Some((path, line_of(&source, key), scalar(value)));
        }
    }
    found
}

/// Reads a YAML file of an image; `None` if it cannot be read.
pub(super) fn yaml(tree: &Tree, path: &str) -> Option<(Arc<Source>, Node)> {
    let source = Source::new(path, tree.text(path));
    let (root, _) = parse(&source);
    Some((source, root?))
}

/// Returns the line of a key, as evidence shows it.
pub(super) fn line_of(source: &Source, key: &Key) -> String {
    let line = source.position(key.span.start).line;
    source.text().lines().nth(line.saturating_sub(1)).unwrap_or_default().trim().to_owned()
}

/// Returns a single value in lower case, as [`is_no`] expects it; empty for a list or a map.
pub(super) fn scalar(value: &Node) -> String {
    match &value.value {
        Value::Str(text) => text.to_ascii_lowercase(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        _ => String::new(),
    }
}

/// Returns whether a program that reads YAML 1.1 takes a value as false.
pub(super) fn is_no(value: &str) -> bool {
    ["off", "false", "no", "n", "0"].contains(&value)
}

/// Returns whether a program that reads YAML 1.1 takes a value as true.
pub(super) fn is_yes(value: &str) -> bool {
    ["on", "true", "yes", "y", "1"].contains(&value)
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

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::inspect::tree::tests::tree;

    #[test]
    fn the_last_file_of_cloud_init_wins() {
        let (main, a, b) =
            ("/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/10-a.cfg", "/etc/cloud/cloud.cfg.d/90-b.cfg");
        for (files, mode) in [
            (&[(main, "growpart:\n  mode: auto\n  devices: [/]\n")][..], Some("auto")),
            (&[(main, "growpart: {devices: [/], mode: \"off\"}\n")], Some("off")),
            (&[(main, "growpart:\n  mode: auto\n"), (a, "growpart: {mode: Off} # no\n")], Some("off")),
            (&[(a, "growpart: {mode: off}\n"), (b, "growpart:\n # old\n  mode: growpart\n")], Some("growpart")),
            (&[(main, "other:\n  mode: off\n"), (a, "# growpart: {mode: off}\n")], None),
            (&[(main, "growpart:\n  devices: ['/,mode: off']\n  mode:\n    auto\n")], Some("auto")),
            (&[(main, "\"growpart\": {devices: [/], # mode: off\n  mode: auto}\n")], Some("auto")),
            (&[(main, "growpart: &g {mode: auto}\n"), (a, "x: {growpart: {mode: off}}\n")], Some("auto")),
            (&[(main, "growpart: {mode: off}\n"), (a, "growpart: {mode: [\n")], Some("off")),
            (&[(main, "growpart:\n  x: 1\nother:\n  mode: off\n")], None),
        ] {
            let found = cloud_setting(&tree(files), Some("growpart"), "mode");
            assert_eq!(found.map(|(.., value)| value).as_deref(), mode, "{files:?}");
        }
        let files = tree(&[(main, "resize_rootfs: false\n"), (b, "x:\n  resize_rootfs: true\n")]);
        let found = cloud_setting(&files, None, "resize_rootfs");
        assert_eq!(found, Some((main.to_owned(), "resize_rootfs: false".to_owned(), "false".to_owned())));
    }
}
