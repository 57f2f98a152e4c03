//! The settings of OpenSSH's server, as sshd_config(5) has them.

use std::collections::BTreeMap;

use crate::inspect::Tree;

pub(super) const CONFIG: &str = "/etc/ssh/sshd_config";

/// Where the files are that the main file reads: relative paths of `Include` begin in the first of these directories.
pub(super) const WANTED: &[&str] = &[CONFIG, "/etc/ssh/*.conf", "/etc/ssh/*/*.conf"];

/// How deep files may read each other: `SERVCONF_MAX_DEPTH` of OpenSSH.
const DEPTH: usize = 16;

/// Most files that are read. An image that has more does so to do harm.
const FILES: usize = 1000;

/// What counts for every connection: lowercase keyword, path of the file and value. The first value of a keyword counts.
pub(super) fn settings(tree: &Tree) -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    let mut room = FILES;
    read(tree, CONFIG, true, DEPTH, &mut room, &mut found);
    found
}

fn read(
    tree: &Tree,
    path: &str,
    mut active: bool,
    depth: usize,
    room: &mut usize,
    found: &mut BTreeMap<String, (String, String)>,
) {
    if depth == 0 || *room == 0 {
        return;
    }
    *room -= 1;
    let outer = active;
    for line in tree.text(path).lines() {
        let words = words(line);
        let Some((key, values)) = words.split_first() else { continue };
        let key = key.to_ascii_lowercase();
        match key.as_str() {
            // It ends with the file or at the next one. What is behind counts for some connections only, but for `all`.
            "match" => active = outer && values.len() == 1 && values[0].eq_ignore_ascii_case("all"),
            "include" if active => {
                for pattern in values {
                    let absolute = pattern.starts_with('/');
                    let pattern = if absolute { pattern.clone() } else { format!("/etc/ssh/{pattern}") };
                    for path in tree.glob(&pattern) {
                        read(tree, &path, active, depth - 1, room, found);
                    }
                }
            }
            _ if active && !values.is_empty() => {
                found.entry(key).or_insert_with(|| (path.to_owned(), values.join(" ")));
            }
            _ => {}
        }
    }
}

/// Words of a line: quotes hold spaces, `=` may stand between keyword and value, and `#` begins a comment.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '#') if word.is_none() => break,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '=') if words.is_empty() => words.extend(word.take()),
            (None, '=') if words.len() == 1 && word.is_none() => {}
            (_, '\\') if matches!(chars.peek(), Some('"' | '\'' | '\\')) => {
                word.get_or_insert_default().extend(chars.next());
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::tree::tests::tree;

    #[test]
    fn settings_are_those_that_the_server_takes() {
        for (main, drop_in, value) in [
            ("PasswordAuthentication no\nPasswordAuthentication yes\n", "", "no"),
            ("passwordauthentication=yes\n", "", "yes"),
            ("PasswordAuthentication = \"no\" # yes\n", "", "no"),
            // Where it is read decides, not that it is.
            ("PasswordAuthentication yes\nInclude sshd_config.d/*.conf\n", "PasswordAuthentication no\n", "yes"),
            (
                "Include \"/etc/ssh/sshd_config.d/*.conf\"\nPasswordAuthentication yes\n",
                "PasswordAuthentication no\n",
                "no",
            ),
            ("PasswordAuthentication yes\n", "PasswordAuthentication no\n", "yes"),
            ("Include other/*\nPasswordAuthentication yes\n", "PasswordAuthentication no\n", "yes"),
            // A condition ends with its file.
            (
                "Include sshd_config.d/*\nPasswordAuthentication no\n",
                "Match User a\nPasswordAuthentication yes\n",
                "no",
            ),
            (
                "Match User a\nInclude sshd_config.d/*\nMatch all\nPasswordAuthentication no\n",
                "PasswordAuthentication yes\n",
                "no",
            ),
            ("Match User a\n  PasswordAuthentication no\nMatch All\n  PasswordAuthentication yes\n", "", "yes"),
        ] {
            let tree = tree(&[(CONFIG, main), ("/etc/ssh/sshd_config.d/1.conf", drop_in)]);
            assert_eq!(settings(&tree)["passwordauthentication"].1, value, "{main}{drop_in}");
        }
        let circle = tree(&[(CONFIG, "Include sshd_config\nInclude sshd_config\nPort 22\n")]);
        assert_eq!(settings(&circle)["port"].1, "22");
    }
}
