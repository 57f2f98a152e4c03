//! Reading of settings for a shell, such as `/etc/default/grub`, as a shell reads them.
//!
//! A value may be quoted in parts, contain escaped quotes, and continue on the next line. Values that only running the file
//! would give (`$(...)`, backticks) are marked, not guessed.
//!
//! The crate `shlex` splits such a text too, but does not return the places of words, in which settings are changed.

use std::ops::Range;

/// One `NAME=value` at the beginning of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Name of the variable.
    pub name: String,
    /// Value without quotes. `$NAME` stays as it is.
    pub value: String,
    /// Whether only running the file gives the value: it has a command, or a `$` that stands for itself.
    pub opaque: bool,
    /// Place of the value, with its quotes.
    pub range: Range<usize>,
}

/// The quotes around the current character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

/// Returns all assignments of a file, in order, or the number of the line in which a quote begins that does not end.
pub fn assignments(text: &str) -> Result<Vec<Assignment>, usize> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let (mut at, mut command) = (0, true);
    while at < bytes.len() {
        match bytes[at] {
            b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'{' | b'}' => {
                command = true;
                at += 1;
            }
            b' ' | b'\t' | b'\r' => at += 1,
            b'\\' if text[at..].starts_with("\\\n") => at += 2,
            b'#' => at += text[at..].find('\n').unwrap_or(text.len() - at),
            _ => {
                let word = word(text, at).ok_or_else(|| text[..at].matches('\n').count() + 1)?;
                let raw = &text[at..word.end];
                let name = raw.split_once('=').map(|(name, _)| name).filter(|name| is_name(name));
                match name {
                    Some(name) if command => {
                        let (_, value) = word.text.split_once('=').unwrap_or_default();
                        found.push(Assignment {
                            name: name.to_owned(),
                            value: value.to_owned(),
                            opaque: word.opaque,
                            range: at + name.len() + 1..word.end,
                        });
                    }
                    // Words that may stand before an assignment in the same command.
                    _ => command = command && ["export", "then", "else", "do", "if"].contains(&raw),
                }
                at = word.end;
            }
        }
    }
    Ok(found)
}

/// Returns the value of a variable after a shell has read a file, such as os-release(5): that of the last assignment. It is `None`
/// for an empty value, and for a file that no shell can read.
pub fn value(text: &str, name: &str) -> Option<String> {
    let last = assignments(text).ok()?.into_iter().rfind(|found| found.name == name)?;
    Some(last.value).filter(|value| !value.is_empty())
}

/// Writes a text as a value in double quotes. `$NAME` in it stands for the variable.
pub fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes words as one command of a shell, in quotes where they need some.
pub fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=@:,+%".contains(c);
    let word = |word: &str| match word {
        "" => "''".to_owned(),
        word if word.chars().all(plain) => word.to_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(word) && text.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

struct Word {
    text: String,
    opaque: bool,
    end: usize,
}

/// Reads the word that begins at a place; `None` if it does not end.
fn word(text: &str, start: usize) -> Option<Word> {
    let mut word = Word { text: String::new(), opaque: false, end: text.len() };
    let mut quote = Quote::None;
    let mut chars = text[start..].char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        match (quote, c) {
            (Quote::None, ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')') => {
                word.end = start + offset;
                return Some(word);
            }
            (Quote::None, '\'') => quote = Quote::Single,
            (Quote::Single, '\'') | (Quote::Double, '"') => quote = Quote::None,
            (Quote::None, '"') => quote = Quote::Double,
            (Quote::Single, c) => {
                word.opaque |= c == '$' || c == '`';
                word.text.push(c);
            }
            (_, '\\') => match (quote, chars.next()?.1) {
                (_, '\n') => {}
                (Quote::None, c) | (_, c @ ('"' | '\\')) => {
                    word.opaque |= c == '$' || c == '`';
                    word.text.push(c);
                }
                (_, c @ ('$' | '`')) => {
                    word.opaque = true;
                    word.text.push(c);
                }
                (_, c) => word.text.extend(['\\', c]),
            },
            (_, '`') => {
                word.opaque = true;
                word.text.push('`');
                // Quotes and spaces of the command end nothing, because the command is no part of the value.
                loop {
                    let (_, c) = chars.next()?;
                    word.text.push(c);
                    if c == '`' {
                        break;
                    }
                }
            }
            (_, '$') if chars.peek().is_some_and(|(_, next)| *next == '(') => {
                word.opaque = true;
                word.text.push('$');
                let mut depth = 0_usize;
                loop {
                    let (_, c) = chars.next()?;
                    word.text.push(c);
                    depth = if c == '(' { depth + 1 } else { depth - usize::from(c == ')') };
                    if depth == 0 {
                        break;
                    }
                }
            }
            (_, c) => word.text.push(c),
        }
    }
    (quote == Quote::None).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_a_shell_has() {
        for (text, value) in [
            ("A=x", "x"),
            ("A=", ""),
            ("A=x # why", "x"),
            ("A=x#y", "x#y"),
            ("  export A='x y'\n", "x y"),
            ("A=\"x \\\"y z\\\"\"", "x \"y z\""),
            ("A=\"x \\\n  y\"", "x   y"),
            ("A=x\\\ny", "xy"),
            ("A=\"x\ny\"", "x\ny"),
            ("A=x\\ y'z'\"w\"", "x yzw"),
            ("# don't\nA=x", "x"),
            ("if [ a = b ]; then A=x; fi", "x"),
            ("A=\"a\\\\b\"", "a\\b"),
        ] {
            let found = assignments(text).expect("it ends");
            assert_eq!((found.len(), found[0].value.as_str(), found[0].opaque), (1, value, false), "{text}");
            let ran = std::process::Command::new("sh").args(["-c", &format!("{text}\nprintf %s \"$A\"")]).output();
            let ran = ran.expect("sh is there").stdout;
            // The shell does not take this branch.
            assert!(text.starts_with("if") || ran == value.as_bytes(), "{text}: {ran:?}");
            let written = format!("A={}", quoted(value));
            assert_eq!(assignments(&written).expect("it ends")[0].value, value, "{written}");
        }
    }

    #[test]
    fn what_only_running_it_tells_is_told_apart() {
        for (text, opaque) in [
            ("A=`x 'y z`", true),
            ("A=\"$(x \"y\")\" # z", true),
            ("A='$B'", true),
            ("A=\\$B", true),
            ("A=\"$B c\"", false),
        ] {
            assert_eq!(assignments(text).expect("it ends")[0].opaque, opaque, "{text}");
        }
        for (text, line) in [("A=x\nB=\"y\nC=z", 2), ("A='", 1), ("A=$(x", 1), ("A=`x", 1), ("A=\\", 1)] {
            assert_eq!(assignments(text), Err(line), "{text}");
        }
    }

    /// `sh` itself tells what it is.
    #[test]
    fn a_value_is_the_last_one_of_a_file() {
        for text in [
            "ID=a\nID=debian\n",
            "NAME='x'\nID=\"my \\\"own\\\" linux\"\n",
            "ID=de'b'\"ian\"  # comment\n",
            "ID='it'\\''s'\n",
            "ID=a\nID=\n",
            "IDX=a\n",
            "PRETTY='a\nID=b'\nID=c\n",
        ] {
            let ran = std::process::Command::new("sh").args(["-c", &format!("{text}\nprintf %s \"$ID\"")]).output();
            let ran = String::from_utf8(ran.expect("sh is there").stdout).expect("text");
            assert_eq!(value(text, "ID").unwrap_or_default(), ran, "{text}");
        }
    }

    #[test]
    fn what_is_no_assignment_is_passed_over() {
        for text in ["echo A=x", "[ A=x ]", "# A=x", "1A=x", "a-b=x", "x 'A=y'"] {
            assert_eq!(assignments(text), Ok(Vec::new()), "{text}");
        }
    }
}
