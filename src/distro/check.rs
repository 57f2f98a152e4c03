//! Checks of `distro.yaml`, the file that describes a distribution, beyond those of its types.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::schema::Tool;
use crate::recipe::check::apply;
use crate::syntax::{self, Rule};
use crate::yaml::{Diagnostic, Key, Node, Source, Span, Value, list, near};

/// Places in a file, and the rule for the text there.
const RULES: &[(&str, Rule)] = &[
    ("name", name),
    ("title", syntax::one_line),
    ("aliases.*", alias),
    ("family", name),
    ("notes.*", syntax::one_line),
    ("user", syntax::user),
    ("releases.*.name", word),
    ("releases.*.version", word),
    ("releases.*.end", date),
    ("bootstrap.origin", syntax::one_line),
    ("bootstrap.directories.*", word),
    ("bootstrap.keyring.file", syntax::file_path),
    ("bootstrap.keyring.package", syntax::package),
    ("bootstrap.keyring.fingerprints.*", syntax::fingerprint),
    ("bootstrap.keyring.download", syntax::url),
    ("images.*.source", syntax::url),
    ("images.*.checksums", list_name),
    ("images.*.architectures.*", word),
    ("images.*.keyring.file", syntax::file_path),
    ("images.*.keyring.package", syntax::package),
    ("images.*.keyring.fingerprints.*", syntax::fingerprint),
    ("bootstrap.suites.*", suite),
    ("bootstrap.security-suites.*", suite),
    ("bootstrap.components.*", syntax::component),
    ("bootstrap.packages.*", syntax::package),
    ("bootstrap.database", syntax::file_path),
];

/// Checks a file. `known` are the names of all distributions.
pub(super) fn file(
    root: &Node,
    folder: &str,
    known: &BTreeSet<String>,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) {
    apply(RULES, root, source, found);
    if let Some(node) = root.get("name")
        && let Some(name) = node.text()
        && name != folder
    {
        let message = format!("the distribution is named `{name}`, and its folder `{folder}`");
        found.push(Diagnostic::new(source, node.span, message));
    }
    if let Some(node) = root.get("extends")
        && let Some(other) = node.text().filter(|other| !known.contains(*other))
    {
        let diagnostic = Diagnostic::new(source, node.span, format!("unknown distribution `{other}`"));
        found.push(diagnostic.did_you_mean(near(other, known)).help(format!("known here: {}", list(known))));
    }
    names(root, source, found);
    let mut releases: Vec<(&str, Span)> = Vec::new();
    for release in root.get("releases").map_or(&[][..], Node::list) {
        names(release, source, found);
        let Some(node) = release.get("name") else { continue };
        let Some(name) = node.text() else { continue };
        match releases.iter().find(|(known, _)| *known == name) {
            Some((_, first)) => {
                let message = format!("release `{name}` is there twice");
                found.push(Diagnostic::new(source, node.span, message).also(*first, "first here"));
            }
            None => releases.push((name, node.span)),
        }
    }
    for node in root.get("images").map_or(&[][..], Node::list) {
        if let Some(place) = node.get("source")
            && node.get("keyring").is_none()
            && place.text().is_some_and(|url| url.starts_with("http://"))
        {
            let message = "a list of checksums without a signature comes over https only";
            found.push(Diagnostic::new(source, place.span, message).help("take https, or name the `keyring`"));
        }
        for node in node.get("releases").map_or(&[][..], Node::list) {
            let names = || releases.iter().map(|(name, _)| *name);
            if let Some(name) = node.printed().filter(|name| !names().any(|known| known == name)) {
                let message = format!("unknown release `{name}`");
                found.push(Diagnostic::new(source, node.span, message).did_you_mean(near(&name, names())));
            }
        }
    }
    for (_, mirrors) in map(root.get("bootstrap").and_then(|bootstrap| bootstrap.get("mirrors"))) {
        apply(&[("main", syntax::url), ("security", syntax::url)], mirrors, source, found);
    }
    if let Some(bootstrap) = root.get("bootstrap")
        && let Some(tool) = bootstrap.get("tool").and_then(Node::text)
    {
        let needed = match tool {
            _ if tool == Tool::Mmdebstrap.name() => Some("components"),
            _ if [Tool::Dnf, Tool::Zypper].iter().any(|rpm| tool == rpm.name()) => Some("database"),
            _ => None,
        };
        if let Some(needed) = needed.filter(|needed| bootstrap.get(needed).is_none()) {
            found.push(Diagnostic::new(source, bootstrap.span, format!("`tool: {tool}` needs `{needed}`")));
        }
        let keys = bootstrap.get("keyring").and_then(|keyring| keyring.get("fingerprints"));
        if let (Some(keys), true) = (keys, tool != Tool::Mmdebstrap.name()) {
            let message = format!("{tool} cannot choose keys of a file: it trusts all of them");
            found.push(Diagnostic::new(source, keys.span, message).help("remove `fingerprints`"));
        }
    }
    if let (Some(key), true) = (root.key("bootstrap"), releases.is_empty()) {
        let message = "`bootstrap` needs releases, and this file has none";
        found.push(Diagnostic::new(source, key.span, message).help("add `releases`"));
    }
}

/// Checks the packages, paths and units that templates can ask for.
fn names(root: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for (group, rule) in [("packages", syntax::package as Rule), ("paths", syntax::file_path), ("units", syntax::unit)]
    {
        for (key, value) in map(root.get(group)) {
            if let Err(message) = identifier(&key.text) {
                found.push(Diagnostic::new(source, key.span, message));
            }
            let texts = |node: &Node| match node.list() {
                [] => vec![node.clone()],
                list => list.to_vec(),
            };
            let values = match &value.value {
                Value::Map(map) => map.entries.iter().flat_map(|(_, value)| texts(value)).collect(),
                _ => texts(value),
            };
            for value in values {
                if let Some(Err(message)) = value.printed().map(|text| rule(&text)) {
                    found.push(Diagnostic::new(source, value.span, message));
                }
            }
        }
    }
}

fn map(node: Option<&Node>) -> &[(Key, Node)] {
    node.and_then(Node::map).map_or(&[][..], |map| &map.entries)
}

fn lower(text: &str, beside: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || beside.contains(c))
}

/// Checks a name that stands before the `-` of `<distribution>-<release>`, and so has none.
pub(super) fn name(text: &str) -> Result<(), String> {
    let message = || format!("`{text}` cannot name a distribution or family: use lowercase letters and digits");
    if lower(text, "") { Ok(()) } else { Err(message()) }
}

/// Checks a name as `ID` has it in os-release(5).
fn alias(text: &str) -> Result<(), String> {
    let message =
        || format!("`{text}` is no name as os-release has it: use lowercase letters, digits, `.`, `_` and `-`");
    if lower(text, "._-") { Ok(()) } else { Err(message()) }
}

/// Checks a word that can be part of a path, a URL and a line of a list of sources.
fn word(text: &str) -> Result<(), String> {
    let good = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if good { Ok(()) } else { Err(format!("`{text}` is not one word of letters, digits, `.`, `_` and `-`")) }
}

/// Checks the name of a suite, in which `RELEASE` stands for the release.
fn suite(text: &str) -> Result<(), String> {
    text.split('/').try_for_each(word)?;
    if text.contains("RELEASE") { Ok(()) } else { Err(format!("`{text}` is the same for all releases: say `RELEASE`")) }
}

/// Checks the name of a list of checksums.
fn list_name(text: &str) -> Result<(), String> {
    let good = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if good { Ok(()) } else { Err(format!("`{text}` is not the name of a file in the directory of the image")) }
}

fn date(text: &str) -> Result<(), String> {
    let parsed: Result<jiff::civil::Date, _> = text.parse();
    parsed.map(|_| ()).map_err(|_| format!("`{text}` is not a day: write it like 2028-08-09"))
}

/// Checks a name that templates can use.
fn identifier(text: &str) -> Result<(), String> {
    let message = || format!("`{text}` cannot name anything in a template: use lowercase letters, digits and `_`");
    if lower(text, "_") { Ok(()) } else { Err(message()) }
}
