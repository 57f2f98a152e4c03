//! Makes the patterns that find a secret in all forms in which it may be written.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};

use super::super::printable;
use super::secret::{SECRET_MIN, lines, require_length};

/// Longest piece of a secret that one pattern finds, in characters. Each piece of a longer secret is hidden separately.
const PIECE: usize = 64;

/// Adds patterns for all forms of a secret, each with the most bytes that it matches.
pub(super) fn collect(secret: &[u8], patterns: &mut BTreeSet<(usize, String)>) {
    for line in lines(secret) {
        escapes(line, patterns);
        let shown = printable(line);
        if shown.as_bytes() != line && shown.len() >= SECRET_MIN {
            escapes(shown.as_bytes(), patterns);
        }
        encodings(line, patterns);
    }
    let whole = secret.trim_ascii();
    if lines(secret).next().is_some_and(|line| line.len() != whole.len()) {
        encodings(whole, patterns);
    }
    // The forms in which programs print a file: with the line end that an editor or `echo` has added, and broken into lines.
    for content in [whole.to_vec(), [whole, b"\n"].concat(), secret.to_vec()] {
        if require_length(&content).is_err() {
            continue;
        }
        for encoded in [BASE64_STANDARD.encode(&content), BASE64_URL_SAFE.encode(&content)] {
            for width in [PIECE, 76, 60] {
                encoded.as_bytes().chunks(width).for_each(|row| literal(row, patterns));
            }
            pieces(encoded.as_bytes(), PIECE).for_each(|piece| literal(piece, patterns));
        }
        for row in content.chunks(16).filter(|row| row.len() >= SECRET_MIN) {
            let bytes: Vec<_> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            for separator in [" ", ":"] {
                hexadecimal(&bytes.join(separator), patterns);
            }
            let pairs: Vec<_> = row.chunks(2).map(hex::encode).collect();
            hexadecimal(&pairs.join(" "), patterns);
        }
        content.chunks(30).for_each(|row| hexadecimal(&hex::encode(row), patterns));
    }
}

/// Splits a text into pieces of a length. The last piece has the same length, if the text is long enough.
fn pieces<T>(text: &[T], length: usize) -> impl Iterator<Item = &[T]> {
    let starts = (0..text.len()).step_by(length);
    starts.map(move |start| {
        let end = text.len().min(start + length);
        &text[start.min(end.saturating_sub(length))..end]
    })
}

/// Adds base64, at the three offsets that a byte can have in it, and hexadecimal.
fn encodings(secret: &[u8], patterns: &mut BTreeSet<(usize, String)>) {
    for piece in pieces(secret, 48) {
        hexadecimal(&hex::encode(piece), patterns);
        for before in 0..3 {
            let encoded = BASE64_STANDARD_NO_PAD.encode([&[0; 2][..before], piece].concat());
            // Characters that only the bytes of the piece decide.
            let (from, to) = ((8 * before).div_ceil(6), 8 * (before + piece.len()) / 6);
            let certain = &encoded[from..to];
            literal(certain.as_bytes(), patterns);
            literal(certain.replace('+', "-").replace('/', "_").as_bytes(), patterns);
        }
    }
}

fn literal(text: &[u8], patterns: &mut BTreeSet<(usize, String)>) {
    if text.len() >= SECRET_MIN {
        patterns.insert((text.len(), regex::escape(&String::from_utf8_lossy(text))));
    }
}

pub(super) fn hexadecimal(text: &str, patterns: &mut BTreeSet<(usize, String)>) {
    if text.len() >= 2 * SECRET_MIN {
        patterns.insert((text.len(), format!("(?i-u:{text})")));
    }
}

/// Adds a pattern for a secret in which every character may be escaped, each in its own way.
fn escapes(secret: &[u8], patterns: &mut BTreeSet<(usize, String)>) {
    let mut characters = Vec::new();
    for chunk in secret.utf8_chunks() {
        characters.extend(chunk.valid().chars().map(character));
        characters.extend(
            chunk.invalid().iter().map(|byte| format!("(?:(?-u:\\x{byte:02x})|\u{fffd}|{})", escaped_byte(*byte))),
        );
    }
    // Replacement characters stand for one to three bytes that are no text.
    for piece in pieces(&characters, PIECE) {
        patterns.insert((piece.len() * CHARACTER_MAX, piece.concat()));
    }
}

/// Returns a pattern for an escaped byte: in a URL, also if the escape is escaped, and in C, Python and shells.
fn escaped_byte(byte: u8) -> String {
    format!(r"%(?:25)?(?i-u:{byte:02x})|\\x(?i-u:{byte:02x})|\\0?{byte:03o}")
}

/// Returns a pattern for all forms of a character.
pub(super) fn character(c: char) -> String {
    let mut forms = vec![regex::escape(c.encode_utf8(&mut [0; 4]))];
    let bytes = c.encode_utf8(&mut [0; 4]).as_bytes().to_vec();
    forms.push(bytes.iter().map(|byte| format!("(?:{})", escaped_byte(*byte))).collect());
    let units = c.encode_utf16(&mut [0; 2]).to_vec();
    forms.push(units.iter().map(|unit| format!(r"\\u(?i-u:{unit:04x})")).collect());
    let code = u32::from(c);
    forms.push(format!(r"&#(?:0{{0,4}}{code}|[xX]0{{0,4}}(?i-u:{code:x}));"));
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        forms.push(format!(r"\\{{1,2}}{}", regex::escape(&c.to_string())));
    }
    forms.extend(
        match c {
            '&' => &["&amp;"][..],
            '<' => &["&lt;"],
            '>' => &["&gt;"],
            '"' => &["&quot;", "\"\""],
            '\'' => &["&apos;", r"'\\''", "'\"'\"'", "''"],
            ' ' => &[r"\+", "&nbsp;"],
            '\t' => &[" ", r"\\t", r"\+"],
            _ => &[],
        }
        .iter()
        .map(|form| (*form).to_owned()),
    );
    // The longest first, so that `''` does not match as `'`.
    forms.reverse();
    format!("(?:{})", forms.join("|"))
}

/// Most bytes that one character takes in any form: four bytes as `%25f0`.
pub(super) const CHARACTER_MAX: usize = 20;
