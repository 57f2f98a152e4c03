//! Reads the answer file of an installer: a template that sees the parameters of the recipe, and marks in place of its secrets.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;

use super::check;
use super::composition::System;
use super::installer::{Answer, InstallerSource, MARKS};
use super::template::{Variables, render};
use crate::distro::Distros;
use crate::vocabulary::Arch;
use crate::yaml::{Diagnostic, Node, Source, Span, Style, Value, read};

/// Name under which an answer file sees the recipe's secrets.
const SECRETS: &str = "secrets";

/// Checks a base that an installer makes, and finds the system that it installs. Reads its answer file, which sees the names of the
/// recipe's secrets and its parameters: `None` if the file has errors.
pub(super) fn installer(
    wanted: &mut InstallerSource,
    (head, dir): (&Node, &Path),
    arch: Arch,
    distros: &Distros,
    (secrets, variables): (&[String], Variables),
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<(System, Option<Answer>)> {
    check::installer(head, wanted, arch, source, found);
    let distro = check::installed(head, wanted, distros, source, found);
    let node = head.get("base").and_then(|base| base.get("installer"));
    let answer = answer(wanted, (dir, node), secrets, variables, source, found);
    Some((System { distro: distro?, firmware: vec![wanted.firmware(arch)] }, answer))
}

/// Reads the answer file. `None` if it has errors, or if the recipe does not name one file: that was reported.
fn answer(
    installer: &InstallerSource,
    (dir, node): (&Path, Option<&Node>),
    secrets: &[String],
    mut variables: Variables,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<Answer> {
    let mut answers = installer.answers();
    let (Some((kind, path)), None) = (answers.next(), answers.next()) else { return None };
    if check::answer_file(path).is_err() {
        return None;
    }
    let span = node.and_then(|node| node.get(kind.name())).map_or(Span::default(), |node| node.span);
    let file = match read(&dir.join(path)) {
        Ok(file) => file,
        Err(error) => {
            let message = format!("`{path}`: {}", error.message());
            let help = "the path begins in the folder of the file that names it";
            found.push(Diagnostic::new(source, span, message).help(help));
            return None;
        }
    };
    let text = file.text().to_owned();
    if let Some(at) = text.find(MARKS.as_slice()) {
        let message = "the answer file has a control character, which no installer needs";
        found.push(Diagnostic::new(&file, Span { start: at, end: at + 1 }, message));
        return None;
    }
    let marks = secrets.iter().map(|name| (name.clone(), Json::String(Answer::mark(name))));
    variables.values.insert(SECRETS.to_owned(), Json::Object(marks.collect()));
    let before = found.len();
    let node = Node { span: Span { start: 0, end: text.len() }, value: Value::Str(text), style: Style::Quoted };
    let rendered = render(&node, &variables, &file, found).filter(|_| found.len() == before)?;
    let answer = Answer::new(kind, rendered.printed().unwrap_or_default());
    // A filter that changes a mark would put nothing in the place of the secret.
    let named = answer.secrets();
    let marks = answer.text.matches(MARKS.as_slice()).count();
    if marks != 2 * named.len() || named.iter().any(|name| !secrets.iter().any(|secret| secret == name)) {
        let message = "a filter changes a secret, whose value is not known before the installer starts";
        found.push(Diagnostic::of_file(&file, message).help("write `{{ secrets.NAME }}` without a filter"));
        return None;
    }
    Some(answer)
}
