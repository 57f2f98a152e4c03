//! Lists of checksums, in the styles of GNU (`HASH  NAME`, `HASH *NAME`) and BSD (`SHA256 (NAME) = HASH`).

use crate::digest::Sha256;

/// Limit on the size of a list of checksums, in bytes. Real ones are smaller.
pub(super) const LIMIT: usize = 1 << 20;

/// Limit on the number of lines. Real lists have fewer.
const LINES: usize = 20_000;

/// The reason why a list does not give the digest of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SumsFault {
    /// The list has no line for the file.
    #[error("lists no SHA-256 of {0}")]
    NotListed(String),
    /// The list has lines for the file that contradict each other.
    #[error(
        "lists {name} with two SHA-256 digests, in line {first} and in line {second}: which one is meant is not known"
    )]
    Ambiguous {
        /// Base name of the file.
        name: String,
        /// The first such line.
        first: usize,
        /// The line that contradicts it.
        second: usize,
    },
    /// The list only has another kind of digest for the file.
    #[error("lists a {kind} digest of {name}, in line {line}, and no SHA-256")]
    OtherKind {
        /// Base name of the file.
        name: String,
        /// The kind.
        kind: &'static str,
        /// The line.
        line: usize,
    },
    /// The list exceeds the limits.
    #[error("is no list of checksums: it has more than {} KiB or more than {LINES} lines", LIMIT >> 10)]
    TooLarge,
    /// The list does not exist.
    #[error("is not there")]
    Missing,
    /// The list is not text.
    #[error("is no list of checksums: it is not text")]
    NoText,
}

/// Returns the digest in a list for a file with this base name.
pub(super) fn find(list: &[u8], name: &str) -> Result<Sha256, SumsFault> {
    if list.len() > LIMIT || list.iter().filter(|byte| **byte == b'\n').count() > LINES {
        return Err(SumsFault::TooLarge);
    }
    let text = std::str::from_utf8(list).map_err(|_| SumsFault::NoText)?;
    let mut found: Option<(usize, Sha256)> = None;
    let mut other = None;
    for (number, line) in (1..).zip(signed_part(text)) {
        let Some((listed, hash)) = entry(&line) else { continue };
        if listed.rsplit('/').next() != Some(name) {
            continue;
        }
        match (Sha256::parse(&hash), found) {
            (None, _) => other = other.or(Some((number, kind(hash.len())))),
            (Some(digest), Some((first, known))) if known != digest => {
                return Err(SumsFault::Ambiguous { name: name.to_owned(), first, second: number });
            }
            (Some(digest), _) => found = found.or(Some((number, digest))),
        }
    }
    match (found, other) {
        (Some((_, digest)), _) => Ok(digest),
        (None, Some((line, kind))) => Err(SumsFault::OtherKind { name: name.to_owned(), kind, line }),
        (None, None) => Err(SumsFault::NotListed(name.to_owned())),
    }
}

/// Returns whether a text contains its signature (RFC 9580, 7).
pub(super) fn is_signed_within(content: &[u8]) -> bool {
    content.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----")
}

/// Returns the lines of a list. If the list contains its signature, returns only the signed lines, without dash escapes. Lines
/// keep their numbers.
fn signed_part(text: &str) -> impl Iterator<Item = String> + '_ {
    let within = is_signed_within(text.as_bytes());
    text.lines()
        .take_while(move |line| !within || line.trim_end() != "-----BEGIN PGP SIGNATURE-----")
        .map(move |line| if within { line.strip_prefix("- ").unwrap_or(line).to_owned() } else { line.to_owned() })
}

/// Returns the name and digest in a line; `None` for other lines, such as comments and headings.
fn entry(line: &str) -> Option<(String, String)> {
    // A leading backslash means that the name has escapes.
    let line = line.trim_start().trim_end_matches('\r');
    let (line, escaped) = match line.strip_prefix('\\') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let tagged = line.split_once('(').map(|(tag, rest)| (tag.trim_end_matches(' '), rest));
    let tagged = tagged.filter(|(tag, _)| *tag == "MD5" || tag.starts_with("SHA") && !tag.contains([' ', '\t']));
    // `= ` stands in the style of BSD, `)= ` in that of OpenSSL.
    let tagged = tagged.and_then(|(_, rest)| {
        let (name, hash) = rest.rsplit_once(')')?;
        Some((name, hash.trim().strip_prefix('=')?.trim()))
    });
    let (name, hash) = match tagged {
        Some(found) => found,
        None => {
            let (hash, name) = line.split_once([' ', '\t'])?;
            // One more character tells text and binary files apart; what follows is the name, be it `*` again.
            let name = name.strip_prefix([' ', '*']).unwrap_or(name);
            // Lists by hand have more blanks for looks.
            (name.trim(), hash)
        }
    };
    let is_hash = kind(hash.len()) != "unknown" && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| (if escaped { unescaped(name) } else { name.to_owned() }, hash.to_ascii_lowercase()))
}

fn unescaped(name: &str) -> String {
    let mut plain = String::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        plain.push(match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            ('\\', Some(other)) => other,
            (c, _) => c,
        });
    }
    plain
}

/// Returns the kind of a digest from its number of hexadecimal digits.
fn kind(digits: usize) -> &'static str {
    match digits {
        32 => "MD5",
        40 => "SHA-1",
        56 => "SHA-224",
        64 => "SHA-256",
        96 => "SHA-384",
        128 => "SHA-512",
        _ => "unknown",
    }
}

/// Returns whether a list of checksums has a digest for a file; for the fuzz targets.
#[cfg(feature = "testing")]
pub fn checksum(list: &[u8], name: &str) -> bool {
    find(list, name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_several_styles() {
        let digest = Sha256::of(b"x");
        let upper = digest.to_string().to_uppercase();
        for line in [
            format!("{digest}  a.qcow2"),
            format!("{digest} *./a.qcow2"),
            format!("{digest}\ta.qcow2\r"),
            format!("{upper}  a.qcow2"),
            format!("SHA256 (a.qcow2) = {digest}"),
            format!("SHA2-256(a.qcow2)= {digest}"),
            format!("  {digest}     a.qcow2  "),
            format!("SHA512 (a.qcow2) = {digest}{digest}\nSHA256 (a.qcow2) = {digest}"),
            format!("{digest}  a.qcow2\n{digest}  ./a.qcow2"),
        ] {
            let sums = format!("# comment\n{}  other\n{line}\n", Sha256::of(b"y"));
            assert_eq!(find(sums.as_bytes(), "a.qcow2"), Ok(digest), "{line}");
            for name in ["b.qcow2", "qcow2", ".qcow2", "xa.qcow2"] {
                assert_eq!(find(sums.as_bytes(), name), Err(SumsFault::NotListed(name.to_owned())));
            }
        }
        let escaped = format!("\\{digest}  a\\\\b\\nc\n");
        assert_eq!(find(escaped.as_bytes(), "a\\b\nc"), Ok(digest));
    }

    #[test]
    fn lists_that_do_not_tell_are_refused() {
        let [one, two] = [Sha256::of(b"x"), Sha256::of(b"y")];
        for (list, words) in [
            (format!("{one}  a\n{two}  b\n{two}  d/a\n"), "in line 1 and in line 3"),
            (format!("{one}{two}  a\n"), "a SHA-512 digest of a, in line 1"),
            ("d41d8cd98f00b204e9800998ecf8427e  a\n".to_owned(), "a MD5 digest"),
            ("\n".repeat(LINES + 1), "more than"),
            (" ".repeat(LIMIT + 1), "more than"),
            (
                format!("-----BEGIN PGP SIGNED MESSAGE-----\n\n{one}  b\n-----BEGIN PGP SIGNATURE-----\n{two}  a\n"),
                "lists no SHA-256 of a",
            ),
        ] {
            let error = find(list.as_bytes(), "a").expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(find(b"\xff\xfe", "a"), Err(SumsFault::NoText));
    }
}
