//! Checks of the image or tree that a recipe starts from: whether its checksum can be trusted.

use std::path::Path;
use std::sync::Arc;

use crate::digest::Sha256;
use crate::recipe::schema::TreeSource;
use crate::yaml::{Diagnostic, Node, Source, Value};

/// Checks that nobody on the way can change a list of checksums, and that `signed-by` has a list to verify. `kind` is the key of the
/// base.
pub(super) fn checksum(root: &Node, kind: &str, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    unguarded(root.get("base").and_then(|base| base.get(kind)), kind, source, found);
}

/// Checks the same of a file that a recipe describes. `kind` says what it is.
pub(super) fn unguarded(file: Option<&Node>, kind: &str, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Some(image) = file else { return };
    let Some((node, sums)) = image.get("sha256").and_then(|node| Some((node, node.printed()?))) else { return };
    let key = image.key("signed-by");
    let insecure = image.get("insecure").is_some_and(|node| node.value == Value::Bool(true));
    if let Some(key) = key.filter(|_| Sha256::parse(&sums).is_some()) {
        let message = "there is nothing that a key could have signed: `sha256` is the digest itself";
        found.push(Diagnostic::new(source, key.span, message).help("remove `signed-by`, or name a list of checksums"));
    }
    if sums.starts_with("http://") && key.is_none() && !insecure {
        let message = format!("this list of checksums comes over http: anybody on the way could name another {kind}");
        found.push(
            Diagnostic::new(source, node.span, message)
                .help("take https, the digest itself, or `signed-by: KEY` if the list is signed")
                .help("`insecure: true` beside it trusts the list all the same"),
        );
    }
}

/// Checks that an archive has a checksum, and that a directory has none. `dir` is the folder where relative paths begin.
pub(crate) fn tree(root: &Node, tree: &TreeSource, dir: &Path, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Some(node) = root.get("base").and_then(|base| base.get("tree")) else { return };
    let is_directory = !tree.source.contains("://") && dir.join(&tree.source).is_dir();
    let keys = ["sha256", "signed-by", "insecure"].into_iter().filter_map(|key| node.key(key));
    if is_directory {
        for key in keys {
            let message = format!("a directory has no `{}`: Goldsmith computes the digest of its content", key.text);
            found.push(Diagnostic::new(source, key.span, message).help("remove it"));
        }
    } else if node.get("sha256").is_none() {
        let span = node.get("source").map_or(node.span, |node| node.span);
        let message = "`sha256` is missing: an archive is known by its digest";
        found.push(
            Diagnostic::new(source, span, message)
                .help("write `sha256: DIGEST` beside it, as `sha256sum` prints it, or name a list of checksums")
                .help("a directory needs none, and there is no directory with this path"),
        );
    }
}

/// Checks that an image of a cloud has an id, a name or a tag.
pub(super) fn glance(root: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Some(node) = root.get("base").and_then(|base| base.get("glance")) else { return };
    if node.get("image").is_none() && node.get("tag").is_none() {
        let message = "this names no image";
        let help = "write `image: ID` or `image: NAME`, or `tag: TAG` for the newest image with a tag";
        found.push(Diagnostic::new(source, node.span, message).help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    #[test]
    fn a_list_over_http_needs_a_reason() {
        let digest = Sha256::of(b"x");
        for (image, words) in [
            ("sha256: 'http://h/SHA256SUMS'".to_owned(), "comes over http"),
            ("sha256: 'http://h/SHA256SUMS', insecure: false".to_owned(), "comes over http"),
            ("sha256: 'http://h/SHA256SUMS', insecure: true".to_owned(), ""),
            ("sha256: 'http://h/SHA256SUMS', signed-by: key.asc".to_owned(), ""),
            ("sha256: 'https://h/SHA256SUMS'".to_owned(), ""),
            ("sha256: SHA256SUMS, signed-by: key.asc".to_owned(), ""),
            (format!("sha256: {digest}"), ""),
            (format!("sha256: {digest}, signed-by: key.asc"), "nothing that a key could have signed"),
        ] {
            let text = format!("base: {{ image: {{ source: 'http://h/a', {image} }} }}");
            let file = Source::new("x.yaml", text);
            let mut found = Vec::new();
            super::checksum(&parse(&file).0.expect("it is YAML"), "image", &file, &mut found);
            let messages: Vec<_> = found.iter().map(Diagnostic::message).collect();
            assert!(messages.len() == usize::from(!words.is_empty()), "{image}: {messages:?}");
            assert!(messages.iter().all(|message| message.contains(words)), "{image}: {messages:?}");
        }
    }

    #[test]
    fn a_login_in_an_address_is_refused_and_not_shown() {
        let text = "base: { image: { source: 'https://me:s3cret@h/a', sha256: 'https://me:s3cret@h/SHA256SUMS' } }\n";
        let file = Source::new("x.yaml", text);
        let mut found = Vec::new();
        super::super::recipe_head(&parse(&file).0.expect("it is YAML"), &file, &mut found);
        assert_eq!(found.len(), 2);
        for diagnostic in found {
            let shown = diagnostic.render(false);
            assert!(
                shown.contains("~/.netrc") && shown.contains("*********@h") && !shown.contains("s3cret"),
                "{shown}"
            );
        }
    }
}
