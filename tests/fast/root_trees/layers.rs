//! Layers of container images, one above the other.

use goldsmith::interrupt::Interrupt;
use goldsmith::tree::Source;

use super::entries::{LIMIT, archive, directory, file, link, listed, symlink, system};

/// The layers above a system.
fn source(dir: &std::path::Path, layers: &[Vec<Vec<u8>>]) -> Source {
    let layers = std::iter::once(system()).chain(layers.iter().cloned()).enumerate();
    let files = layers.map(|(number, layer)| archive(&dir.join(number.to_string()), &layer)).collect();
    Source::Layers { origin: "oci:x".to_owned(), files }
}

#[test]
fn a_layer_hides_and_replaces_what_lies_below() {
    let dir = tempfile::tempdir().expect("a directory");
    let below = vec![
        file("gone", b"gone"),
        directory("gone-too"),
        file("gone-too/a/b", b"gone"),
        file("gone-not", b"stays"),
        file("opaque/low", b"gone"),
        file("opaque/sub/low", b"gone"),
        file("opaque/sub/kept", b"gone"),
        symlink("dir", "elsewhere"),
        file("elsewhere/low", b"stays"),
        file("first", b"same"),
        file("plain", b"below"),
        directory("tree"),
        file("tree/x", b"gone"),
    ];
    let above = vec![
        file(".wh.gone", b""),
        file(".wh.gone-too", b""),
        file(".wh.never-there", b""),
        // A whiteout is only for layers below, wherever it stands.
        file("opaque/high", b"high"),
        file("opaque/sub/kept", b"new"),
        file("opaque/.wh..wh..opq", b""),
        // A link becomes a directory of its own.
        directory("dir"),
        file("dir/new", b"new"),
        link("second", "first"),
        file(".wh.first", b""),
        file(".wh.plain", b""),
        file("plain", b"above"),
        // A file in place of a directory.
        file("tree", b"file"),
        // Only plain files hide something, and this name belongs to a union file system.
        directory(".wh.usr"),
        file(".wh..wh.plnk", b""),
    ];
    let lines = listed(&source(dir.path(), &[below, above]));
    for line in [
        "0 644 gone-not stays",
        "0 644 opaque/high high",
        "0 644 opaque/sub/kept new",
        "5 755 dir",
        "0 644 dir/new new",
        "0 644 elsewhere/low stays",
        "0 644 second same",
        "0 644 plain above",
        "0 644 tree file",
        "5 755 .wh.usr",
        "0 644 usr/lib/os-release",
    ] {
        assert!(lines.iter().any(|it| it.starts_with(line)), "{line}: {lines:#?}");
    }
    for gone in [" gone", " gone-too", "/low gone", " first", "tree/x", "plnk", "opq"] {
        assert!(!lines.iter().any(|line| line.contains(gone) && !line.contains("gone-not")), "{gone}: {lines:#?}");
    }
}

#[test]
fn a_layer_cannot_reach_out_of_the_tree() {
    for (layer, words) in [
        (vec![file(".wh...", b"")], "layer 2 of 2 of oci:x: `.wh...` hides no file"),
        (vec![file("usr/.wh..", b"")], "hides no file"),
        (vec![file(".wh.", b"")], "hides no file"),
        (vec![symlink("out", "../.."), file("out/.wh.etc", b"")], "leads out of the tree"),
        (vec![file("../.wh.etc", b"")], "has `..` in its path"),
        (vec![symlink("etc", "../../etc"), file("etc/passwd", b"x")], "leads out of the tree"),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let error = source(dir.path(), &[layer]).read(LIMIT, &Interrupt::new()).expect_err(words).to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}
