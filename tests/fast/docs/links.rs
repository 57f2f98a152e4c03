//! Links and anchors lead somewhere, and the table of contents has every page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::pages::{self, Page};

/// The table of contents of the book.
const SUMMARY: &str = "docs/src/SUMMARY.md";

/// The pages of the book.
const BOOK: &str = "docs/src";

/// What is wrong with the links of these pages. `exists` tells whether the repository has a file that is no page.
pub(crate) fn faults(pages: &[Page], exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let known: BTreeMap<&Path, &Page> = pages.iter().map(|page| (page.path.as_path(), page)).collect();
    let mut faults = Vec::new();
    for page in pages {
        for link in &page.links {
            let mut fault =
                |what: &str| faults.push(format!("{}:{}: {what}: {}", page.path.display(), link.line, link.target));
            if link.target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
            let target = if file.is_empty() {
                page.path.clone()
            } else if let Some(path) = pages::normal(&page.path.parent().unwrap_or(Path::new("")).join(file)) {
                path
            } else {
                fault("leaves the repository");
                continue;
            };
            if page.path.starts_with(BOOK) && !target.starts_with(BOOK) {
                fault("leaves the book, which is read without the repository too");
            } else if let Some(page) = known.get(target.as_path()) {
                if !anchor.is_empty() && !page.anchors.contains(anchor) {
                    fault("no heading has this anchor");
                }
            } else if !exists(&target) {
                fault("leads nowhere");
            }
        }
    }
    faults
}

#[test]
fn every_link_leads_somewhere() {
    let found = faults(&pages::all(), |path| pages::root().join(path).exists());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_summary_lists_every_page() {
    let pages = pages::all();
    let summary = pages.iter().find(|page| page.path == Path::new(SUMMARY)).expect("there is a summary");
    let listed: Vec<PathBuf> = summary.links.iter().map(|link| Path::new(BOOK).join(&link.target)).collect();
    let once: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), once.len(), "the summary lists a page twice");
    let written = pages.iter().map(|page| page.path.clone());
    let written = written.filter(|path| path.starts_with(BOOK) && path != Path::new(SUMMARY));
    let there: BTreeSet<_> = written.collect();
    assert_eq!(once, there);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = |path: &str, text: &str| pages::parse(path.into(), text.to_owned());
    let pages = [
        page("docs/src/a.md", "# A `b`\n[1](b.md) [2](#a-b) [3](#c) [4](d.md) [5](../../README.md) [6](b.md#b)"),
        page("docs/src/b.md", "# B\n[7](../../../x.md)"),
    ];
    let found = faults(&pages, |_| false);
    let ends: Vec<_> = found.iter().map(|fault| fault.rsplit(": ").next().unwrap_or_default()).collect();
    assert_eq!(ends, ["#c", "d.md", "../../README.md", "../../../x.md"]);
}

/// Beginnings of what is a path of this repository.
const FOLDERS: [&str; 10] =
    ["src/", "tests/", "elements/", "recipes/", "examples/", "docs/", ".ci/", "fuzz/", "benches/", ".config/"];

#[test]
fn every_path_of_the_repository_that_contributors_are_told_is_there() {
    let pages = pages::all();
    let page = pages.iter().find(|page| page.path == Path::new("CONTRIBUTING.md")).expect("the page is there");
    let told = page.inline.iter().filter(|(_, code)| FOLDERS.iter().any(|folder| code.starts_with(folder)));
    let wrong: Vec<_> = told.filter(|(_, code)| !code.contains("NAME") && !pages::root().join(code).exists()).collect();
    assert_eq!(wrong, Vec::<&(usize, String)>::new());
}

#[test]
fn what_contributors_must_touch_is_counted() {
    let text = std::fs::read_to_string(pages::root().join("CONTRIBUTING.md")).expect("the page is there");
    let rows = text.lines().skip_while(|line| !line.starts_with("| to add |")).skip(2);
    let mut seen = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let code = cells[3].split('`').skip(1).step_by(2);
        let paths = code.filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder))).count();
        assert_eq!(cells[2], paths.to_string(), "{}", cells[1]);
        seen += 1;
    }
    assert_eq!(seen, 7, "elements, checks of both kinds, actions, formats, targets and distributions");
}

#[test]
fn the_readme_is_short_and_keeps_its_commands() {
    let text = std::fs::read_to_string(pages::root().join("README.md")).expect("the page is there");
    assert!(text.lines().count() <= 150, "what is longer belongs into the book");
    for command in ["make image ", "make test "] {
        assert!(text.lines().any(|line| line.starts_with(command)), "{command}");
    }
}
