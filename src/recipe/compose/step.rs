//! Makes one step from the actions of an element, or of the recipe itself, in a phase.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::action::{Action, Copy};
use crate::element::asset::Folder;
use crate::recipe::composition::ComposedStep;
use crate::vocabulary::{Asset, AssetKind, Phase, StepId};
use crate::yaml::{Diagnostic, Node, Source};

/// Time for those actions of a step that have no timeout, if others have one: the usual deadline of a step.
const REST: Duration = Duration::from_secs(30 * 60);

/// Mode that a key has for a file whose own mode makes no difference.
const CONTENT: u32 = 0o644;

/// Makes a step with the files that its actions bring. `root` is the tree that has the phase.
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
    // Files of which only the content counts. An entry in `files`, with its mode or link, takes precedence.
    let mut contents: BTreeMap<String, Asset> = BTreeMap::new();
    let nodes = root.get(phase.name()).map_or(&[][..], Node::list);
    for (action, node) in actions.iter_mut().zip(nodes) {
        let kind = action.name();
        let Some((path, key, single)) = action.source_mut() else { continue };
        let span = node.get(kind).and_then(|content| content.get(key)).map_or(node.span, |node| node.span);
        match folder.load(path) {
            Ok(brought) if brought.directory && single => {
                found.push(Diagnostic::new(source, span, format!("`{path}` is a directory; a file is needed")));
            }
            Ok(brought) => {
                *path = brought.path;
                match action {
                    Action::Copy(Copy { mode, .. }) => {
                        copied(brought.files, mode.is_some() && !brought.directory, &mut files, &mut contents)
                    }
                    _ => contents.extend(brought.files.into_iter().map(|(path, asset)| (path, content_of(asset)))),
                }
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
    for (path, asset) in contents {
        files.entry(path).or_insert(asset);
    }
    let timeout = timeout(&actions);
    ComposedStep { id: StepId { phase, element: owner.to_owned() }, actions, files, timeout }
}

/// Adds what an action copies. The mode of a single file does not count if the action gives one.
fn copied(
    brought: BTreeMap<String, Asset>,
    with_mode: bool,
    files: &mut BTreeMap<String, Asset>,
    contents: &mut BTreeMap<String, Asset>,
) {
    for (path, mut asset) in brought {
        let is_file = matches!(asset.kind, AssetKind::File { .. });
        if is_file && with_mode {
            asset.mode = CONTENT;
            contents.insert(path, asset);
        } else if !is_file || !matches!(files.get(&path), Some(Asset { kind: AssetKind::Hardlink { .. }, .. })) {
            // A file with several names is a hard link in a copied directory, and a file if copied alone. The hard link stays.
            files.insert(path, asset);
        }
    }
}

/// A file without its mode and extended attributes, which a script or an archive does not keep.
fn content_of(asset: Asset) -> Asset {
    Asset { kind: asset.kind, mode: CONTENT, xattrs: BTreeMap::new() }
}

/// Adds up the timeouts of actions that have one, and the usual time for the rest; `None` if no action has one.
fn timeout(actions: &[Action]) -> Option<Duration> {
    let named: Vec<Duration> = actions.iter().filter_map(Action::timeout).collect();
    (!named.is_empty()).then(|| named.iter().fold(REST, |sum, timeout| sum.saturating_add(*timeout)))
}
