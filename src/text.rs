//! Text from programs that are not trusted.

/// Longest line that is passed on, in bytes; the rest of a longer one is dropped.
pub const LINE_LIMIT: usize = 8 * 1024;

/// A line as it can be shown on a terminal: decoded lossily, without line end, escape sequences and
/// control characters, cut at [`LINE_LIMIT`]. A carriage return starts the line again, as it would there.
pub fn printable(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(LINE_LIMIT)];
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text.rsplit('\r').next().unwrap_or(text);
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // ECMA-48: CSI is ESC [ parameters final; other escapes are two characters.
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            '\u{1b}' => {
                chars.next();
            }
            '\t' => shown.push(' '),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown
}

/// Bytes as text from which they can be told: what is no UTF-8, a control character or invisible is written as
/// `\xNN`, a backslash as two. For names of files.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                ' '..='~' => text.push(c),
                // What has no width or turns the direction of text would make one name look like another.
                c if c.is_control() || is_invisible(c) => hex(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => text.push(c),
            }
        }
        hex(&mut text, chunk.invalid());
    }
    text
}

/// Text of several lines as a page can show it: what is a control character, invisible or turns the direction of text
/// becomes a replacement character (U+FFFD). Line ends and tabs stay.
pub fn readable(text: &str) -> String {
    let shown = |c: char| if (c.is_control() && c != '\n' && c != '\t') || is_invisible(c) { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

/// Formatting characters of Unicode's general category Cf that are likely in no name.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Hides secrets in text.
#[derive(Clone, Default)]
pub struct Redactor(Vec<String>);

/// Shortest secret that is hidden, in bytes: of a shorter one every text is full.
const SECRET_MIN: usize = 4;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

impl Redactor {
    /// Hides these secrets as they are, each line of one that has several.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a Vec<u8>>) -> Self {
        let mut words: Vec<String> = secrets
            .flat_map(|secret| {
                String::from_utf8_lossy(secret).lines().map(str::trim).map(str::to_owned).collect::<Vec<_>>()
            })
            .filter(|line| line.len() >= SECRET_MIN)
            .collect();
        // One secret may be the beginning of another.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Self(words)
    }

    /// The text without them.
    pub fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, word| text.replace(word, HIDDEN))
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} words)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_told_from_each_other() {
        for (bytes, shown) in [
            (&b"/etc/passwd"[..], "/etc/passwd"),
            ("/sch\u{f6}n \u{4e2d}".as_bytes(), "/sch\u{f6}n \u{4e2d}"),
            (b"/a\rb\x1b[2J\n", "/a\\x0db\\x1b[2J\\x0a"),
            (b"/\xff\xc3", "/\\xff\\xc3"),
            (b"/\\xff", "/\\\\xff"),
            ("/\u{202e}a\u{85}".as_bytes(), "/\\xe2\\x80\\xaea\\xc2\\x85"),
        ] {
            assert_eq!(escaped(bytes), shown);
        }
    }

    #[test]
    fn pages_show_every_character_as_itself_or_as_one_that_cannot_be_shown() {
        assert_eq!(
            readable("a\tb\nc\r\u{1b}[31m\u{0}\u{202e}sch\u{f6}n"),
            "a\tb\nc\u{fffd}\u{fffd}[31m\u{fffd}\u{fffd}sch\u{f6}n"
        );
    }

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        for (bytes, shown) in [
            (&b"plain\n"[..], "plain"),
            (b"\x1b[31mred\x1b[0m\r\n", "red"),
            (b"10%\r50%\r100%", "100%"),
            (b"bell\x07 \x1b]tab\there", "bell tab here"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(printable(bytes), shown);
        }
    }

    #[test]
    fn secrets_are_hidden_line_by_line_and_the_longest_first() {
        let secrets = [b"hunter2".to_vec(), b"hunter2hunter3".to_vec(), b"-----\nkey line\n".to_vec(), b"no".to_vec()];
        let redactor = Redactor::new(secrets.iter());
        assert_eq!(redactor.redact("+ login hunter2hunter3 hunter2, no"), "+ login *** ***, no");
        assert_eq!(redactor.redact("key line"), "***");
        assert_eq!(format!("{redactor:?}"), "Redactor(4 words)");
    }

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(printable(&vec![b'x'; LINE_LIMIT * 2]).len(), LINE_LIMIT);
    }
}
