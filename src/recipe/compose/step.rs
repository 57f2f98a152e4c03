//! One step: what an element, or the recipe itself, does in a phase.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::action::Action;
use crate::element::asset::Folder;
use crate::recipe::composition::ComposedStep;
use crate::vocabulary::{Asset, Phase, StepId};
use crate::yaml::{Diagnostic, Node, Source};

/// What a step's actions without a timeout of their own may take, if others have one: the usual deadline
/// of a step.
const REST: Duration = Duration::from_secs(30 * 60);

/// A step with the files its actions bring. `root` is the tree that has the phase.
pub(super) fn step(
    phase: Phase,
    owner: &str,
    mut actions: Vec<Action>,
    root: &Node,
    folder: &Folder,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> ComposedStep {
    let mut files: BTreeMap<String, Asset> = BTreeMap::new();
    let nodes = root.get(phase.name()).map_or(&[][..], Node::list);
    for (action, node) in actions.iter_mut().zip(nodes) {
        let kind = action.name();
        let (path, key, single) = match action {
            Action::Run(run) => match &mut run.script {
                Some(script) => (script, "script", true),
                None => continue,
            },
            Action::Copy(copy) => (&mut copy.source, "source", false),
            Action::Extract(extract) => (&mut extract.source, "source", true),
            _ => continue,
        };
        let span = node.get(kind).and_then(|content| content.get(key)).map_or(node.span, |node| node.span);
        match folder.bring(path) {
            Ok(brought) if brought.directory && single => {
                found.push(Diagnostic::new(source, span, format!("`{path}` is a directory; a file is needed")));
            }
            Ok(brought) => {
                *path = brought.path;
                files.extend(brought.files);
            }
            Err(fault) => {
                let diagnostic = Diagnostic::new(source, span, fault.message);
                found.push(match fault.help {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                });
            }
        }
    }
    let timeout = timeout(&actions);
    ComposedStep { id: StepId { phase, element: owner.to_owned() }, actions, files, timeout }
}

/// What the actions that say how long they may take add up to, and the usual time for the rest.
fn timeout(actions: &[Action]) -> Option<Duration> {
    let named: Vec<Duration> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Run(run) => run.timeout,
            _ => None,
        })
        .collect();
    (!named.is_empty()).then(|| named.iter().fold(REST, |sum, timeout| sum.saturating_add(*timeout)))
}
