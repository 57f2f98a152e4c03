//! What types cannot say: paths are absolute, patterns compile, names are sane, secrets exist.
//!
//! Most of it is a table of places in the tree and what the texts there must be like. The tree is the
//! one that was decoded, so that every error has its place.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::publish::Target;
use super::verify::{Fault, Known, Verify};
use super::words::*;
use crate::element::schema::{Check, ElementFile, check_ids};
use crate::image::Output;
use crate::recipe::terms::decode;
use crate::units::ByteSize;
use crate::yaml::{Diagnostic, Node, Source, Span, Value, near};

mod base;

/// Names that templates see beside parameters.
pub(crate) const BUILT_INS: [&str; 8] = ["name", "arch", "distro", "release", "version", "family", "firmware", "os"];

/// Smallest and largest disk.
const DISK: (ByteSize, ByteSize) = (ByteSize::mebibytes(256), ByteSize::mebibytes(16 << 20));

/// What a text must be like, as an error message if it is not.
pub(crate) type Rule = fn(&str) -> Result<(), String>;

/// Places in an action, `*` for every entry of a list, and the rule for what is there.
const ACTIONS: &[(&str, Rule)] = &[
    ("packages.install.*", package),
    ("packages.remove.*", package),
    ("write.path", file_path),
    ("write.owner", owner),
    ("copy.path", directory_path),
    ("copy.owner", owner),
    ("extract.path", directory_path),
    ("edit.path", file_path),
    ("edit.delete.*", pattern),
    ("edit.replace.*.pattern", pattern),
    ("edit.replace.*.with", one_line),
    ("edit.ensure-line", one_line),
    ("remove.*", file_path),
    ("empty.*", file_path),
    ("mkdir.path", file_path),
    ("mkdir.owner", owner),
    ("symlink.path", file_path),
    ("symlink.target", one_line),
    ("move.from", file_path),
    ("move.to", file_path),
    ("service.enable.*", unit),
    ("service.disable.*", unit),
    ("service.mask.*", unit),
    ("kernel-args.add.*", kernel_argument),
    ("kernel-args.remove.*", kernel_argument),
    ("user.name", user),
    ("user.groups.*", user),
    ("user.shell", file_path),
    ("user.ssh-keys.*", one_line),
    ("hostname", host_name),
    ("timezone", time_zone),
    ("locale", locale),
];

const CHECKS: &[(&str, Rule)] = &[
    ("kernel-arg", kernel_argument),
    ("path-exists", file_path),
    ("path-absent", file_path),
    ("file-empty", file_path),
    ("file-matches.path", file_path),
    ("file-matches.pattern", pattern),
    ("file-lacks.path", file_path),
    ("file-lacks.pattern", pattern),
    ("service-enabled", unit),
    ("service-off", unit),
    ("package-installed", package),
    ("booted.serial", pattern),
];

const RECIPE_HEAD: &[(&str, Rule)] = &[
    ("name", image_name),
    ("base.bootstrap.mirror", url),
    ("base.bootstrap.security-mirror", url),
    ("base.bootstrap.components.*", component),
    ("base.image.source", image_source),
    ("base.image.sha256", image_digest),
    ("base.image.signed-by", key_file),
];

const ELEMENT_HEAD: &[(&str, Rule)] = &[
    ("description", one_line),
    ("requires.*", element_name),
    ("after.*", element_name),
    ("conflicts.*", element_name),
];

/// Reports keys that a file must have. Their absence is no second error when the file is decoded.
pub(crate) fn require(root: &mut Node, keys: &[&str], source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Value::Map(map) = &mut root.value else { return };
    for key in keys {
        if !map.entries.iter().any(|(name, _)| name.text == *key) && !map.faulty.iter().any(|name| name == key) {
            // A key that is nearly the right one is reported as such.
            if !map.entries.iter().any(|(name, _)| near(&name.text, [key]).is_some()) {
                found.push(Diagnostic::of_file(source, format!("`{key}` is missing")));
            }
            map.faulty.push((*key).to_owned());
        }
    }
}

/// Checks what a recipe says about its image, its secrets and its outputs.
pub(crate) fn recipe_head(root: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    apply(RECIPE_HEAD, root, source, found);
    base::image(root, source, found);
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
    let image = root.get("base").and_then(|base| base.get("image"));
    if let (Some(_), Some(key)) = (image, root.get("disk").and_then(|disk| disk.key("layout"))) {
        let message = "an image has its partitions already: `layout` is for bootstrapped disks";
        found.push(Diagnostic::new(source, key.span, message).help("remove it; `size` grows the image's disk"));
    }
    for (key, _) in root.get("secrets").and_then(Node::map).map_or(&[][..], |map| &map.entries) {
        if let Err(message) = secret_name(&key.text) {
            found.push(Diagnostic::new(source, key.span, message));
        }
    }
    outputs(root, source, found);
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

/// Checks that whatever a recipe accepts the failure of is checked at all.
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
            let message = "two targets are the same place: each would take its images for the other's";
            let diagnostic = Diagnostic::new(source, node.span, message).also(nodes[first].span, "here is the other");
            found
                .push(diagnostic.help("remove one of them, or give them places of their own: regions, formats, paths"));
        }
    }
}

/// Checks that a recipe as written has an output, if it speaks of any.
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

/// What does not decode has been told before.
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

/// Files of an output directory that are no outputs.
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

/// Checks a list of package names.
pub(crate) fn packages(node: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    apply(&[("*", package)], node, source, found);
}

/// Checks the actions of every phase that a tree has.
pub(crate) fn actions(root: &Node, secrets: &BTreeSet<&str>, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for phase in ElementFile::PHASES {
        for action in root.get(phase).map_or(&[][..], Node::list) {
            apply(ACTIONS, action, source, found);
            if let Some(run) = action.get("run") {
                let key = action.key("run").map_or(action.span, |key| key.span);
                script(run, key, source, found);
                environment(run, source, found);
                for secret in run.get("secrets").map_or(&[][..], Node::list) {
                    if let Some(name) = secret.text().filter(|name| !secrets.contains(name)) {
                        let message = format!("the recipe has no secret `{name}`");
                        let help = format!("add `{name}: {{ env: VARIABLE }}` or `{{ file: PATH }}` to its `secrets`");
                        let diagnostic = Diagnostic::new(source, secret.span, message);
                        found.push(diagnostic.did_you_mean(near(name, secrets)).help(help));
                    }
                }
            }
        }
    }
}

/// Checks assertions.
pub(crate) fn checks(root: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for check in root.get("checks").map_or(&[][..], Node::list) {
        apply(CHECKS, check, source, found);
    }
}

fn script(run: &Node, key: Span, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Some(map) = run.map() else { return };
    match (run.key("script"), run.key("inline")) {
        (Some(script), Some(inline)) => {
            let message = "`run` has either `script` or `inline`, not both";
            found.push(Diagnostic::new(source, inline.span, message).also(script.span, "here is the other"));
        }
        (None, None) if map.faulty.is_empty() => {
            let diagnostic = Diagnostic::new(source, key, "`run` needs a script");
            found.push(diagnostic.help("give `script: FILE` or `inline: TEXT`"));
        }
        _ => {}
    }
}

fn environment(run: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for (key, value) in run.get("env").and_then(Node::map).map_or(&[][..], |map| &map.entries) {
        if let Err(message) = variable(&key.text) {
            found.push(Diagnostic::new(source, key.span, message));
        }
        if value.text().is_some_and(|text| text.contains('\0')) {
            found.push(Diagnostic::new(source, value.span, "a variable cannot have a NUL character"));
        }
    }
}

/// Reports texts at places of a tree that are not as a rule says.
pub(crate) fn apply(rules: &[(&str, Rule)], root: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for (place, rule) in rules {
        let mut nodes = vec![root];
        for step in place.split('.') {
            nodes = nodes
                .into_iter()
                .flat_map(|node| match step {
                    "*" => node.list().iter().collect::<Vec<_>>(),
                    key => node.get(key).into_iter().collect(),
                })
                .collect();
        }
        for node in nodes {
            if let Some(text) = node.printed()
                && let Err(message) = rule(&text)
            {
                found.push(Diagnostic::new(source, node.span, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    fn messages(text: &str, check: impl Fn(&Node, &Arc<Source>, &mut Vec<Diagnostic>)) -> Vec<String> {
        let source = Source::new("x.yaml", text);
        let mut found = Vec::new();
        check(&parse(&source).0.expect("it is YAML"), &source, &mut found);
        found.iter().map(|found| found.message().to_owned()).collect()
    }

    #[test]
    fn actions_are_sane() {
        for (action, message) in [
            ("write: { path: etc/x }", "`etc/x` is not an absolute path in the image"),
            ("write: { path: /etc/../x }", "`/etc/../x` has a `..`"),
            ("remove: [/a, /]", "`/` is the whole image"),
            ("copy: { path: / }", ""),
            ("edit: { path: /a, delete: ['(', 'a'] }", "`(` is not a regular expression"),
            ("edit: { path: /a, replace: [{ pattern: '[' }] }", "`[` is not a regular expression"),
            ("edit: { path: /a, ensure-line: \"a\\nb\" }", "this must be one line"),
            ("packages: { install: [-y] }", "`-y` is not the name of a package"),
            ("packages: { install: [a b] }", "`a b` is not the name of a package"),
            ("packages: { install: [g++, 'libc6:i386', nginx=1.2~3] }", ""),
            ("run: { inline: x, script: y }", "`run` has either `script` or `inline`, not both"),
            ("run: {}", "`run` needs a script"),
            ("run: { inline: x, env: { A-B: c } }", "`A-B` cannot name an environment variable"),
            ("run: { inline: x, secrets: [tokn] }", "the recipe has no secret `tokn`"),
            ("run: { inline: x, secrets: [token] }", ""),
            ("user: { name: 'root:0' }", "`root:0` is not a user or group name"),
            ("hostname: a_b", "`a_b` is not a host name"),
            ("timezone: ../../etc/passwd", "`../../etc/passwd` is not a time zone"),
            ("locale: 'a b'", "`a b` is not a locale"),
            ("service: { enable: ['a b'] }", "`a b` is not the name of a unit"),
            ("kernel-args: { add: ['a b'] }", "`a b` is not one kernel argument"),
            ("write: { path: /a, owner: 'a:b:c' }", "`a:b:c` is not `user` or `user:group`"),
        ] {
            let found = messages(&format!("boot:\n  - {action}\n"), |node, source, found| {
                actions(node, &BTreeSet::from(["token"]), source, found);
            });
            let fits =
                if message.is_empty() { found.is_empty() } else { found.len() == 1 && found[0].starts_with(message) };
            assert!(fits, "{action}: {found:?}");
        }
    }

    #[test]
    fn checks_are_sane() {
        for (check, message) in [
            ("path-exists: x", "`x` is not an absolute path"),
            ("file-lacks: { path: /a, pattern: ')' }", "`)` is not a regular expression"),
            ("booted: { serial: '*' }", "`*` is not a regular expression"),
        ] {
            let found = messages(&format!("checks: [{{ {check} }}]\n"), checks);
            assert!(found.len() == 1 && found[0].starts_with(message), "{check}: {found:?}");
        }
    }

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
