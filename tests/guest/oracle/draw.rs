//! Random names and trees.

use fastrand::Rng;

use super::entry::{Entry, What, access_list, capability};

/// Names that programs and shells get wrong. None begins a template of a recipe.
const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "two words",
    "it's",
    "\"quoted\"",
    "$HOME",
    "-dash",
    ".hidden",
    "back\\slash",
    "x;y&z|w",
    "日本語",
    "ü",
    "u\u{308}",
    "#hash",
    "%s%n",
    "~",
    "{x}",
    "`id`",
    "tab\there",
    "a:b",
    "!",
    " lead",
    "trail ",
    "...",
    "name.conf",
    "other.conf",
    "\u{1f600}",
];

/// Names that only the files of a case have: as a path in a recipe they would be a glob, or are not allowed.
const ODD: &[&str] = &["st*r", "q?", "[b]", "new\nline"];

/// The list that the kernel gives to what is made in a directory.
pub(super) const DEFAULT: &str = "system.posix_acl_default";

const LINES: &[&str] = &[
    "foo=1",
    "foo=23",
    "  bar",
    "ünï baz",
    "a b a b",
    "",
    "# comment",
    "it's \"q\"",
    "ends \\",
    "$HOME {x}",
    "last word",
    "trailing  ",
    "\ttab",
];

pub(super) fn one<'a, T: ?Sized>(rng: &mut Rng, all: &[&'a T]) -> &'a T {
    all[rng.usize(..all.len())]
}

/// Happens in so many of a hundred cases.
pub(super) fn percent(rng: &mut Rng, percent: u8) -> bool {
    rng.u8(..100) < percent
}

/// A name that is no glob.
pub(super) fn name(rng: &mut Rng) -> String {
    if percent(rng, 3) { format!("long-{}", "n".repeat(rng.usize(100..250))) } else { one(rng, NAMES).to_owned() }
}

/// A text of lines.
pub(super) fn text(rng: &mut Rng) -> String {
    let end = if percent(rng, 10) { "\r\n" } else { "\n" };
    let lines: Vec<_> = (0..rng.usize(..6)).map(|_| one(rng, LINES)).collect();
    let text = lines.join(end);
    if percent(rng, 80) && !text.is_empty() { text + end } else { text }
}

pub(super) fn line(rng: &mut Rng) -> &'static str {
    one(rng, LINES)
}

/// How a tree may be.
pub(super) struct Kinds<'a> {
    /// Where the tree is to be, for links with absolute targets.
    pub(super) place: &'a str,
    /// Percentage of pipes.
    pub(super) pipes: u8,
    /// Whether access control lists and capabilities are given.
    pub(super) rights: bool,
}

/// A tree, parents first. Its first entry is the tree itself.
pub(super) fn tree(rng: &mut Rng, kinds: &Kinds<'_>) -> Vec<Entry> {
    let mut entries = vec![entry(rng, What::Dir, kinds)];
    for _ in 0..rng.usize(3..11) {
        let dirs: Vec<_> = entries.iter().filter(|entry| entry.what == What::Dir).collect();
        let parent = &dirs[rng.usize(..dirs.len())].path;
        let name = if percent(rng, 8) { one(rng, ODD).to_owned() } else { name(rng) };
        let path = if parent.is_empty() { name } else { format!("{parent}/{name}") };
        if entries.iter().any(|entry| entry.path == path) {
            continue;
        }
        let files: Vec<_> = entries.iter().filter(|entry| matches!(entry.what, What::File(_))).collect();
        let what = match rng.u8(..100) {
            roll if roll < kinds.pipes => What::Pipe,
            ..30 => What::Dir,
            ..45 => What::Link(target(rng, &entries, &path, kinds.place)),
            ..53 if !files.is_empty() => What::Same(files[rng.usize(..files.len())].path.clone()),
            ..58 => What::Zeros { holes: rng.bool() },
            ..63 => What::File((0..rng.usize(..300)).map(|_| rng.u8(..)).collect()),
            _ => What::File(text(rng).into_bytes()),
        };
        let new = Entry { path, ..entry(rng, what, kinds) };
        entries.push(new);
    }
    entries
}

fn entry(rng: &mut Rng, what: What, kinds: &Kinds<'_>) -> Entry {
    let modes: &[u32] = match what {
        What::Dir => &[0o755, 0o755, 0o700, 0o2775, 0o1777, 0o555, 0o3750],
        _ => &[0o644, 0o644, 0o600, 0o755, 0o4755, 0o2755, 0o400, 0o000, 0o6711],
    };
    let mode = modes[rng.usize(..modes.len())];
    let owners = [(0, 0), (0, 0), (7, 8), (1000, 1000), (70_000, 8)];
    let time = if percent(rng, 5) { rng.i64(-2_000_000_000..0) } else { rng.i64(946_684_800..1_500_000_000) };
    let mut attributes = Vec::new();
    let list = |rng: &mut Rng| access_list(7, rng.u16(..8), 5, rng.u16(..8), 0);
    match what {
        What::File(_) | What::Zeros { .. } => {
            if percent(rng, 15) {
                attributes.push(("user.note", b"ad\0 \xff'".to_vec()));
            }
            match rng.u8(..100) {
                ..15 if kinds.rights => attributes.push(("system.posix_acl_access", list(rng))),
                ..25 if kinds.rights => attributes.push(("security.capability", capability())),
                _ => {}
            }
        }
        What::Dir => {
            if percent(rng, 10) {
                attributes.push(("user.note", b"of a directory".to_vec()));
            }
            if kinds.rights && percent(rng, 10) {
                attributes.push(("system.posix_acl_access", list(rng)));
            }
            if kinds.rights && percent(rng, 10) {
                attributes.push((DEFAULT, list(rng)));
            }
        }
        _ => {}
    }
    Entry { path: String::new(), what, mode, owner: owners[rng.usize(..owners.len())], time, attributes }
}

/// Target of a link: something of the tree, by a relative or an absolute path; itself; or nothing.
fn target(rng: &mut Rng, entries: &[Entry], path: &str, place: &str) -> String {
    let other = &entries[rng.usize(..entries.len())].path;
    let up = "../".repeat(path.matches('/').count());
    match rng.u8(..100) {
        ..40 => format!("{up}./{other}"),
        ..75 => format!("{place}/{other}"),
        ..90 => format!("{up}../{}/{other}", place.rsplit('/').next().unwrap_or_default()),
        ..93 => path.rsplit('/').next().unwrap_or_default().to_owned(),
        ..97 => "no/where".to_owned(),
        _ => format!("{place}/nothing"),
    }
}
