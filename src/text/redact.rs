//! The redactor: hides secrets in the output of programs, also in other forms.
//!
//! A secret is found as it is and with any of its characters escaped: by a backslash, in hexadecimal or octal, for URLs, JSON,
//! a shell or HTML. It is found in base64, also inside a longer text, and in hexadecimal. A secret of several lines is hidden
//! line by line. The redactor does not find a secret that was changed for good (reversed, split by other text, encrypted,
//! compressed, hashed), one that is escaped twice, and lines of it that are shorter than [`SECRET_MIN`]. Where base64 begins or
//! ends within a longer text, one character at each end stays: it encodes both the secret and its neighbour.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};
use regex::bytes::{Regex, RegexBuilder};

use super::{CUT, printable};

/// Shortest secret that can be hidden, in bytes: a shorter one occurs in every text.
pub const SECRET_MIN: usize = 4;

/// Text in the place of a secret.
const HIDDEN: &str = "***";

/// Longest piece of a secret that one pattern finds, in characters. Each piece of a longer secret is hidden separately.
const PIECE: usize = 64;

/// Most bytes that one character takes in any form: four bytes as `%25f0`.
const CHARACTER_MAX: usize = 20;

/// Most bytes of patterns that are compiled together.
const PATTERN: usize = 256 << 10;

/// The error of a secret that is too short to be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret needs at least {SECRET_MIN} bytes in one of its lines, without the white space around it: a shorter one \
     cannot be hidden in logs"
)]
pub struct TooShort;

/// Checks that a secret is long enough to be hidden.
pub fn require_length(secret: &[u8]) -> Result<(), TooShort> {
    if lines(secret).next().is_some() { Ok(()) } else { Err(TooShort) }
}

/// Returns the lines of a secret that are long enough to be hidden.
fn lines(secret: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = secret.split(|byte| matches!(byte, b'\n' | b'\r' | 0)).map(<[u8]>::trim_ascii);
    lines.filter(|line| line.len() >= SECRET_MIN)
}

/// A redactor, which hides secrets in text.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Patterns>);

#[derive(Default)]
struct Patterns {
    compiled: Vec<Regex>,
    /// Length of the longest match, in bytes.
    longest: usize,
    secrets: usize,
}

impl Redactor {
    /// Makes a redactor of these secrets. See [`require_length`] for those that are too short.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a Vec<u8>>) -> Self {
        let mut patterns = BTreeSet::new();
        let mut count = 0;
        for secret in secrets {
            count += 1;
            collect(secret, &mut patterns);
        }
        // Longer patterns come first: of two matches at the same place the longer one counts.
        let mut patterns: Vec<(usize, String)> = patterns.into_iter().collect();
        patterns.reverse();
        let longest = patterns.first().map_or(0, |(longest, _)| *longest);
        let mut compiled = Vec::new();
        while !patterns.is_empty() {
            let mut size = 0;
            let fitting = patterns.iter().take_while(|(_, pattern)| {
                size += pattern.len();
                size <= PATTERN
            });
            let count = fitting.count().max(1);
            let group: Vec<_> = patterns.drain(..count).map(|(_, pattern)| pattern).collect();
            let regex = RegexBuilder::new(&group.join("|")).size_limit(usize::MAX).dfa_size_limit(16 << 20).build();
            // It always compiles: every part is escaped, and its size has no limit.
            compiled.extend(regex.ok());
        }
        Self(Arc::new(Patterns { compiled, longest, secrets: count }))
    }

    /// Hides the secrets in a text. If the line was cut, this also hides its end, in which a secret may begin.
    pub fn redact(&self, text: &str) -> String {
        if self.0.compiled.is_empty() {
            return text.to_owned();
        }
        let (text, cut) = match text.strip_suffix(CUT) {
            Some(text) => (&text.as_bytes()[..text.len().saturating_sub(self.0.longest - 1)], true),
            None => (text.as_bytes(), false),
        };
        let mut stream = Stream::new(self.clone());
        let mut shown = stream.push(text);
        shown.extend(stream.finish());
        let mut shown = String::from_utf8_lossy(&shown).into_owned();
        if cut {
            shown.push_str(HIDDEN);
            shown.push_str(CUT);
        }
        shown
    }

    /// Finds the secrets in a text: places that do not touch, in order.
    fn spans(&self, text: &[u8], covered: Option<usize>) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = covered.map(|end| (0, end)).into_iter().collect();
        for regex in &self.0.compiled {
            let mut at = 0;
            // Secrets may overlap each other, and themselves.
            while let Some(hit) = regex.find_at(text, at) {
                found.push((hit.start(), hit.end()));
                at = hit.start() + 1;
            }
        }
        found.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::with_capacity(found.len());
        for (start, end) in found {
            match merged.last_mut() {
                Some((_, last)) if start <= *last => *last = end.max(*last),
                _ => merged.push((start, end)),
            }
        }
        merged
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.0.secrets)
    }
}

/// A stream that hides secrets in bytes which come piece by piece. It holds back the last bytes while a secret may begin in
/// them. A line end releases them, because no form of a secret contains one.
#[derive(Debug)]
pub struct Stream {
    redactor: Redactor,
    held: Vec<u8>,
    /// Number of held bytes that belong to a secret for which [`HIDDEN`] was returned already.
    covered: Option<usize>,
}

impl Stream {
    /// Makes an empty stream.
    pub fn new(redactor: Redactor) -> Self {
        Self { redactor, held: Vec::new(), covered: None }
    }

    /// Adds bytes, and returns those that can be shown.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let line = self.held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let edge = self.held.len().saturating_sub(self.redactor.0.longest.saturating_sub(1));
        self.release(edge.max(line))
    }

    /// Returns the rest.
    pub fn finish(mut self) -> Vec<u8> {
        self.release(self.held.len())
    }

    /// Returns the bytes before `edge`, without secrets. A secret that begins at `edge` or later stays held.
    fn release(&mut self, edge: usize) -> Vec<u8> {
        let mut shown = Vec::with_capacity(edge);
        let mut at = 0;
        let mut covered = None;
        for (start, end) in self.redactor.spans(&self.held, self.covered) {
            if start >= edge && !(start == 0 && self.covered.is_some()) {
                break;
            }
            shown.extend_from_slice(&self.held[at..start]);
            if start > 0 || self.covered.is_none() {
                shown.extend_from_slice(HIDDEN.as_bytes());
            }
            at = end.min(edge);
            covered = (end >= edge).then(|| end - edge);
        }
        shown.extend_from_slice(&self.held[at.min(edge)..edge]);
        self.held.drain(..edge);
        self.covered = covered;
        shown
    }
}

/// A writer that hides secrets. It passes on a line at its end.
#[derive(Debug)]
pub struct RedactingWriter<W> {
    out: W,
    stream: Stream,
}

impl<W: Write> RedactingWriter<W> {
    /// Makes a writer to `out`.
    pub fn new(out: W, redactor: Redactor) -> Self {
        Self { out, stream: Stream::new(redactor) }
    }

    /// Writes the bytes that were held back.
    pub fn finish(self) -> io::Result<W> {
        let Self { mut out, stream } = self;
        out.write_all(&stream.finish())?;
        out.flush()?;
        Ok(out)
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shown = self.stream.push(bytes);
        self.out.write_all(&shown)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Adds patterns for all forms of a secret, each with the most bytes that it matches.
fn collect(secret: &[u8], patterns: &mut BTreeSet<(usize, String)>) {
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

fn hexadecimal(text: &str, patterns: &mut BTreeSet<(usize, String)>) {
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
fn character(c: char) -> String {
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

#[cfg(test)]
mod tests;
