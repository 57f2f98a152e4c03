//! Reads the pages of the documentation: headings, links and blocks of code, each with its line.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Where pages are: files, and directories that are searched to any depth.
const PLACES: [&str; 6] = ["README.md", "CONTRIBUTING.md", "docs", "elements", "recipes", "examples"];

/// One Markdown file.
pub(crate) struct Page {
    /// Path relative to the root of the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// Identifiers of its headings, as mdBook and repository pages make them.
    pub(crate) anchors: BTreeSet<String>,
    pub(crate) links: Vec<Link>,
    pub(crate) blocks: Vec<Block>,
    /// Pieces of code within sentences.
    pub(crate) inline: Vec<(usize, String)>,
}

/// A link, and the line it is in.
pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) target: String,
}

/// A fenced block of code.
pub(crate) struct Block {
    /// Line of the fence.
    pub(crate) line: usize,
    /// Everything behind the backticks: `yaml,fragment`.
    pub(crate) info: String,
    pub(crate) text: String,
    /// The reason that the comment above the fence gives.
    pub(crate) reason: Option<String>,
}

/// All pages, sorted by path.
pub(crate) fn all() -> Vec<Page> {
    let mut paths = Vec::new();
    PLACES.iter().for_each(|place| collect(&root().join(place), &mut paths));
    paths.sort();
    assert!(paths.len() > 10, "the pages were not found");
    paths.iter().map(|path| read(path)).collect()
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a directory can be read");
        entries.for_each(|entry| collect(&entry.expect("an entry can be read").path(), found));
    } else if path.extension().is_some_and(|extension| extension == "md") {
        found.push(path.to_owned());
    }
}

fn read(path: &Path) -> Page {
    let text = std::fs::read_to_string(path).expect("a page can be read");
    let path = path.strip_prefix(root()).expect("a page is in the repository").to_owned();
    parse(path, text)
}

/// Takes a page apart.
pub(crate) fn parse(path: PathBuf, text: String) -> Page {
    let mut page =
        Page { path, text: String::new(), anchors: BTreeSet::new(), links: vec![], blocks: vec![], inline: vec![] };
    let mut heading: Option<String> = None;
    let mut in_block = false;
    let line_of = |byte: usize| text[..byte].matches('\n').count() + 1;
    for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
        let line = line_of(range.start);
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let base = anchor(&heading.take().unwrap_or_default());
                let mut name = base.clone();
                for number in 1.. {
                    if page.anchors.insert(name.clone()) {
                        break;
                    }
                    name = format!("{base}-{number}");
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(Link { line, target: dest_url.into_string() });
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.into_string(),
                    CodeBlockKind::Indented => "indented".to_owned(),
                };
                let reason = line.checked_sub(2).and_then(|above| text.lines().nth(above)).and_then(comment);
                page.blocks.push(Block { line, info, text: String::new(), reason });
                in_block = true;
            }
            Event::End(TagEnd::CodeBlock) => in_block = false,
            Event::Text(part) if in_block => page.blocks.last_mut().expect("a block began").text.push_str(&part),
            Event::Text(part) => heading.iter_mut().for_each(|heading| heading.push_str(&part)),
            Event::Code(part) => {
                heading.iter_mut().for_each(|heading| heading.push_str(&part));
                page.inline.push((line, part.into_string()));
            }
            _ => {}
        }
    }
    page.text = text;
    page
}

/// The text of a line that is nothing but a comment.
fn comment(line: &str) -> Option<String> {
    let text = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The identifier of a heading. mdBook and repository pages agree on this rule.
pub(crate) fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// A path without `.` and `..`; `None` if it leaves the repository.
pub(crate) fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if !normal.pop() => return None,
            Component::ParentDir => {}
            Component::Normal(name) => normal.push(name),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(normal)
}
