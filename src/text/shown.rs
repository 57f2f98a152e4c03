//! Makes untrusted text safe to show: removes control sequences of terminals, and shows invisible characters.

/// Longest line that is passed on, in bytes; the rest of a longer one is dropped.
pub const LINE_LIMIT: usize = 8 * 1024;

/// End of a line that was longer than [`LINE_LIMIT`].
pub const CUT: &str = " [the line is cut here]";

/// Makes a line safe for a terminal: decoded lossily, without line end, escape sequences and control characters, cut at
/// [`LINE_LIMIT`] with [`CUT`] at its end. A carriage return starts the line again, as on a terminal. A character that is
/// invisible or changes the direction of text is written as `\u{202e}`. A second call changes nothing.
pub fn printable(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let whole = bytes.len() <= LINE_LIMIT;
    let bytes = if whole { bytes } else { &bytes[..LINE_LIMIT] };
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text.rsplit('\r').next().unwrap_or(text);
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = None;
    while let Some(c) = chars.next() {
        match c {
            // ECMA-48: CSI is ESC [ parameters final, or one character of eight bits; other escapes are two characters.
            '\u{9b}' => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            '\u{1b}' => {
                chars.next();
            }
            '\t' => shown.push(' '),
            c if c.is_control() => {}
            c if is_invisible(before, c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
        before = Some(c);
    }
    if !whole || shown.len() > LINE_LIMIT {
        let mut end = shown.len().min(LINE_LIMIT - CUT.len());
        while !shown.is_char_boundary(end) {
            end -= 1;
        }
        shown.truncate(end);
        shown.push_str(CUT);
    }
    shown
}

/// Makes each line of a text safe, as [`printable`] does.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(|line| printable(line.as_bytes())).collect::<Vec<_>>().join("\n")
}

/// Escapes the bytes of a file's name so that names stay distinct: invalid UTF-8, control characters and invisible characters
/// are written as `\xNN`, a backslash as two.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut before = None;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                ' '..='~' => text.push(c),
                // A character without width, or one that changes the direction of text, would make one name look like another.
                c if c.is_control() || is_invisible(before, c) => hex(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => text.push(c),
            }
            before = Some(c);
        }
        hex(&mut text, chunk.invalid());
    }
    text
}

/// Makes a text of several lines safe for a page: a character that is a control character, invisible or changes the direction
/// of text becomes a replacement character (U+FFFD). Line ends and tabs stay.
pub fn readable(text: &str) -> String {
    let mut before = None;
    let shown = |c: char| {
        let hidden = (c.is_control() && c != '\n' && c != '\t') || is_invisible(before, c);
        before = Some(c);
        if hidden { '\u{fffd}' } else { c }
    };
    text.chars().map(shown).collect()
}

/// Replaces characters that are invisible or change the direction of text by a replacement character (U+FFFD) of about the same
/// width, so that marks on the next line still point at the same place. Colours stay.
pub fn hidden_shown(text: &str) -> String {
    let mut before = None;
    let shown = |c: char| if is_invisible(before.replace(c), c) { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

pub(super) fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

/// Returns whether a character after another one is invisible: by Unicode's property Default_Ignorable_Code_Point, as a
/// formatting character (category Cf), or as a separator of lines and paragraphs. One selector between the text and the picture
/// of a sign is part of the sign; more of them, and those after letters, hide data.
fn is_invisible(before: Option<char>, c: char) -> bool {
    match c {
        '\u{fe0e}' | '\u{fe0f}' => {
            before.is_none_or(|sign| sign < '\u{a9}' || sign.is_alphanumeric() || is_ignorable(sign))
        }
        c => is_ignorable(c),
    }
}

fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
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
    fn what_is_invisible_or_turns_text_is_written_out() {
        for c in "\u{ad}\u{34f}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\
                  \u{202c}\u{202d}\u{202e}\u{2060}\u{2066}\u{2067}\u{2068}\u{2069}\u{206f}\u{3164}\u{fe00}\u{feff}\u{ffa0}\
                  \u{fff9}\u{e0001}\u{e0041}\u{e007f}\u{e0100}\u{e01ef}"
            .chars()
        {
            let text = format!("rm{c}x");
            let shown = format!("rm{}x", c.escape_unicode());
            assert_eq!(printable(text.as_bytes()), shown);
            assert_eq!(printable(shown.as_bytes()), shown, "once is enough");
            assert_eq!(readable(&text), "rm\u{fffd}x");
            assert_eq!(escaped(text.as_bytes()).len(), 3 + 4 * c.len_utf8());
        }
        // Control characters of eight bits: one begins an escape sequence as ESC [ does.
        assert_eq!(printable("a\u{9b}31mb\u{85}c\u{9f}d".as_bytes()), "abcd");
        // A sign may say that it is a picture, once; letters and digits have no such choice.
        let signs = "\u{2714}\u{fe0f} \u{2764}\u{fe0f} \u{a9}\u{fe0e}";
        assert_eq!(printable(signs.as_bytes()), signs);
        for (text, shown) in [
            ("a\u{fe0f}", "a\\u{fe0f}"),
            ("\u{2714}\u{fe0f}\u{fe0f}", "\u{2714}\u{fe0f}\\u{fe0f}"),
            ("\u{fe0e}", "\\u{fe0e}"),
            ("sch\u{f6}n \u{4e2d} \u{1f600} e\u{301}", "sch\u{f6}n \u{4e2d} \u{1f600} e\u{301}"),
        ] {
            assert_eq!(printable(text.as_bytes()), shown);
        }
        assert_eq!(printable_lines("a\u{202e}\nb\r\n"), "a\\u{202e}\nb\n");
    }

    #[test]
    fn long_lines_are_cut() {
        for text in ["x".repeat(LINE_LIMIT * 2), "\u{e4}".repeat(LINE_LIMIT), "\u{202e}".repeat(LINE_LIMIT / 3)] {
            let shown = printable(text.as_bytes());
            assert!(shown.len() <= LINE_LIMIT && shown.len() > LINE_LIMIT - 16 && shown.ends_with(CUT), "{shown}");
            assert_eq!(printable(shown.as_bytes()), shown);
        }
        let whole = "x".repeat(LINE_LIMIT);
        assert_eq!(printable(format!("{whole}\n").as_bytes()), whole);
    }
}
