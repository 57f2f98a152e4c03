use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

use super::super::{CUT, printable};
use super::redactor::HIDDEN;
use super::*;

fn redactor(secrets: &[&[u8]]) -> Redactor {
    let secrets: Vec<_> = secrets.iter().map(|secret| secret.to_vec()).collect();
    Redactor::new(secrets.iter())
}

#[test]
fn secrets_are_hidden_line_by_line_and_where_they_overlap() {
    let redactor = redactor(&[b"hunter2", b"hunter2hunter3", b"-----\nkey line\n", b"abcdef", b"defghi", b"aaaa"]);
    assert_eq!(redactor.redact("+ login hunter2hunter3 hunter2, no"), "+ login *** ***, no");
    assert_eq!(redactor.redact("key line"), "***");
    assert_eq!(redactor.redact("<abcdefghi> <aaaaaa>"), "<***> <***>");
    assert_eq!(redactor.redact("nothing to hide: hunter"), "nothing to hide: hunter");
    assert_eq!(format!("{redactor:?}"), "Redactor(6 secrets)");
    assert_eq!(Redactor::default().redact("text"), "text");
}

#[test]
fn secrets_that_cannot_be_hidden_are_told() {
    for secret in [&b""[..], b"abc", b"abc\n", b"  abc  ", b"a\nbc\ndef\n"] {
        assert_eq!(require_length(secret), Err(TooShort), "{secret:?}");
    }
    for secret in [&b"abcd"[..], b"abcd\n", b"a\nbcde\n", b"\xff\xfe\xfd\xfc"] {
        assert_eq!(require_length(secret), Ok(()), "{secret:?}");
    }
}

const SECRET: &str = "p&ss \"w'rd\"/<\u{f6}>+$x\\";

/// Returns forms that a program may make of the secret, and the part of each that may stay visible.
fn forms() -> Vec<(&'static str, String, &'static str)> {
    let percent = |keep: &str, upper: bool| -> String {
        let one = |byte: u8| match (keep.contains(char::from(byte)) && byte.is_ascii(), upper) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        SECRET.bytes().map(one).collect()
    };
    let json = serde_json::to_string(SECRET).expect("text");
    let bytes = SECRET.as_bytes();
    vec![
        ("plain", SECRET.to_owned(), ""),
        ("URL", percent("pswrdx", true), ""),
        ("URL, lower case", percent("pswrdx'/$+", false), ""),
        ("form", percent("pswrdx ", true).replace(' ', "+"), ""),
        ("URL of all bytes", percent("", true), ""),
        ("URL twice", percent("pswrdx", true).replace('%', "%25"), ""),
        ("JSON", json[1..json.len() - 1].to_owned(), ""),
        ("JSON in ASCII", json[1..json.len() - 1].replace('\u{f6}', "\\u00f6").replace('/', "\\/"), ""),
        ("JSON as Go writes it", json[1..json.len() - 1].replace('&', "\\u0026").replace('<', "\\u003c"), ""),
        ("shell, single quotes", SECRET.replace('\'', "'\\''"), ""),
        ("shell, mixed quotes", SECRET.replace('\'', "'\"'\"'"), ""),
        ("shell, backslashes", "p\\&ss\\ \\\"w\\'rd\\\"/\\<\u{f6}\\>+\\$x\\\\".to_owned(), ""),
        ("shell, $''", "p&ss \"w\\'rd\"/<\\303\\266>+$x\\\\".to_owned(), ""),
        ("HTML", "p&amp;ss &quot;w&#39;rd&quot;/&lt;&#xF6;&gt;+$x\\".to_owned(), ""),
        ("hexadecimal", hex::encode(bytes), ""),
        ("hexadecimal, upper case", hex::encode_upper(bytes), ""),
        ("base64", BASE64_STANDARD.encode(bytes), ""),
        ("base64 of a line", BASE64_STANDARD.encode(format!("{SECRET}\n")), ""),
        ("base64 for URLs", BASE64_URL_SAFE.encode(bytes), ""),
        ("base64 of user and password", BASE64_STANDARD.encode(format!("me:{SECRET}")), "bWU6"),
        ("base64 at the second place", BASE64_STANDARD.encode(format!("a{SECRET}")), "YX"),
        ("base64 at the third place", BASE64_STANDARD.encode(format!("ab{SECRET}")), "YWJ"),
    ]
}

#[test]
fn every_form_is_hidden_whatever_the_size_of_the_chunks() {
    let redactor = redactor(&[SECRET.as_bytes()]);
    for (name, form, before) in forms() {
        let text = format!("begin {form} {form}, end");
        let whole = redactor.redact(&text);
        let rest = whole.replace(HIDDEN, "");
        // One character at an end of base64 belongs to the neighbour too.
        assert!(rest.len() <= "begin  , end".len() + 2 * (before.len() + 4), "{name}: {whole}");
        assert!(whole.starts_with(&format!("begin {before}{HIDDEN}")) && whole.ends_with(", end"), "{name}: {whole}");
        if before.is_empty() {
            assert_eq!(whole, "begin *** ***, end", "{name}");
        }
        for size in 1..=text.len() {
            let mut stream = Stream::new(redactor.clone());
            let mut shown: Vec<u8> = text.as_bytes().chunks(size).flat_map(|chunk| stream.push(chunk)).collect();
            shown.extend(stream.finish());
            assert_eq!(String::from_utf8_lossy(&shown), whole, "{name}, {size}");
        }
    }
}

#[test]
fn long_secrets_are_hidden_as_files_are_printed() {
    let key: String = (0..40).map(|line| format!("{:064}\n", line * 7_919_u64.pow(4))).collect();
    let token: String = (0..300_u32).map(|n| char::from(b'!' + u8::try_from(n * n % 90).unwrap_or(0))).collect();
    let redactor = redactor(&[key.as_bytes(), token.as_bytes(), b"\xff\xfe\xfdbin"]);
    let rows = |text: &str, width| {
        text.as_bytes().chunks(width).map(|row| String::from_utf8_lossy(row).into_owned() + "\n").collect::<String>()
    };
    let dump = |text: &str| {
        let row = |row: &[u8]| row.iter().map(|byte| format!(" {byte:02x}")).collect::<String>() + "\n";
        text.as_bytes().chunks(16).map(row).collect::<String>()
    };
    for text in [&key, &token] {
        for printed in [
            text.clone(),
            rows(&BASE64_STANDARD.encode(text), 76),
            rows(&BASE64_STANDARD.encode(text), 64),
            BASE64_STANDARD.encode(text),
            rows(&hex::encode(text), 60),
            hex::encode(text),
            dump(text),
            text.replace('\n', "\\n"),
        ] {
            let shown: String = printed.lines().map(|line| redactor.redact(line)).collect();
            let rest: String = shown.replace(HIDDEN, "").replace("\\n", "").split_whitespace().collect();
            assert!(rest.len() <= 8, "{printed}: {shown}");
        }
    }
    assert_eq!(redactor.redact(&String::from_utf8_lossy(b"<\xff\xfe\xfdbin>")), "<***>");
}

#[test]
fn the_end_of_a_line_that_was_cut_shows_no_beginning_of_a_secret() {
    let redactor = redactor(&[b"correct-horse-battery"]);
    let line = format!("{}correct-horse-bat", "x ".repeat(super::super::LINE_LIMIT / 2 - 20));
    let shown = printable(format!("{line}{}", "tery ".repeat(40)).as_bytes());
    assert!(shown.ends_with(&format!("correct-horse-{CUT}")) || shown.contains("correct"), "{shown}");
    let hidden = redactor.redact(&shown);
    assert!(!hidden.contains("corr") && hidden.ends_with(&format!("{HIDDEN}{CUT}")) && hidden.len() > 6000, "{hidden}");
    assert_eq!(redactor.redact(&format!("correct-hor{CUT}")), format!("{HIDDEN}{CUT}"));
}

#[test]
fn what_is_written_goes_on_at_the_end_of_its_line() {
    let mut writer = RedactingWriter::new(Vec::new(), redactor(&[b"correct-horse"]));
    writer.write_all(b"a correct-").expect("memory");
    assert!(!String::from_utf8_lossy(&writer.out).contains("correct"));
    writer.write_all(b"horse\nb").expect("memory");
    assert_eq!(writer.out, b"a ***\n");
    assert_eq!(writer.finish().expect("memory"), b"a ***\nb");
}
