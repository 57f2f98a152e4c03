//! Kernel arguments: the sum of what all steps add to the boot loader's menu entries and remove from them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::action::Action;

/// The result of all `kernel-args` actions. One step generates the menu again if an entry differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arguments {
    /// Arguments that each entry must have.
    pub present: Vec<String>,
    /// Arguments that no entry may have. `quiet` means exactly this argument; `console=` means it with every value that is not in
    /// `present`.
    pub absent: Vec<String>,
    /// Directory of GRUB's menu.
    pub grub: String,
    /// Directory of entries by the Boot Loader Specification, if the distribution uses them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<String>,
}

impl Arguments {
    /// Returns the sum of these actions, with the paths of a distribution; `None` if no action changes the command line.
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

    /// Returns a description of the first fault in the arguments of one menu entry.
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

/// Returns whether a pattern of `remove` matches an argument.
fn matches(pattern: &str, arg: &str) -> bool {
    if pattern.ends_with('=') { arg.starts_with(pattern) } else { arg == pattern }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::KernelArgs;

    #[test]
    fn what_only_adds_or_only_removes_is_looked_at_too() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let change =
            |add: &[&str], remove: &[&str]| Action::KernelArgs(KernelArgs { add: words(add), remove: words(remove) });
        let paths = BTreeMap::from([("grub".to_owned(), "/boot/grub".to_owned())]);
        for (actions, sum) in [
            (vec![], None),
            (vec![change(&["a"], &[])], Some((&["a"][..], &[][..]))),
            (vec![change(&[], &["b"])], Some((&[], &["b"]))),
            (vec![change(&["a=1", "c"], &[]), change(&["a=2"], &["a=", "a="])], Some((&["c", "a=2"], &["a="]))),
        ] {
            let found = Arguments::of(actions.iter(), &paths);
            let found = found.map(|found| (found.present, found.absent));
            assert_eq!(found, sum.map(|(present, absent)| (words(present), words(absent))), "{actions:?}");
        }
        assert_eq!(Arguments::of([change(&["a"], &[])].iter(), &BTreeMap::new()), None, "no GRUB, no menu");
    }
}
