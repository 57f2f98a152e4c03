//! Lists of checksums, in the styles of GNU (`HASH  NAME`, `HASH *NAME`) and BSD (`SHA256 (NAME) = HASH`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// Limit on the size of a list of checksums, in bytes. Real ones are smaller.
pub(super) const LIMIT: usize = 1 << 20;

/// Limit on the number of lines. Real lists have fewer.
const LINES: usize = 20_000;

/// The digest of a file, as a recipe or a list of checksums gives it. It is shown and stored as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Checksum {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512, for lists that have no SHA-256, such as those of Debian's and Alpine's images.
    Sha512([u8; 64]),
}

impl Checksum {
    /// Reads 64 or 128 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let long = || {
            let mut bytes = [0; 64];
            hex::decode_to_slice(text.trim(), &mut bytes).ok()?;
            Some(Self::Sha512(bytes))
        };
        Sha256::parse(text).map(Self::Sha256).or_else(long)
    }

    /// Returns the name of the kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::Sha512(_) => "SHA-512",
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Sha512(bytes) => f.write_str(&hex::encode(bytes)),
        }
    }
}

impl From<Sha256> for Checksum {
    fn from(digest: Sha256) -> Self {
        Self::Sha256(digest)
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

impl TryFrom<String> for Checksum {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is neither a SHA-256 nor a SHA-512"))
    }
}

/// The reason why a list does not give the digest of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SumsFault {
    /// The list has no line for the file.
    #[error("lists no SHA-256 and no SHA-512 of {0}")]
    NotListed(String),
    /// The list has lines for the file that contradict each other.
    #[error(
        "lists {name} with two {kind} digests, in line {first} and in line {second}: which one is meant is not known"
    )]
    Ambiguous {
        /// Base name of the file.
        name: String,
        /// The kind of the digests.
        kind: &'static str,
        /// The first such line.
        first: usize,
        /// The line that contradicts it.
        second: usize,
    },
    /// The list only has another kind of digest for the file.
    #[error("lists a {kind} digest of {name}, in line {line}, and neither SHA-256 nor SHA-512")]
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

/// Returns the digest in a list for a file with this base name: SHA-256, or else SHA-512. A list `of_one` belongs to this file alone,
/// so its only digest counts whatever name stands beside it: some vendors write the name of the build there, or no name.
pub(super) fn find(list: &[u8], name: &str, of_one: bool) -> Result<Checksum, SumsFault> {
    if list.len() > LIMIT || list.iter().filter(|byte| **byte == b'\n').count() > LINES {
        return Err(SumsFault::TooLarge);
    }
    let text = std::str::from_utf8(list).map_err(|_| SumsFault::NoText)?;
    let entries: Vec<Entry> = (1..).zip(signed_part(text)).filter_map(|(at, line)| entry(at, &line, of_one)).collect();
    let named = |entry: &&Entry| entry.name.rsplit('/').next() == Some(name);
    let mut listed: Vec<&Entry> = entries.iter().filter(named).collect();
    if let (true, true, [only]) = (of_one, listed.is_empty(), &entries[..]) {
        listed.push(only);
    }
    for kind in ["SHA-256", "SHA-512"] {
        let digests = listed.iter().filter_map(|entry| Some((entry.line, Checksum::parse(&entry.hash)?)));
        let mut digests = digests.filter(|(_, digest)| digest.kind() == kind);
        let Some((first, digest)) = digests.next() else { continue };
        return match digests.find(|(_, other)| *other != digest) {
            Some((second, _)) => Err(SumsFault::Ambiguous { name: name.to_owned(), kind, first, second }),
            None => Ok(digest),
        };
    }
    Err(match listed.first() {
        Some(Entry { line, hash, .. }) => {
            SumsFault::OtherKind { name: name.to_owned(), kind: kind(hash.len()), line: *line }
        }
        None => SumsFault::NotListed(name.to_owned()),
    })
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

/// A file in a list.
struct Entry {
    line: usize,
    name: String,
    /// Hexadecimal digits.
    hash: String,
}

/// Returns the name and digest in a line; `None` for other lines, such as comments and headings. `bare` takes lines without a name.
fn entry(number: usize, line: &str, bare: bool) -> Option<Entry> {
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
            let split = line.split_once([' ', '\t']).or_else(|| bare.then(|| (line.trim_end(), "")));
            let (hash, name) = split?;
            // One more character tells text and binary files apart; what follows is the name, be it `*` again.
            let name = name.strip_prefix([' ', '*']).unwrap_or(name);
            // Lists by hand have more blanks for looks.
            (name.trim(), hash)
        }
    };
    let is_hash = kind(hash.len()) != "unknown" && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| Entry {
        line: number,
        name: if escaped { unescaped(name) } else { name.to_owned() },
        hash: hash.to_ascii_lowercase(),
    })
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
    find(list, name, false).is_ok() | find(list, name, true).is_ok()
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
            assert_eq!(find(sums.as_bytes(), "a.qcow2", false), Ok(digest.into()), "{line}");
            for name in ["b.qcow2", "qcow2", ".qcow2", "xa.qcow2"] {
                assert_eq!(find(sums.as_bytes(), name, false), Err(SumsFault::NotListed(name.to_owned())));
            }
        }
        let escaped = format!("\\{digest}  a\\\\b\\nc\n");
        assert_eq!(find(escaped.as_bytes(), "a\\b\nc", false), Ok(digest.into()));
    }

    #[test]
    fn sha_512_counts_where_a_list_has_no_sha_256() {
        let [short, long] = ["ab".repeat(32), "cd".repeat(64)];
        let [sha256, sha512] = [&short, &long].map(|text| Checksum::parse(text).expect("a digest"));
        for (list, found) in [
            (format!("{long}  a"), sha512),
            (format!("SHA512 (a) = {long}\nSHA256 (b) = {short}"), sha512),
            (format!("{long}  a\n{short}  a"), sha256),
        ] {
            assert_eq!(find(list.as_bytes(), "a", false), Ok(found), "{list}");
        }
    }

    #[test]
    fn the_only_digest_counts_in_a_list_of_one_file() {
        let long = "cd".repeat(64);
        let digest = Checksum::parse(&long).expect("a digest");
        for list in [format!("{long}\n"), format!("{long}  a-20260101.qcow2\n"), format!("# of a\n{long}  a.qcow2\n")] {
            assert_eq!(find(list.as_bytes(), "a.qcow2", true), Ok(digest), "{list}");
        }
        for list in [format!("{long}  b\n{long}  c\n"), "abc\n".to_owned()] {
            assert_eq!(
                find(list.as_bytes(), "a.qcow2", true),
                Err(SumsFault::NotListed("a.qcow2".to_owned())),
                "{list}"
            );
        }
        assert_eq!(
            find(format!("{long}\n").as_bytes(), "a.qcow2", false),
            Err(SumsFault::NotListed("a.qcow2".to_owned()))
        );
    }

    #[test]
    fn lists_that_do_not_tell_are_refused() {
        let [one, two] = [Sha256::of(b"x"), Sha256::of(b"y")];
        for (list, words) in [
            (format!("{one}  a\n{two}  b\n{two}  d/a\n"), "in line 1 and in line 3"),
            (format!("{one}{two}  a\n{two}{one}  a\n"), "two SHA-512 digests, in line 1 and in line 2"),
            (format!("{one}{}  a\n", &two.to_string()[..32]), "a SHA-384 digest of a, in line 1"),
            ("d41d8cd98f00b204e9800998ecf8427e  a\n".to_owned(), "a MD5 digest"),
            ("\n".repeat(LINES + 1), "more than"),
            (" ".repeat(LIMIT + 1), "more than"),
            (
                format!("-----BEGIN PGP SIGNED MESSAGE-----\n\n{one}  b\n-----BEGIN PGP SIGNATURE-----\n{two}  a\n"),
                "lists no SHA-256 and no SHA-512 of a",
            ),
        ] {
            let error = find(list.as_bytes(), "a", false).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(find(b"\xff\xfe", "a", false), Err(SumsFault::NoText));
    }
}
