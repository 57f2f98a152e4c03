//! Finds the directories that take the most space.

use std::collections::BTreeMap;

use crate::guest::FileKind;
use crate::inspect::Tree;
use crate::verify::Usage;

/// Largest number of directories in the result.
const LIMIT: usize = 25;

/// Returns the directories that take the most space, largest first. Each counts without those of the others that are within it.
pub(super) fn usage(tree: &Tree) -> Vec<Usage> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let mut all = 0_u64;
    for entry in tree.entries() {
        all = all.saturating_add(entry.stored);
        if entry.kind == FileKind::Directory && entry.stored == 0 {
            continue;
        }
        for (at, _) in entry.path.match_indices('/').skip(1) {
            let sum = sums.entry(&entry.path[..at]).or_default();
            *sum = sum.saturating_add(entry.stored);
        }
    }
    // Of a directory and those in it, choose the most telling one: it has a good part of all, and no single one in it has nearly
    // as much.
    let floor = all / 200;
    let large: Vec<_> = sums.iter().filter(|(_, sum)| **sum > floor).map(|(path, sum)| (*path, *sum)).collect();
    let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    let mut told: Vec<_> = large
        .iter()
        .zip(1..)
        .filter(|((path, sum), next)| {
            // Sorted by path: directories within it follow it. Comparing all pairs takes minutes if paths are deep.
            let mut inner = large[*next..].iter().take_while(|(inner, _)| inner.starts_with(path));
            !inner.any(|(inner, part)| within(inner, path) && *part >= *sum - *sum / 10)
        })
        .map(|(directory, _)| *directory)
        .collect();
    told.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    told.truncate(LIMIT);
    let own = |path: &str, sum: u64| {
        let inner = told.iter().filter(|(other, _)| within(other, path));
        // Only the outermost directories within it: they include the others.
        let outermost =
            inner.filter(|(other, _)| !told.iter().any(|(between, _)| within(other, between) && within(between, path)));
        outermost.fold(sum, |left, (_, part)| left.saturating_sub(*part))
    };
    let mut usage: Vec<_> =
        told.iter().map(|(path, sum)| Usage { path: (*path).to_owned(), bytes: own(path, *sum) }).collect();
    usage.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    usage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::tree::tests::tree;

    /// All pairs of directories were compared.
    #[test]
    fn very_many_large_directories_take_no_time() {
        let content = "x".repeat(1000);
        let below = "/d".repeat(400);
        let paths: Vec<_> = (0..90).map(|n| format!("/{n:02}{below}/f")).collect();
        let tree = tree(&paths.iter().map(|path| (path.as_str(), content.as_str())).collect::<Vec<_>>());
        let begun = std::time::Instant::now();
        let found = usage(&tree);
        assert!(found.iter().all(|usage| usage.path.ends_with("/d") && usage.bytes == 1000), "{found:?}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn nested_directories_are_not_counted_twice() {
        let (large, small) = ("x".repeat(600), "x".repeat(200));
        let found = usage(&tree(&[
            ("/usr/lib/modules/a", &large),
            ("/usr/lib/b", &small),
            ("/usr/c", &small),
            ("/var/d", "x"),
        ]));
        let told: Vec<_> = found.iter().map(|it| (it.path.as_str(), it.bytes)).collect();
        assert_eq!(told, [("/usr/lib/modules", 600), ("/usr", 200), ("/usr/lib", 200)]);
        assert_eq!(usage(&Tree::default()), []);
    }
}
