//! The arguments that every menu entry of the boot loader must give the kernel, by what all steps have asked for.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::action::Action;

/// What `kernel-args` of all steps come to. The step that ends the last of them makes the menu again where it differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arguments {
    /// Arguments that each entry has.
    pub present: Vec<String>,
    /// Arguments that no entry has: `quiet` exactly, `console=` with every value but those above.
    pub absent: Vec<String>,
    /// Directory of GRUB's menu.
    pub grub: String,
    /// Directory of entries by the Boot Loader Specification, where the distribution has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<String>,
}

impl Arguments {
    /// The sum of these actions in a distribution with these paths, if any of them is about the kernel command line.
    pub fn of<'a>(actions: impl Iterator<Item = &'a Action>, paths: &BTreeMap<String, String>) -> Option<Self> {
        let (mut present, mut absent) = (Vec::<String>::new(), Vec::<String>::new());
        for action in actions {
            let Action::KernelArgs(args) = action else { continue };
            present.retain(|arg| !args.remove.iter().any(|pattern| matches(pattern, arg)));
            absent.extend(args.remove.iter().cloned());
            present.extend(args.add.iter().cloned());
        }
        if present.is_empty() && absent.is_empty() {
            return None;
        }
        absent.sort();
        absent.dedup();
        Some(Self { present, absent, grub: paths.get("grub")?.clone(), entries: paths.get("bls_entries").cloned() })
    }

    /// What is wrong with the arguments of one menu entry.
    pub fn fault(&self, args: &[String]) -> Option<String> {
        let missing = self.present.iter().find(|arg| !args.contains(arg)).map(|arg| format!("lacks `{arg}`"));
        let left = || {
            let removed = |arg: &&String| self.absent.iter().any(|pattern| matches(pattern, arg));
            let left = args.iter().filter(|arg| !self.present.contains(arg)).find(removed)?;
            Some(format!("still has `{left}`"))
        };
        missing.or_else(left)
    }
}

/// Whether an argument is one that a pattern of `remove` names.
fn matches(pattern: &str, arg: &str) -> bool {
    if pattern.ends_with('=') { arg.starts_with(pattern) } else { arg == pattern }
}
