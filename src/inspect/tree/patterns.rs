//! Parses patterns of paths, as a shell has them.

use globset::{Glob, GlobBuilder, GlobMatcher};

/// Most parts of a path that is followed: no honest image has deeper ones, and each part takes a search of the whole tree.
pub(super) const PARTS_LIMIT: usize = 256;

/// Patterns without braces that match the same together, up to a limit; a brace that is not closed is a character.
pub(super) fn alternatives(pattern: &str) -> Vec<String> {
    const LIMIT: usize = 1000;
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(pattern) = open.pop() {
        // The innermost braces first: the last that opens has no other in it.
        let braces = pattern.rfind('{').and_then(|start| Some((start, start + pattern[start..].find('}')?)));
        match braces {
            Some((start, end)) if open.len() + done.len() < LIMIT => {
                let (head, tail) = (&pattern[..start], &pattern[end + 1..]);
                open.extend(pattern[start + 1..end].split(',').map(|one| format!("{head}{one}{tail}")));
            }
            _ => done.push(pattern),
        }
    }
    done
}

/// What a part of a pattern matches; `None` if it is malformed.
pub(super) fn matcher(part: &str) -> Option<GlobMatcher> {
    let glob: Glob = GlobBuilder::new(part).literal_separator(true).backslash_escape(true).build().ok()?;
    Some(glob.compile_matcher())
}
