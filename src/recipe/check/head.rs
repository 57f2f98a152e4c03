//! Checks of the keys that describe a whole recipe or element, such as its name, disk, outputs and targets.

use std::sync::Arc;

use super::base;
use super::installer::answer_file;
use super::rule::apply;
use crate::address;
use crate::element::order::ALL;
use crate::element::schema::{Check, check_ids};
use crate::image::Output;
use crate::recipe::publish::Target;
use crate::recipe::terms::decode;
use crate::recipe::verify::{Fault, Known, Verify};
use crate::recipe::{Arch, Reference};
use crate::syntax::*;
use crate::units::ByteSize;
use crate::yaml::{Diagnostic, Node, Source, Span, Value, near};

/// Names that templates can use besides parameters.
pub(crate) const BUILT_INS: [&str; 8] = ["name", "arch", "distro", "release", "version", "family", "firmware", "os"];

/// Smallest and largest disk.
const DISK: (ByteSize, ByteSize) = (ByteSize::mebibytes(256), ByteSize::mebibytes(16 << 20));

const RECIPE_HEAD: &[(&str, Rule)] = &[
    ("name", image_name),
    ("base.bootstrap.mirror", url),
    ("base.bootstrap.security-mirror", url),
    ("base.bootstrap.components.*", component),
    ("base.bootstrap.keyring", key_file),
    ("base.bootstrap.certificate-authority", key_file),
    ("base.recipe.source", recipe_file),
    ("base.glance.image", one_line),
    ("base.glance.tag", one_line),
    ("base.image.source", image_source),
    ("base.image.sha256", image_digest),
    ("base.image.signed-by", key_file),
    ("base.image.fingerprints.*", fingerprint),
    ("base.container.source", container_source),
    ("base.installer.arguments.*", kernel_argument),
    ("base.installer.kernel.source", image_source),
    ("base.installer.kernel.sha256", image_digest),
    ("base.installer.kernel.signed-by", key_file),
    ("base.installer.initrd.source", image_source),
    ("base.installer.initrd.sha256", image_digest),
    ("base.installer.initrd.signed-by", key_file),
    ("base.installer.iso.source", image_source),
    ("base.installer.iso.sha256", image_digest),
    ("base.installer.iso.signed-by", key_file),
    ("base.installer.preseed", answer_file),
    ("base.installer.kickstart", answer_file),
    ("base.installer.autoinstall", answer_file),
    ("base.tree.source", image_source),
    ("base.tree.sha256", image_digest),
    ("base.tree.signed-by", key_file),
];

const ELEMENT_HEAD: &[(&str, Rule)] = &[
    ("description", one_line),
    ("requires.*", element_name),
    ("after.*", element_or_all),
    ("conflicts.*", element_name),
];

fn element_or_all(text: &str) -> Result<(), String> {
    if text == ALL { Ok(()) } else { element_name(text) }
}

fn container_source(text: &str) -> Result<(), String> {
    let wrong = |reason| {
        match address::has_login(text) {
        true => {
            "the name has a login, which would be kept where others read it: leave it out, and log in with `podman login` or `skopeo login`"
                .to_owned()
        }
        false => format!("`{text}` is no name of a container image: {reason}"),
    }
    };
    Reference::parse(text).map(drop).map_err(wrong)
}

/// Checks what a recipe says about its image, its secrets and its outputs.
pub(crate) fn recipe_head(root: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    apply(RECIPE_HEAD, root, source, found);
    base::checksum(root, "image", source, found);
    base::checksum(root, "tree", source, found);
    base::glance(root, source, found);
    if let Some(size) = root.get("disk").and_then(|disk| disk.get("size")) {
        let parsed = match &size.value {
            Value::Int(bytes) => u64::try_from(*bytes).ok().map(ByteSize::bytes),
            Value::Str(text) => ByteSize::parse(text).ok(),
            _ => None,
        };
        if let Some(bytes) = parsed.filter(|bytes| *bytes < DISK.0 || *bytes > DISK.1) {
            let message = format!("a disk has between {} and {}, not {bytes}", DISK.0, DISK.1);
            found.push(Diagnostic::new(source, size.span, message));
        }
    }
    let base = root.get("base");
    let of_image = base
        .and_then(|base| base.get("image"))
        .map(|_| ("an image has its partitions already", "; `size` grows the image's disk"));
    let of_installer = base
        .and_then(|base| base.get("installer"))
        .map(|_| ("an installer partitions the disk by its answer file", "; `size` is that of the disk"));
    if let Some((reason, rest)) = of_image.or(of_installer) {
        for name in ["layout", "table", "partitions"] {
            let Some(key) = root.get("disk").and_then(|disk| disk.key(name)) else { continue };
            let message = format!("{reason}: `{name}` is for bootstrapped disks");
            found.push(Diagnostic::new(source, key.span, message).help(format!("remove it{rest}")));
        }
    }
    let disk = root.get("disk");
    if let (Some(key), None) = (disk.and_then(|disk| disk.key("table")), disk.and_then(|disk| disk.key("partitions"))) {
        let message = "`table` is for a disk with `partitions`";
        found.push(Diagnostic::new(source, key.span, message).help("list the partitions, or remove it"));
    }
    for (key, _) in root.get("secrets").and_then(Node::map).map_or(&[][..], |map| &map.entries) {
        if let Err(message) = secret_name(&key.text) {
            found.push(Diagnostic::new(source, key.span, message));
        }
    }
    outputs(root, source, found);
}

/// Checks that machines of the architecture can have the firmware that the disk is laid out for.
pub(crate) fn layout(root: &Node, arch: Arch, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Some(node) = root.get("disk").and_then(|disk| disk.get("layout")) else { return };
    if matches!(node.text(), Some("bios" | "bios+uefi")) && !arch.has_bios() {
        let message = format!("machines of {} have no BIOS", arch.name());
        found.push(Diagnostic::new(source, node.span, message).help("write `layout: uefi`, or leave it out"));
    }
}

/// Checks what a recipe says about verifying its image.
pub(crate) fn verify(root: &Node, verify: &Verify, known: &Known, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Some(node) = root.get("verify") else { return };
    let whole = root.key("verify").map_or(node.span, |key| key.span);
    for Fault { key, index, message, help } in verify.faults(known) {
        let entry = index.and_then(|index| node.get(key)?.list().get(index));
        let span = entry.or_else(|| node.get(key)).map_or(whole, |node| node.span);
        found.push(Diagnostic::new(source, span, message).help(help));
    }
}

/// Checks that every check that `verify.accept` names exists.
pub(crate) fn accepted(
    root: &Node,
    verify: &Verify,
    rules: &[&str],
    checks: &[(String, Check)],
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) {
    let list = root.get("verify").and_then(|node| node.get("accept")).map(Node::list).unwrap_or_default();
    let known: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).chain(check_ids(checks)).collect();
    for (accept, node) in verify.accept.iter().zip(list) {
        if known.contains(&accept.check) {
            continue;
        }
        let span = node.get("check").map_or(node.span, |check| check.span);
        let diagnostic = Diagnostic::new(source, span, format!("there is no check `{}`", accept.check));
        found.push(diagnostic.help(match near(&accept.check, known.iter().map(String::as_str)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => {
                "`goldsmith verify --list` shows all of them; those of elements are named element/number".to_owned()
            }
        }));
    }
}

/// Checks what a recipe says about publishing its image.
pub(crate) fn publish(
    root: &Node,
    targets: &[Target],
    outputs: Option<&[Output]>,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) {
    let nodes = root.get("publish").map(Node::list).unwrap_or_default();
    for (index, (target, node)) in targets.iter().zip(nodes).enumerate() {
        for fault in target.faults(outputs) {
            // The innermost of the keys that are there.
            let mut place = node.get(target.kind()).unwrap_or(node);
            for key in &fault.path {
                place = place.get(key).unwrap_or(place);
            }
            found.push(Diagnostic::new(source, place.span, fault.message).help(fault.help));
        }
        if let Some(first) = targets[..index].iter().position(|known| known.same_place(target)) {
            let message = "two targets are the same place: each would take the other's images for its own";
            let diagnostic = Diagnostic::new(source, node.span, message).also(nodes[first].span, "here is the other");
            found
                .push(diagnostic.help("remove one of them, or give them places of their own: regions, formats, paths"));
        }
    }
}

/// Checks that `outputs` of a recipe is not empty, if the recipe has this key.
pub(crate) fn some_output(root: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let none = |node: &Node| match &node.value {
        Value::List(list) => list.is_empty(),
        value => *value == Value::Null,
    };
    if let (Some(key), true) = (root.key("outputs"), root.get("outputs").is_some_and(none)) {
        let diagnostic = Diagnostic::new(source, key.span, "there is no output: the build would have no result");
        found.push(diagnostic.help("leave `outputs` out for one qcow2 file"));
    }
}

/// Checks the outputs and their file names. Decoding the recipe has reported outputs that do not decode.
fn outputs(root: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let image = root.get("name").and_then(Node::text).unwrap_or("image");
    let mut files: Vec<(String, Span)> = Vec::new();
    for node in root.get("outputs").map(Node::list).unwrap_or_default() {
        let Some(output) = decode::<Output>(&mut node.clone(), source).0 else { continue };
        if let Err(error) = output.encoding() {
            let span = node.key(error.key).map_or(node.span, |key| key.span);
            let diagnostic = Diagnostic::new(source, span, &error.message);
            found.push(error.help.iter().fold(diagnostic, Diagnostic::help));
        }
        let file = output.file_name(image);
        let span = node.get("file").or(node.get("format")).map_or(node.span, |node| node.span);
        if output.file.is_some() && !is_file_name(&file) {
            let message =
                format!("`{file}` is no file name: letters, digits, `.`, `_` and `-` make one, and no dot begins it");
            found.push(Diagnostic::new(source, span, message));
        }
        if RESERVED.contains(&file.as_str()) {
            found.push(Diagnostic::new(
                source,
                span,
                format!("`{file}` is the name of a file that builds write beside the outputs"),
            ));
        }
        match files.iter().find(|(known, _)| *known == file) {
            Some((_, first)) => {
                let diagnostic = Diagnostic::new(source, span, format!("two outputs are the file `{file}`"));
                found.push(diagnostic.also(*first, "the first").help("give one of them another name with `file:`"));
            }
            None => files.push((file, span)),
        }
    }
}

/// Names of files that builds write beside the outputs.
const RESERVED: [&str; 8] =
    ["SHA256SUMS", "SHA512SUMS", "MD5SUMS", "manifest.json", "build.log", "report.html", "report.json", "junit.xml"];

fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(plain)
}

/// Checks what an element says about itself.
pub(crate) fn element_head(root: &Node, folder: &str, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    apply(ELEMENT_HEAD, root, source, found);
    if let Some(node) = root.get("name")
        && let Some(name) = node.text()
        && name != folder
    {
        let message = format!("the element is named `{name}`, and its folder `{folder}`");
        found.push(Diagnostic::new(source, node.span, message));
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::messages;
    use super::*;

    #[test]
    fn heads_are_sane() {
        let digest = "a".repeat(64);
        for (head, message) in [
            ("name: 'a/b'", "`a/b` cannot name an image"),
            ("disk: { size: 1MiB }", "a disk has between 256 MiB and 16 TiB, not 1 MiB"),
            ("disk: { size: 17TiB }", "a disk has between 256 MiB and 16 TiB, not 17 TiB"),
            ("base: { image: {} }\ndisk: { layout: uefi }", "an image has its partitions already"),
            ("base: { bootstrap: {} }\ndisk: { layout: uefi }", ""),
            ("outputs: []", "there is no output"),
            ("outputs:", "there is no output"),
            ("outputs: [{ format: raw }, { format: raw }]", "two outputs are the file `image.raw`"),
            ("outputs: [{ format: raw, compression: zlib }]", "a raw file is not compressed with zlib"),
            ("outputs: [{ format: vdi, compression: zstd }]", "an output of format `vdi` has no `compression`"),
            (
                "outputs: [{ format: raw, file: ../x }]",
                "`../x` is no file name: letters, digits, `.`, `_` and `-` make one, and no dot begins it",
            ),
            (
                "outputs: [{ format: raw, file: manifest.json }]",
                "`manifest.json` is the name of a file that builds write beside the outputs",
            ),
            (
                "outputs: [{ format: raw, file: junit.xml }]",
                "`junit.xml` is the name of a file that builds write beside the outputs",
            ),
            ("base: { image: { source: a, sha256: abc } }", "`abc` is not a SHA-256 digest"),
            (&format!("base: {{ image: {{ source: a, sha256: {digest} }} }}"), ""),
            ("base: { image: { source: a, sha256: 'https://h/SHA256SUMS' } }", ""),
            ("base: { image: { source: 'ftp://h/a', sha256: ./a.sha256 } }", "`ftp://h/a` is neither"),
            ("base: { bootstrap: { mirror: example.org } }", "`example.org` is not a URL"),
            ("secrets: { ../x: { env: X } }", "`../x` cannot name a secret"),
        ] {
            let found = messages(head, |node, source, found| {
                some_output(node, source, found);
                recipe_head(node, source, found);
            });
            let fits =
                if message.is_empty() { found.is_empty() } else { found.len() == 1 && found[0].starts_with(message) };
            assert!(fits, "{head}: {found:?}");
        }
    }
}
