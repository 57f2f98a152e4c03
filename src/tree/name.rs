//! Names of entries: paths from the root, without links between.

/// Longest path, in bytes: what the kernel takes.
const LONGEST: usize = 4095;

/// Longest name in a directory, in bytes.
const LONGEST_NAME: usize = 255;

/// Returns the name of an entry as a path from the root, without `/` at its ends and without `.`. The root itself is empty.
pub(super) fn normal(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    if name.first() == Some(&b'/') {
        return Err("is an absolute path, which an entry of a tree cannot have");
    }
    if name.contains(&0) {
        return Err("has a zero byte in its name");
    }
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => continue,
            b".." => return Err("has `..` in its path, which leads out of the tree"),
            part if part.len() > LONGEST_NAME => return Err("has a longer name than a file can have"),
            part => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(part);
            }
        }
    }
    if path.len() > LONGEST { Err("has a longer path than a file can have") } else { Ok(path) }
}

/// Returns the directory of a path, and the name in it; `None` for the root.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    Some(match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&path[..0], path),
    })
}

/// Returns the path of a name in a directory.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// Returns the directories that a path lies in, the nearest first, without the root.
pub(super) fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(split(path).map(|(above, _)| above), |path| split(path).map(|(above, _)| above))
        .filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths_from_the_root() {
        for (name, path) in
            [("./", ""), ("./etc/", "etc"), ("etc//a/./b", "etc/a/b"), ("a", "a"), ("..a/b..", "..a/b..")]
        {
            assert_eq!(normal(name.as_bytes()), Ok(path.as_bytes().to_vec()), "{name}");
        }
        let long = "x".repeat(256);
        let deep = "x/".repeat(2100);
        for (name, reason) in [
            ("/etc/passwd", "absolute"),
            ("../x", "leads out"),
            ("a/../../x", "leads out"),
            ("..", "leads out"),
            ("a\0b", "zero byte"),
            (long.as_str(), "longer name"),
            (deep.as_str(), "longer path"),
        ] {
            assert!(normal(name.as_bytes()).is_err_and(|said| said.contains(reason)), "{name}");
        }
    }

    #[test]
    fn directories_above_are_listed() {
        assert_eq!(above(b"a/b/c").collect::<Vec<_>>(), [&b"a/b"[..], b"a"]);
        assert_eq!(above(b"a").count() + above(b"").count(), 0);
        assert_eq!(
            (split(b"a/b"), join(b"", b"a"), join(b"a", b"b")),
            (Some((&b"a"[..], &b"b"[..])), b"a".to_vec(), b"a/b".to_vec())
        );
    }
}
